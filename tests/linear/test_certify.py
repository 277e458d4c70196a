"""`certify`: the labels of y are those of the model, in whatever dtype and order they come."""

import mpmath
import numpy as np
import pytest

import fastsoftmax
from fastsoftmax import Blocks, LogisticRegression, SoftmaxRegression, certify

N = 60
rng = np.random.default_rng(0)
X = rng.normal(size=(N, 4))
y = np.arange(N) % 3
NAMES = np.array(["ant", "bee", "cow"])


def objective(model, X, codes, C):
    """F by its definition."""
    z = X @ model.coef_.T + model.intercept_
    losses = np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), codes]
    return losses.mean() + 0.5 * np.sum(model.coef_**2) / (C * len(z))


@pytest.mark.parametrize(
    ("fitted", "given"),
    [
        (y, y.astype(float)),
        (y, y.astype(np.int8)),
        (y, y.astype(object)),
        (NAMES[y], NAMES.astype(object)[y]),
        (NAMES[y], np.eye(3)[y]),
        (NAMES[y], np.eye(3, dtype=int)[y]),
    ],
    ids=["floats", "int8", "objects", "strings as objects", "probabilities", "counts"],
)
def test_labels_of_another_dtype(fitted, given):
    model = SoftmaxRegression(C=0.1).fit(X, fitted)
    target = "counts" if given.ndim == 2 and given.dtype.kind == "i" else "auto"
    proof = model.certify(X, given, target=target)
    assert proof.certified
    assert proof.objective == pytest.approx(objective(model, X, y, 0.1), rel=1e-12)


@pytest.mark.parametrize("kept", [[0, 1], [1, 2], [1]], ids=str)
def test_rows_that_lack_classes(kept):
    """Which are classes of no weight there; no class is taken for another."""
    model = SoftmaxRegression(C=0.1).fit(X, NAMES[y])
    rows = np.isin(y, kept)
    proof = model.certify(X[rows], NAMES[y[rows]])
    F = objective(model, X[rows], y[rows], 0.1)
    assert proof.objective == pytest.approx(F, rel=1e-12)
    best = SoftmaxRegression(C=0.1).fit(X, y, rows.astype(float)).objective_
    assert F - best - 1e-9 <= proof.gap_bound <= F * (1 + 1e-12)
    blocks = Blocks([(X[rows], NAMES[y[rows]])])
    assert model.certify(blocks).objective == pytest.approx(F, rel=1e-12)


def test_two_classes_of_which_one_is_there():
    model = SoftmaxRegression(C=0.1).fit(X, y > 0)
    assert model.certify(X[y > 0], np.ones((y > 0).sum(), int)).objective == pytest.approx(
        np.mean(np.logaddexp(0, -model.decision_function(X[y > 0])))
        + 0.5 * np.sum(model.coef_**2) / (0.1 * (y > 0).sum())
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (y + 1, r"y: expected labels of \['ant', 'bee', 'cow'\], got 1 in row 0 \(classes that"),
        (np.array(["ant", "bee", "dog"])[y], r"y: expected labels of .*, got 'dog'"),
        (np.eye(4)[y], r"y: expected 3 columns, one per class of the model \('ant', .*, got 4"),
    ],
)
def test_labels_that_the_model_lacks(given, message):
    model = SoftmaxRegression().fit(X, NAMES[y])
    for data in ((X, given), (Blocks([(X, given)]),)):
        with pytest.raises(ValueError, match=message):
            model.certify(*data)


def test_one_label_or_several():
    one, several = (
        LogisticRegression().fit(X, y),
        LogisticRegression().fit(X, np.eye(3, dtype=int)[y]),
    )
    assert several.certify(X, np.eye(3, dtype=int)[y]).certified
    with pytest.raises(ValueError, match=r"y: expected one label per row, .* got several labels"):
        one.certify(X, np.eye(3, dtype=int)[y])
    with pytest.raises(ValueError, match=r"y: expected several labels per row, .* got one label"):
        several.certify(X, y)


def test_features_of_the_fit():
    model = SoftmaxRegression().fit(X, y)
    with pytest.raises(ValueError, match="X has 3 features, but SoftmaxRegression is expecting 4"):
        model.certify(X[:, :3], y)


def test_classes_of_a_model_of_any_library():
    model = SoftmaxRegression(C=0.1).fit(X, NAMES[y])
    order = [2, 0, 1]
    coef, intercept = model.coef_[order], model.intercept_[order]
    proof = fastsoftmax.certify(coef, intercept, X, NAMES[y], classes=NAMES[order], C=0.1)
    assert proof.certified
    rows = y < 2
    part = fastsoftmax.certify(
        coef, intercept, X[rows], NAMES[y[rows]], classes=NAMES[order], C=0.1
    )
    assert part == model.certify(X[rows], NAMES[y[rows]]) or part.objective == pytest.approx(
        objective(model, X[rows], y[rows], 0.1), rel=1e-12
    )


@pytest.mark.parametrize(
    ("coef", "intercept", "how", "message"),
    [
        (np.zeros((2, 4)), None, {}, r"coef: expected shape \(3, 4\), got \(2, 4\)"),
        (np.zeros((3, 5)), None, {}, r"coef: .* got \(3, 5\): X has 4 features"),
        (np.zeros((3, 4)), None, {"classes": [0, 1]}, r"y: expected labels of \[0, 1\], got 2 "),
        (np.zeros((3, 4)), None, {"classes": [0, 1, 1]}, "classes: expected different names"),
        (SoftmaxRegression(), None, {}, "coef: expected an array .* got a SoftmaxRegression"),
        (np.zeros((3, 4)), None, {"c": 1}, "certify: unknown parameter 'c', expected one of "),
    ],
)  # fmt: skip
def test_bad_input(coef, intercept, how, message):
    with pytest.raises((ValueError, TypeError), match=message):
        fastsoftmax.certify(coef, intercept, X, y, **how)


def test_two_classes_have_one_row():
    with pytest.raises(ValueError, match=r"expected shape \(1, 4\), got \(2, 4\): y has two class"):
        fastsoftmax.certify(np.zeros((2, 4)), None, X, y > 0)


def test_there_is_no_gradient_by_intercepts_that_are_not_fitted():
    proof = SoftmaxRegression(fit_intercept=False).fit(X, y).certify(X, y)
    assert proof.certified
    assert proof.intercept_grad_norm == 0


@pytest.mark.parametrize("size", [1e100, 1e153, 1e160, 1e300])
@pytest.mark.parametrize("params", [{}, {"l1_ratio": 0.5}, {"C": np.inf}, {"standardize": True}])
def test_coefficients_that_take_the_objective_beyond_float64(size, params):
    X, y = np.arange(4.0)[:, None], [0, 1, 2, 1]
    coef = size * np.array([[1.0], [0], [-1]])
    exact = sum(mpmath.mpf(size) * x * (1 - k) for x, k in ((1, 0), (2, -1), (3, 0))) / 4
    ridge = 0 if params.get("C") else mpmath.mpf(size) ** 2 / 4
    r = params.get("l1_ratio", 0)
    scale = np.var(X) if params.get("standardize") else 1.0
    exact += (1 - r) * ridge * scale + r * 2 * mpmath.mpf(size) / 4
    with np.errstate(over="ignore"):
        proof = certify(coef, None, X, y, **params)
    if exact > np.finfo(float).max:
        assert proof.objective == proof.gap_bound == np.inf and not proof.certified
        assert "nothing is proved" in str(proof)
    else:
        np.testing.assert_allclose(proof.objective, float(exact), rtol=1e-12)
        assert proof.gap_bound >= 0.9 * float(exact) and not proof.certified
    assert np.isfinite([proof.grad_norm, proof.intercept_grad_norm]).all()


def test_equal_weights_beyond_float64():
    X, y = np.arange(4.0)[:, None], [0, 1, 2, 1]
    proof = certify(np.full((3, 1), 1e160), None, X, y)
    assert proof.objective == proof.gap_bound == np.inf and not proof.certified


def test_logits_beyond_float64():
    with pytest.raises(ValueError, match=r"coef: expected logits .* within float64"):
        certify(np.full((3, 1), 1.7e308), None, np.arange(4.0)[:, None], [0, 1, 2, 1])


def symmetric(C, z):
    """F of one weight z at x = -1 of the class 0 and x = 1 of the class 1."""
    return mpmath.log1p(mpmath.exp(-z)) + mpmath.mpf(z) ** 2 / (4 * mpmath.mpf(C))


@pytest.mark.parametrize("tol", [1e-6, 1e-20])
@pytest.mark.parametrize("C", [1e16, 1e18, 1e26])
def test_the_tolerance_of_a_tiny_objective_is_that_of_a_fit(C, tol):
    """Below 1e-13 F(0) it is a share of that."""
    X, y = np.array([[-1.0], [1.0]]), [0, 1]
    model = SoftmaxRegression(C=C, tol=tol).fit(X, y)
    with mpmath.workdps(60):
        # the logarithm of what either part of the derivative is, times 2 C
        best = mpmath.findroot(
            lambda z: mpmath.log(2 * C) - z - mpmath.log(z) - mpmath.log1p(mpmath.exp(-z)), 40
        )
        least = symmetric(C, best)
        wanted = max(tol, 1e-16) * float(1e-13 * mpmath.log(2))
        for weight in (model.coef_[0, 0], best, best + 1e-3, 40.0, 20.0):
            F = symmetric(C, float(weight))
            proof = certify([[float(weight)]], None, X, y, C=C, tol=tol)
            assert proof.objective == pytest.approx(float(F), rel=1e-12)
            assert proof.tolerance == pytest.approx(max(wanted, max(tol, 1e-16) * float(F)))
            assert proof.gap_bound >= F - least
            assert F - least <= proof.tolerance or not proof.certified
    assert model.certified_ and model.certify(X, y).certified
    assert not certify([[20.0]], None, X, y, C=C, tol=tol).certified


def test_the_tolerances_of_labels_add_up():
    labels = np.column_stack([X[:, 0] > 0, X[:, 1] > 0]).astype(int)
    C, weights = 1e22, [{0: 1.0, 1: 2.0}, {0: 3.0, 1: 1.0}]
    model = LogisticRegression(C=C, class_weight=weights).fit(X, labels)
    assert model.objective_ < 1e-13 * np.log(2)
    proof = model.certify(X, labels)
    assert proof.tolerance == pytest.approx(2e-6 * 1e-13 * np.log(2))
    assert model.certified_ and proof.certified


@pytest.mark.parametrize("weight", [30.0, 800.0])
def test_an_objective_without_a_least_value_is_not_certified(weight):
    """Of the greater weight F is 0, in float64."""
    proof = certify([[weight]], None, np.array([[-1.0], [1.0]]), [0, 1], C=np.inf)
    assert proof.objective == pytest.approx(np.log1p(np.exp(-weight)), rel=1e-12)
    assert proof.gap_bound == np.inf and not proof.certified
    assert "nothing is proved" in str(proof)


def test_an_objective_of_0():
    """A class of its own, with an intercept of 800."""
    proof = certify([[0.0]], [800.0], np.zeros((3, 1)), [1, 1, 1], classes=[0, 1], C=1.0)
    assert proof.objective == 0 and proof.certified
    assert str(proof) == "F = 0, proved to be at most 0.0e+00 above the optimum"
