"""Far rows and rare classes, which a preconditioner must represent."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp
from support.problems import softmax_rows

from fastsoftmax import SoftmaxRegression


def data(seed, n, d, k):
    return softmax_rows(n, d, k, seed, slope=1.5)


def objective(model, X, y, C):
    """F of the model, by SciPy."""
    z = X @ model.coef_.T + model.intercept_
    loss = np.mean(logsumexp(z, axis=1) - z[np.arange(len(y)), y])
    return loss + 0.5 * np.sum(model.coef_**2) / (C * len(y))


def fitted(X, y, C, right):
    """A model, and the passes it takes to a gap of 1e-6 above the right objective."""
    model = SoftmaxRegression(
        C=C, solver="preconditioned-lbfgs", tol=1e-12, max_iter=60, n_threads=1
    ).fit(X, y)
    near = [h.n_passes for h in model.history_ if h.objective <= right * (1 + 1e-6)]
    return model, near[0] if near else np.inf


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("seed", "right"), [(0, 0.47000527748718), (2, 0.38980692689341)]
)  # by Newton's method in NumPy, float64
def test_a_far_cell_costs_at_most_four_times_the_passes(seed, right):
    X, y = data(seed, 500, 5, 3)
    X[7, 0] = 999999
    model, passes = fitted(X, y, 1.0, right)
    assert model.objective_ == pytest.approx(right, rel=1e-7)
    assert objective(model, X, y, 1.0) == pytest.approx(right, rel=1e-7)
    assert passes <= 48  # 12 for the same data clipped to 5 deviations


def clipped(X, deviations=5):
    for _ in range(30):
        X = np.clip(X, X.mean(0) - deviations * X.std(0), X.mean(0) + deviations * X.std(0))
    return X


def sentinels(X, seed):
    rng = np.random.default_rng(seed + 100)
    cells = rng.random(X.shape) < 0.01
    X[cells] = rng.choice([-999, 99999, 1e7], cells.sum())


def three_rows(X, seed):
    X[:3, 2] = 1e9


@pytest.mark.parametrize("solver", ["auto", "preconditioned-lbfgs"])
@pytest.mark.parametrize("C", [1.0, 1e3])
@pytest.mark.parametrize("spoil", [sentinels, three_rows])
def test_far_cells_cost_at_most_three_times_the_passes(spoil, C, solver):
    ratios = []
    for seed in range(5):
        X, y = data(seed, 1000, 10, 5)
        spoil(X, seed)
        kwargs = {"C": C, "solver": solver, "n_threads": 1}
        model = SoftmaxRegression(**kwargs).fit(X, y)
        assert model.certified_
        ratios.append(model.n_passes_ / SoftmaxRegression(**kwargs).fit(clipped(X), y).n_passes_)
    assert np.median(ratios) <= 2.5
    assert max(ratios) <= 3.5


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"sample_weight": True},
        {"fit_intercept": False},
        {"label_smoothing": 0.1},
        {"offset": True},
        {"binary": True},
    ],
    ids=str,
)
def test_far_rows_change_no_optimum(more):
    more = dict(more)
    rng = np.random.default_rng(3)
    X, y = data(1, 800, 6, 4)
    sentinels(X, 1)
    fit = {}
    if more.pop("binary", False):
        y = (y > 1).astype(int)
    if more.pop("sample_weight", False):
        fit["sample_weight"] = rng.uniform(0, 2, len(y))
    if more.pop("offset", False):
        fit["offset"] = rng.normal(size=(len(y), y.max() + 1))
    models = [
        SoftmaxRegression(solver=solver, tol=1e-9, n_threads=1, **more).fit(X, y, **fit)
        for solver in ("newton", "preconditioned-lbfgs")
    ]
    assert all(model.certified_ for model in models)
    assert models[0].objective_ == pytest.approx(models[1].objective_, rel=1e-8)


@pytest.mark.filterwarnings("ignore")
def test_long_tailed_classes_reach_their_optimum():
    rng = np.random.default_rng(0)
    n, d, k = 12000, 128, 300
    X = rng.standard_normal((n, d), dtype=np.float32)
    X *= 1 / np.sqrt(np.arange(1, d + 1, dtype=np.float32))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    L = X @ rng.standard_normal((k, d), dtype=np.float32).T
    L *= 30 / L.std()
    y = (L + rng.gumbel(size=(n, k)).astype(np.float32)).argmax(1)
    model = SoftmaxRegression(max_iter=40).fit(X * np.float32(2.6), y)
    assert model.objective_ == pytest.approx(1.876573, rel=2e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [2, 5])
def test_one_sentinel_among_many_rows(k, dtype):
    """More rows than the model of the others is made from."""
    X, y = data(0, 9000, 5, k)
    X[0, 0] = -9999
    model = SoftmaxRegression(n_threads=1).fit(X.astype(dtype), y)
    assert model.certified_
    other = SoftmaxRegression(solver="lbfgs", max_iter=1000, n_threads=1).fit(X, y)
    assert model.objective_ == pytest.approx(other.objective_, rel=2e-6)


@pytest.mark.parametrize("big", [3e10, 1e11, 1e13])
@pytest.mark.parametrize("n", [20, 100])
def test_a_far_cell_without_a_penalty(n, big):
    """Newton's step sees the curvature of the far row alone: that it is short proves nothing."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    y = (1.5 * x + rng.logistic(size=n) > 0).astype(int)
    x[0], y[0] = big, 1
    model = SoftmaxRegression(C=np.inf).fit(x[:, None], y)

    def loss(theta):
        return np.logaddexp(0, np.where(y == 1, -1, 1) * (x * theta[0] + theta[1])).mean()

    options = {"xatol": 1e-9, "fatol": 1e-14, "maxiter": 10_000}
    best = minimize(loss, [1.0, 0.0], method="Nelder-Mead", options=options)
    assert model.converged_
    assert model.objective_ == pytest.approx(best.fun, rel=1e-6)
