"""Paths over the strengths of an L1 penalty, and the choice of a simple model on one."""

import numpy as np
import pytest
from scipy import sparse
from scipy.special import softmax

import fastsoftmax
from fastsoftmax import SoftmaxRegression, SoftmaxRegressionCV, softmax_path
from fastsoftmax.datasets import load_digits

X, Y = load_digits()
X, Y = X[:250].astype(float), Y[:250]


def largest_of_zeros(X, y, s, r, grouped, standardize=False):
    """C_max in NumPy: the null model's steepest gradient is r / (C_max Σ s)."""
    s = s / s.sum()
    classes = np.unique(y)
    E = (y[:, None] == classes) - s @ (y[:, None] == classes)
    deviations = 1.0
    if standardize:
        deviations = np.sqrt(s @ np.square(X - s @ X))
        deviations[deviations == 0] = np.inf
    G = (E * s[:, None]).T @ X / deviations
    return np.linalg.norm(G, axis=0).max() if grouped else np.abs(G).max()


@pytest.mark.parametrize("r", [1.0, 0.4])
@pytest.mark.parametrize("group", [None, "classes"])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_each_model_is_the_optimum_and_the_first_is_zero(r, group, kind):
    given = kind(X)
    path = softmax_path(given, Y, Cs=4, eps=1e-2, l1_ratio=r, l1_group=group, tol=1e-8)
    expected = r / (largest_of_zeros(X, Y, np.ones(len(Y)), r, group is not None) * len(Y))
    assert np.isclose(path.C_max, expected, rtol=1e-8)
    assert np.allclose(path.Cs, path.C_max * np.geomspace(1, 100, 4))
    assert path.n_nonzero[0] == 0
    assert path.n_nonzero[1] > 0
    assert path.converged.all()
    assert (path.gap_bounds <= 1e-8 * path.objectives).all()
    for i in (1, 3):
        one = SoftmaxRegression(C=path.Cs[i], l1_ratio=r, l1_group=group, tol=1e-9).fit(given, Y)
        assert np.isclose(path.objectives[i], one.objective_, rtol=2e-8)
        model = path.coefs[i], path.intercepts[i]
        proof = fastsoftmax.certify(
            *model, X, Y, C=path.Cs[i], l1_ratio=r, l1_group=group, tol=1e-6
        )
        assert proof.certified
    assert np.array_equal(path.n_nonzero, [np.any(W != 0, axis=0).sum() for W in path.coefs])


def test_weights_units_and_free_features():
    s = np.random.default_rng(0).integers(1, 4, len(Y)).astype(float)
    path = softmax_path(X, Y, s, Cs=2, l1_group="classes", standardize=True)
    expected = 1 / (largest_of_zeros(X, Y, s, 1.0, True, standardize=True) * s.sum())
    assert np.isclose(path.C_max, expected, rtol=1e-8)
    factors = np.ones(64)
    factors[28] = 0
    path = softmax_path(X, Y, Cs=2, l1_group="classes", penalty_factor=factors)
    assert np.flatnonzero(path.coefs[0].any(axis=0)).tolist() == [28]
    P = softmax(X @ path.coefs[0].T + path.intercepts[0], axis=1)
    G = (P - (Y[:, None] == path.classes)).T @ X
    assert np.isclose(
        np.linalg.norm(np.delete(G, 28, axis=1), axis=0).max(), 1 / path.C_max, rtol=1e-4
    )


def test_two_classes_a_reference_class_and_given_strengths():
    y = Y % 2
    path = softmax_path(X, y, Cs=[0.1, 0.001])
    assert path.Cs.tolist() == [0.001, 0.1]
    assert path.coefs.shape == (2, 1, 64)
    three = softmax_path(X, Y % 3, Cs=3, reference_class=1, l1_group="classes")
    assert not three.coefs[:, 1].any()
    assert three.classes.tolist() == [0, 1, 2]


def test_given_strengths_are_sorted_and_each_is_fitted():
    path = softmax_path(X, Y, Cs=[0.1, 0.001, 0.1], tol=1e-9)
    assert path.Cs.tolist() == [0.001, 0.1, 0.1]
    assert path.objectives[1] == pytest.approx(path.objectives[2], rel=2e-9)
    one = SoftmaxRegression(C=0.1, l1_ratio=1, tol=1e-9).fit(X, Y)
    assert path.objectives[2] == pytest.approx(one.objective_, rel=2e-9)


@pytest.mark.parametrize(
    ("x", "factors"),
    [
        (0 * X, None),
        (0 * X + 0.1, None),
        (sparse.csr_array(0 * X), None),
        (X[:, 26:30], np.zeros(4)),
    ],
    ids=["zeros", "constant", "sparse", "no penalty"],
)
def test_where_no_strength_gives_a_weight(x, factors):
    """All penalised weights are 0 at any C; the intercepts are then the shares' logarithms."""
    path = softmax_path(x, Y, Cs=[1.0, 100.0], penalty_factor=factors)
    assert path.C_max == np.inf
    if factors is None:
        assert not path.n_nonzero.any()
        shares = softmax(path.intercepts[1])
        assert np.allclose(shares, np.bincount(Y) / len(Y), rtol=1e-3)
    with pytest.raises(ValueError, match=r"Cs: expected an array of strengths .*constant.*got 3$"):
        softmax_path(x, Y, Cs=3, penalty_factor=factors)


def test_a_path_has_a_hundred_strengths():
    assert len(softmax_path(X[:30, :2], Y[:30] > 0).Cs) == 100


def test_messages():
    for params, error, text in (
        ({"l1_ratio": 0}, ValueError, "l1_ratio: expected a number > 0"),
        ({"eps": 1.0}, ValueError, "eps: expected a number < 1"),
        ({"Cs": 0}, ValueError, "Cs: expected a number of strengths >= 1 or an array"),
        ({"calibrate": 3}, TypeError, "calibrate: expected none for a path"),
        ({"C": 1.0}, TypeError, "C: expected none for a path"),
        ({"step": 1}, TypeError, "softmax_path: unknown parameter 'step'"),
        (
            {"callback": print},
            TypeError,
            "expected one of X, y, sample_weight, Cs, eps, l1_ratio, l1_group, target, classes, "
            "offset, class_weight, feature_scale, fit_intercept, label_smoothing, max_iter, "
            "max_memory, n_threads, penalty_factor, random_state, reference_class, solver, "
            "standardize, tol, verbose, warm_start$",
        ),
    ):
        with pytest.raises(error, match=text):
            softmax_path(X, Y, **params)
    with pytest.warns(fastsoftmax._runtime.sklearn_compat.ConvergenceWarning, match="of 3 fits"):
        softmax_path(X, Y, Cs=3, max_iter=1)


def test_the_simplest_within_a_standard_error():
    Cs = np.geomspace(1e-3, 10, 6)
    params = {"cv": 4, "l1_ratio": 1, "l1_group": "classes"}
    best = SoftmaxRegressionCV(Cs[::-1], **params).fit(X, Y)
    simple = SoftmaxRegressionCV(Cs[::-1], selection="1se", **params).fit(X, Y)
    assert np.array_equal(simple.scores_, best.scores_)
    mean = best.scores_.mean(axis=0)
    at = mean.argmax()
    least = mean[at] - best.scores_[:, at].std(ddof=1) / 2
    assert best.Cs_[at] == best.C_
    assert min(simple.Cs_[mean >= least]) == simple.C_
    assert simple.C_ < best.C_
    assert np.count_nonzero(simple.coef_.any(axis=0)) < np.count_nonzero(best.coef_.any(axis=0))
    with pytest.raises(ValueError, match="selection: expected one of best, 1se"):
        SoftmaxRegressionCV(selection="2se").fit(X, Y)
    one = [(np.arange(150), np.arange(150, 250))]
    with pytest.raises(ValueError, match=r"cv: expected at least 2 folds .*1se.* got 1$"):
        SoftmaxRegressionCV(Cs, selection="1se", cv=one).fit(X, Y)


def test_picture():
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    from fastsoftmax.plotting import PathDisplay

    path = softmax_path(X, Y, Cs=7, l1_group="classes")
    names = [f"pixel {i}" for i in range(64)]
    display = PathDisplay.from_path(path, ax=Figure().subplots(), names=names, C=path.Cs[3])
    norms = np.linalg.norm(path.coefs, axis=1)
    assert len(display.lines_) == path.n_nonzero.max()
    first = int(display.lines_[0].get_label().split()[1])
    assert norms[1, first] > 0
    assert np.array_equal(display.lines_[0].get_ydata(), norms[:, first])
    assert display.ax_.get_xscale() == "log"
    one = PathDisplay.from_path(path, ax=Figure().subplots(), label=3)
    assert {tuple(line.get_ydata()) for line in one.lines_} == {
        tuple(w) for w in path.coefs[:, 3].T if w.any()
    }
    two = softmax_path(X, Y % 2, Cs=3)
    favoured, other = (
        PathDisplay.from_path(two, ax=Figure().subplots(), label=label).lines_[0].get_ydata()
        for label in (1, 0)
    )
    assert np.array_equal(favoured, -other)
    with pytest.raises(ValueError, match="label: expected one of the classes"):
        PathDisplay(path, label="no").plot(Figure().subplots())
    for how, text in (
        ({"unit": 1}, "PathDisplay: unknown parameter 'unit', expected one of label, names, C$"),
        ({"names": ["a"]}, "names: expected 64, one per feature, got 1$"),
        ({"names": "pixel"}, "names: expected 64, one per feature, got 'pixel'$"),
        ({"names": 3}, "names: expected 64, one per feature, got 3$"),
        ({"C": -1.0}, r"C: expected a finite number > 0, got -1\.0$"),
    ):
        with pytest.raises((TypeError, ValueError), match=text):
            PathDisplay.from_path(path, ax=Figure().subplots(), **how)
    with pytest.raises(TypeError, match="path: expected what softmax_path returns"):
        PathDisplay([1, 2]).plot(Figure().subplots())
