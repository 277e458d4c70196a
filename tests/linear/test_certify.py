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
        (y + 1, r"y: expected labels of \['ant', 'bee', 'cow'\], got 1 \(classes that the model d"),
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
