"""L1 and elastic net fits, against the optimality conditions and scikit-learn's saga."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.special import logsumexp

import fastsoftmax
from fastsoftmax import SoftmaxRegression, softmax
from fastsoftmax._runtime.sklearn_compat import logistic_regression

TIGHT = 1e-10


def problem(k=3, n=300, d=12, seed=0, shift=3.0, zeros=0.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) + shift
    X[rng.random(X.shape) < zeros] = 0
    y = np.argmax((X[:, :k] - shift) + rng.gumbel(size=(n, k)), axis=1)
    return X, y


def logits_of(model, X):
    z = X @ model.coef_.T + model.intercept_
    return np.column_stack([np.zeros(len(z)), z]) if z.shape[1] == 1 else z


def objective(model, X, y, C, r, s=None):
    s = np.ones(len(y)) if s is None else s
    z = logits_of(model, X)
    losses = logsumexp(z, axis=1) - z[np.arange(len(y)), y]
    W = model.coef_
    return (s @ losses + (r * np.abs(W).sum() + (1 - r) / 2 * (W**2).sum()) / C) / s.sum()


def violation(model, X, y, C, r, s=None):
    """By how much the optimality conditions are missed, of λ."""
    s = np.ones(len(y)) if s is None else s
    z = logits_of(model, X)
    error = np.exp(z - logsumexp(z, axis=1, keepdims=True))
    error[np.arange(len(y)), y] -= 1
    error = (error * (s / s.sum())[:, None])[:, -len(model.coef_) :]
    W, strength = model.coef_, 1 / (C * s.sum())
    g = error.T @ X + (1 - r) * strength * W
    active = np.abs(g + r * strength * np.sign(W))[W != 0].max(initial=0)
    inactive = (np.abs(g) - r * strength)[W == 0].max(initial=0)
    intercepts = np.abs(error.sum(axis=0)).max() if np.any(model.intercept_) else 0.0
    return max(active, inactive, intercepts) / strength


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("r", [1.0, 0.5, 0.02])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("is_sparse", [False, True])
def test_optimality(k, r, fit_intercept, is_sparse):
    X, y = problem(k, shift=0.0 if is_sparse else 3.0, zeros=0.6 if is_sparse else 0.0)
    s = np.random.default_rng(1).integers(0, 3, len(y)) * 0.7
    given = sparse.csr_array(X) if is_sparse else X
    for weights in (None, s):
        model = SoftmaxRegression(C=0.3, l1_ratio=r, fit_intercept=fit_intercept, tol=TIGHT)
        model.fit(given, y, sample_weight=weights)
        F = objective(model, X, y, 0.3, r, weights)
        assert model.converged_
        assert np.isclose(model.objective_, F, rtol=1e-12)
        assert model.gap_bound_ <= TIGHT * F
        assert violation(model, X, y, 0.3, r, weights) < 1e-3


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("r", [1.0, 0.5])
def test_same_optimum_as_saga(k, r):
    pytest.importorskip("sklearn")
    X, y = problem(k, shift=0.5)
    model = SoftmaxRegression(C=0.05, l1_ratio=r, tol=TIGHT).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        saga = logistic_regression(l1_ratio=r, C=0.05, tol=1e-12, max_iter=20000).fit(X, y)
    assert np.array_equal(model.coef_ == 0, saga.coef_ == 0)
    assert 0 < np.count_nonzero(model.coef_) < model.coef_.size
    assert np.allclose(model.coef_, saga.coef_, atol=1e-5)
    assert objective(model, X, y, 0.05, r) <= objective(saga, X, y, 0.05, r) * (1 + 1e-10)


@pytest.mark.parametrize("r", [1.0, 0.5])
@pytest.mark.parametrize("k", [2, 3])
def test_certificate_holds_all_along(k, r):
    X, y = problem(k)
    least = SoftmaxRegression(l1_ratio=r, tol=1e-13).fit(X, y).objective_
    for max_iter in range(1, 5):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = SoftmaxRegression(l1_ratio=r, tol=1e-13, max_iter=max_iter).fit(X, y)
        assert model.objective_ - least <= model.gap_bound_ + 1e-14


def test_strong_penalty_leaves_the_shares():
    X, y = problem(3)
    for given in (X, sparse.csr_array(X)):
        model = SoftmaxRegression(C=1e-4, l1_ratio=1.0, tol=TIGHT).fit(given, y)
        assert not model.coef_.any()
        share = np.log(np.bincount(y) / len(y))
        assert np.allclose(model.intercept_, share - share.mean(), atol=1e-6)


def test_shift_by_the_median():
    X, y = problem(5)
    model = SoftmaxRegression(l1_ratio=1.0, C=10.0, tol=TIGHT).fit(X, y)
    assert np.array_equal(np.median(model.coef_, axis=0), np.zeros(X.shape[1]))


def test_little_l1_is_nearly_l2():
    X, y = problem(3)
    smooth = SoftmaxRegression(tol=1e-12).fit(X, y)
    model = SoftmaxRegression(l1_ratio=1e-7, tol=1e-12).fit(X, y)
    assert np.allclose(model.coef_, smooth.coef_, atol=1e-5)


def test_sparse_and_dense_agree():
    X, y = problem(4, n=500, d=40, shift=0.0, zeros=0.9)
    dense = SoftmaxRegression(C=0.5, l1_ratio=1.0, tol=1e-11).fit(X, y)
    of_sparse = SoftmaxRegression(C=0.5, l1_ratio=1.0, tol=1e-11).fit(sparse.csr_array(X), y)
    assert np.allclose(dense.coef_, of_sparse.coef_, atol=1e-6)
    assert np.array_equal(dense.coef_ == 0, of_sparse.coef_ == 0)


@pytest.mark.parametrize("r", [1.0, 0.5])
def test_features_of_one_row_alone(r):
    rng = np.random.default_rng(0)
    X = sparse.hstack([sparse.eye_array(90) * 3, sparse.csr_array(rng.normal(size=(90, 4)))])
    y = np.argmax(X[:, -4:-1].toarray() + rng.gumbel(size=(90, 3)), axis=1)
    model = SoftmaxRegression(C=2.0, l1_ratio=r, tol=TIGHT).fit(X.tocsr(), y)
    assert violation(model, X.toarray(), y, 2.0, r) < 1e-3


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_number_of_threads(is_sparse, dtype):
    X, y = problem(5, n=3000, d=60, shift=0.0, zeros=0.5)
    X = X.astype(dtype)
    X = sparse.csr_array(X) if is_sparse else X
    fits = [SoftmaxRegression(l1_ratio=0.7, C=0.1, n_threads=t).fit(X, y) for t in (1, 2)]
    assert np.array_equal(fits[0].coef_, fits[1].coef_)
    assert fits[0].gap_bound_ == fits[1].gap_bound_


@pytest.mark.parametrize("r", [1.0, 0.5])
def test_float32(r):
    X, y = problem(4, n=2000)
    wide = SoftmaxRegression(l1_ratio=r).fit(X, y)
    narrow = SoftmaxRegression(l1_ratio=r).fit(X.astype(np.float32), y)
    assert narrow.converged_
    assert objective(narrow, X, y, 1.0, r) <= wide.objective_ * (1 + 1e-6)


@pytest.mark.parametrize("is_sparse", [False, True])
def test_separable(is_sparse):
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    X = np.eye(3)[y] * 4 + rng.normal(size=(90, 3)) * 0.2
    X = np.column_stack([X, rng.normal(size=(90, 20))])
    for C in (1.0, 1e3):
        model = SoftmaxRegression(l1_ratio=1.0, C=C).fit(sparse.csr_array(X) if is_sparse else X, y)
        assert model.converged_
        assert np.isfinite(model.coef_).all()
        assert model.score(X, y) == 1.0


def test_constant_feature():
    X, y = problem(3)
    model = SoftmaxRegression(l1_ratio=1.0, tol=TIGHT).fit(
        np.column_stack([X, np.full(300, 7.0)]), y
    )
    assert not model.coef_[:, -1].any()
    assert model.converged_


def test_warm_start():
    X, y = problem(3)
    model = SoftmaxRegression(l1_ratio=1.0, warm_start=True, tol=1e-9)
    first = model.fit(X, y).n_iter_
    assert model.fit(X, y).n_iter_ < first
    assert model.converged_


@pytest.mark.parametrize("r", [0.5, 1.0])
def test_callback(r):
    X, y = problem(3)
    seen = []
    model = SoftmaxRegression(l1_ratio=r).fit(X, y, callback=lambda state: seen.append(state.gap))
    assert len(seen) == model.n_iter_
    assert seen[-1] <= model.tol


def test_little_memory_takes_part_of_the_support():
    X, y = problem(3, n=400, d=60)
    model = SoftmaxRegression(l1_ratio=0.5, max_memory=60_000, C=0.5).fit(X, y)
    whole = SoftmaxRegression(l1_ratio=0.5, C=0.5).fit(X, y)
    assert np.isclose(model.objective_, whole.objective_, rtol=3e-6)


@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan])
def test_ratio_out_of_range(value):
    with pytest.raises(ValueError, match="l1_ratio: expected a number"):
        SoftmaxRegression(l1_ratio=value).fit(*problem())


def test_ratio_no_number():
    with pytest.raises(TypeError, match="l1_ratio: expected a number"):
        SoftmaxRegression(l1_ratio="1").fit(*problem())


@pytest.mark.parametrize("solver", ["lbfgs", "preconditioned-lbfgs", "newton", "gd"])
def test_smooth_solvers_say_no(solver):
    with pytest.raises(
        ValueError, match=rf"solver: '{solver}' needs a smooth penalty \(l1_ratio=0\)"
    ):
        SoftmaxRegression(l1_ratio=0.5, solver=solver).fit(*problem())


def test_proximal_solver_wants_l1():
    with pytest.raises(ValueError, match="'proximal-newton' needs an L1 penalty"):
        SoftmaxRegression(solver="proximal-newton").fit(*problem())


@pytest.mark.parametrize("solver", ["auto", "proximal-newton"])
def test_no_room_for_logits(solver):
    with pytest.raises(
        ValueError,
        match=r"max_memory: expected .* bytes or more, for the logits of an L1 fit, got 1000",
    ):
        SoftmaxRegression(l1_ratio=1.0, max_memory=1000, solver=solver).fit(*problem())


@pytest.mark.parametrize("dtype", [np.uint8, np.float16])
def test_stored_dtypes(dtype):
    X, y = problem(3, n=500)
    X = np.clip(X * 20, 0, 255).astype(dtype)
    model = SoftmaxRegression(C=0.01, l1_ratio=0.5).fit(X, y)
    wide = SoftmaxRegression(C=0.01, l1_ratio=0.5).fit(X.astype(float), y)
    assert np.isclose(model.objective_, wide.objective_, rtol=1e-5)


def test_no_penalty_at_all():
    X, y = problem(3, d=3)
    free = SoftmaxRegression(C=np.inf, tol=1e-12).fit(X, y)
    model = SoftmaxRegression(C=np.inf, l1_ratio=1.0, tol=1e-12).fit(X, y)
    assert np.array_equal(model.coef_, free.coef_)


def test_in_one_call():
    X, y = problem(3)
    model = fastsoftmax.fit(X, y, l1_ratio=1.0, solver="proximal-newton")
    assert model.converged_


@pytest.mark.parametrize("is_sparse", [False, True])
def test_float32_is_certified(is_sparse):
    """L1 alone, whose certificate rounding of float32 would spoil: in float64, if there is room."""
    X, y = problem(4, n=2000, d=30, zeros=0.5)
    X = sparse.csr_array(X.astype(np.float32)) if is_sparse else X.astype(np.float32)
    model = SoftmaxRegression(l1_ratio=1.0, feature_scale=2.0, tol=1e-8).fit(X, y)
    assert model.gap_bound_ <= 1e-8 * model.objective_
    little = SoftmaxRegression(l1_ratio=1.0, feature_scale=2.0, max_memory=600_000).fit(X, y)
    assert np.isclose(little.objective_, model.objective_, rtol=1e-5)


def test_rows_without_weight_of_a_class_without_any():
    # their probability falls to 0, and they count for nothing in the certificate
    X = np.random.default_rng(0).normal(size=(30, 4))
    y, weights = np.arange(30) % 2, 1.0 * (np.arange(30) % 2 == 0)
    model = SoftmaxRegression(l1_ratio=1, tol=1e-13).fit(X, y, sample_weight=weights)
    assert 0 <= model.gap_bound_ < 1e-6
    assert set(model.predict(X)) == {0}


@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
@pytest.mark.parametrize("seed", range(12))
def test_a_class_of_weight_0_leaves_the_fit_of_the_others(l1_ratio, seed):
    """By weights of rows or of the class; dense, of bytes and sparse."""
    rng = np.random.default_rng(seed)
    n, d, k = int(rng.choice([10, 50, 300])), int(rng.choice([3, 17])), int(rng.choice([4, 5]))
    X, y = rng.normal(size=(n, d)), rng.integers(0, k, n)
    y[:k] = np.arange(k)
    weights = rng.random(n) + 0.1
    weights[y == k - 1] = 0
    rows = y < k - 1
    given = [X, (10 * X + 100).clip(0, 255).astype(np.uint8), sparse.csr_array(X)][seed % 3]
    parameters = {"C": [0.01, 1.0, 100.0][seed % 3], "l1_ratio": l1_ratio, "tol": 1e-9}
    model = SoftmaxRegression(**parameters).fit(given, y, weights)
    others = SoftmaxRegression(**parameters).fit(given[rows], y[rows], weights[rows])
    assert model.converged_ and others.converged_
    assert model.objective_ == pytest.approx(others.objective_, rel=1e-8, abs=1e-12)
    p, expected = model.predict_proba(given), others.predict_proba(given)
    np.testing.assert_allclose(p[:, : k - 1], expected, atol=1e-3)


@pytest.mark.parametrize("C", [1.0, 100.0])
@pytest.mark.parametrize("sure", [False, True])
def test_few_rows_of_many_classes(C, sure):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(3, 50)), rng.dirichlet(np.ones(1000), 3)
    if sure:
        Y = np.eye(1000)[[1, 5, 7]]
    model = SoftmaxRegression(l1_ratio=1.0, C=C).fit(X, Y, target="probabilities")
    assert model.converged_ and model.n_iter_ < 60
    logits = X @ model.coef_.T + model.intercept_
    gradient = (
        C * (softmax(logits) - Y).T @ X
    )  # at most 1 where a weight is 0, at -1 or 1 elsewhere
    at_zero = model.coef_ == 0
    assert abs(gradient[at_zero]).max() <= 1 + 1e-3
    np.testing.assert_allclose(gradient[~at_zero], -np.sign(model.coef_[~at_zero]), atol=2e-2)
