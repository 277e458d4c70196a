"""Dual coordinate ascent ends at the optimum; `auto` takes it where a penalty is strong."""

import warnings

import numpy as np
import pytest
from scipy import optimize, sparse
from scipy.special import expit, logit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from support.sparse_rows import INDICES, compressed, scrambled, text

from fastsoftmax import SoftmaxRegression, SoftmaxRegressionCV
from fastsoftmax._core import kernels
from fastsoftmax._engine.data import SparseData
from fastsoftmax._engine.objective import Objective, Observations, Penalty
from fastsoftmax._engine.objective.loss import LogisticPerLogit
from fastsoftmax._engine.solvers import dual_ascent, preconditioned

N, D = 400, 900
BOTH = (np.float32, np.float64)
pytestmark = pytest.mark.usefixtures("stays_sparse")


@pytest.fixture
def handovers(monkeypatch):
    """What L-BFGS was given to go on with."""
    calls, go_on = [], preconditioned.go_on

    def told(*args):
        calls.append(args)
        return go_on(*args)

    monkeypatch.setattr(preconditioned, "go_on", told)
    return calls


def problem(dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    X = text(N, D, rng, dtype)
    y = X @ rng.standard_normal(D) * 3 - 0.7 + rng.logistic(size=N) > 0
    return X, y.astype(int)


def fit(X, y, *, sample_weight=None, offset=None, **params):
    params = {"solver": "dual-ascent", "tol": 1e-9, "n_threads": 1} | params
    return SoftmaxRegression(**params).fit(X, y, sample_weight, offset=offset)


def mean_objective(w, b, X, t, C, s=None, offset=0.0):
    """Σ s·CE / Σ s + ½‖w‖² / (C Σ s) of probabilities t, in NumPy."""
    s = np.ones(len(t)) if s is None else s
    z = X.astype(float) @ w + b + offset
    losses = np.logaddexp(0, z) - t * z
    return (s @ losses + 0.5 / C * (w @ w)) / s.sum()


def minimum(X, t, C, fit_intercept, s=None, offset=0.0):
    """The least of it, by SciPy."""
    X = X.toarray().astype(float)
    s = np.ones(len(t)) if s is None else s

    def value_and_grad(v):
        w, b = v[:-1], v[-1] * fit_intercept
        r = s * (expit(X @ w + b + offset) - t) / s.sum()
        by_w = X.T @ r + w / (C * s.sum())
        value = mean_objective(w, b, X, t, C, s, offset)
        return value, np.append(by_w, fit_intercept * r.sum())

    options = {"maxiter": 5000, "maxfun": 9999, "ftol": 1e-16, "gtol": 1e-11, "maxcor": 50}
    start = np.zeros(X.shape[1] + 1)
    return optimize.minimize(
        value_and_grad, start, jac=True, method="L-BFGS-B", options=options
    ).fun


def assert_optimal(model, X, t, C, s=None, offset=0.0):
    value = mean_objective(model.coef_[0], model.intercept_[0], X, t, C, s, offset)
    best = minimum(X, t, C, model.fit_intercept, s, offset)
    assert model.certified_
    assert model.objective_ == pytest.approx(value, rel=1e-12)
    assert value - best <= model.gap_bound_ + 1e-12 * best
    assert best <= value + 1e-12 * best
    assert model.gap_bound_ <= model.tol * value


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("C", [0.01, 1.0, 10.0])
def test_same_optimum_as_scipy(dtype, index, fit_intercept, C, handovers):
    X, y = problem(dtype)
    X = compressed(X.data, X.indices.astype(index), X.indptr.astype(index), X.shape)
    model = fit(X, y, C=C, fit_intercept=fit_intercept, tol=1e-7)
    assert C > 1 or not handovers
    assert_optimal(model, X, y, C)


def test_same_optimum_as_scikit_learn():
    X, y = problem()
    theirs = LogisticRegression(C=0.5, solver="newton-cholesky", tol=1e-12).fit(X.toarray(), y)
    model = fit(X, y, C=0.5, tol=1e-12)
    np.testing.assert_allclose(model.coef_, theirs.coef_, atol=3e-5)
    np.testing.assert_allclose(model.intercept_, theirs.intercept_, atol=3e-5)


@pytest.mark.parametrize("index", INDICES)
def test_entries_in_any_order_and_twice(index):
    rng = np.random.default_rng(1)
    X, y = problem()
    mixed = scrambled(X, rng, index)
    mixed.data[::17] = 0  # explicit zeros
    same = sparse.csr_array(mixed.toarray())
    assert_optimal(fit(mixed, y, C=2.0), same, y, 2.0)


@pytest.mark.parametrize("dtype", BOTH)
def test_weights_some_of_them_zero(dtype):
    X, y = problem(dtype)
    s = np.random.default_rng(2).exponential(size=N) * (np.arange(N) % 5 > 0)
    assert_optimal(fit(X, y, sample_weight=s, C=0.7, tol=1e-7), X, y, 0.7, s)


def test_probabilities_smoothed_labels_and_an_offset():
    rng = np.random.default_rng(3)
    X, y = problem()
    t, offset = rng.beta(0.3, 0.3, N), rng.standard_normal(N)
    t[:20], t[20:40] = 0, 1
    model = fit(X, np.column_stack([1 - t, t]), C=0.7, offset=offset[:, None])
    assert_optimal(model, X, t, 0.7, offset=offset)
    model = fit(X, y, C=0.7, label_smoothing=0.2)
    assert_optimal(model, X, 0.8 * y + 0.1, 0.7)


def test_float32_stays_certified_to_tight_tolerances():
    X, y = problem(np.float32)
    assert_optimal(fit(X, y, C=1.0, tol=1e-11), X, y, 1.0)


def test_weak_penalties_are_left_to_lbfgs(handovers):
    X, y = problem()
    model = fit(X, y, C=1e4, tol=1e-8)
    assert len(handovers) == 1
    assert_optimal(model, X, y, 1e4)
    seen = [iteration.n_passes for iteration in model.history_]
    assert seen == sorted(seen)


def test_certify_agrees():
    X, y = problem(np.float32)
    model = fit(X, y, C=0.5, tol=1e-7)
    found = model.certify(X, y)
    assert found.gap_bound <= 1e-7 * found.objective
    assert found.objective == pytest.approx(model.objective_, rel=1e-12)
    assert found.grad_norm == pytest.approx(model.grad_norm_, rel=1e-3)


def test_threads_change_no_bit_and_seeds_do():
    X, y = problem(np.float32)
    one, two, other = (
        fit(X, y, n_threads=n, random_state=seed).coef_ for n, seed in ((1, 0), (2, 0), (1, 1))
    )
    assert one.tobytes() == two.tobytes() != other.tobytes()


def test_a_warm_start_takes_fewer_epochs():
    X, y = problem()
    model = SoftmaxRegression(solver="dual-ascent", C=1.0, tol=1e-8, warm_start=True).fit(X, y)
    cold = model.n_iter_
    assert model.fit(X, y).n_iter_ < cold
    model.set_params(C=1.3).fit(X, y)
    assert_optimal(model, X, y, 1.3)
    assert model.n_iter_ <= cold
    model.set_params(C=0.1).fit(X, y)
    assert_optimal(model, X, y, 0.1)


def test_cross_validation_ends_at_the_same_optimum():
    X, y = problem()
    found = SoftmaxRegressionCV(Cs=[0.01, 0.3], cv=3, tol=1e-8).fit(X, y)
    value = mean_objective(found.coef_[0], found.intercept_[0], X, y, found.C_)
    assert value == pytest.approx(minimum(X, y, found.C_, True), rel=1e-7)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_lbfgs_begins_anew_where_epochs_lead_nowhere(fit_intercept, handovers):
    X, y = problem()
    C = 300 / float(np.mean(sparse.linalg.norm(X, axis=1) ** 2))
    model = fit(X, y, solver="auto", C=C, tol=1e-6, fit_intercept=fit_intercept)
    ((_, start),) = handovers
    assert np.count_nonzero(start) <= fit_intercept
    assert_optimal(model, X, y, C)


def test_auto_takes_it_for_strong_penalties(monkeypatch):
    X, y = problem()
    taken, minimize = [], dual_ascent.minimize_dual_ascent

    def told(*args):
        taken.append(args)
        return minimize(*args)

    monkeypatch.setattr(dual_ascent, "minimize_dual_ascent", told)
    rows = float(np.mean(sparse.linalg.norm(X, axis=1) ** 2))
    fit(X, y, solver="auto", C=990 / rows)
    assert len(taken) == 1
    fit(X, y, solver="auto", C=1010 / rows)
    fit(X, y, solver="auto", C=1.0, l1_ratio=0.5)
    fit(X, np.arange(N) % 3, solver="auto", C=1.0)
    assert len(taken) == 1


def test_an_epoch_too_few():
    X, y = problem()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model = fit(X, y, max_iter=1)
    assert [w.category for w in caught] == [ConvergenceWarning]
    assert model.n_iter_ == 1
    best = minimum(X, y, 1.0, True)
    assert model.objective_ - best <= model.gap_bound_ < np.inf


def test_a_callback_sees_a_model_of_every_epoch():
    X, y = problem()
    seen = []

    def callback(state):
        seen.append(mean_objective(state.coef[0], state.intercept[0], X, y, 1.0))
        return len(seen) == 3

    SoftmaxRegression(solver="dual-ascent", tol=1e-9).fit(X, y, callback=callback)
    assert len(seen) == 3
    assert seen[-1] == pytest.approx(minimum(X, y, 1.0, True), rel=1e-2)


@pytest.mark.parametrize(
    ("change", "lacking"),
    [
        ({"X": np.eye(N)}, "a sparse X in memory"),
        ({"y": np.arange(N) % 3}, "two classes"),
        ({"C": np.inf}, "a penalty of all features"),
        ({"penalty_factor": np.arange(D) > 0}, "a penalty of all features"),
        ({"l1_ratio": 0.5}, "a smooth penalty"),
    ],
)
def test_what_it_needs(change, lacking):
    X, y = problem()
    given = {"X": X, "y": y} | change
    with pytest.raises(ValueError, match=f"solver: 'dual-ascent' needs {lacking}"):
        fit(**given)


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("index", INDICES)
def test_a_step_solves_the_equation_of_a_row(dtype, index):
    """u + q (σ(u) - a) = z, w and b changed accordingly."""
    rng = np.random.default_rng(4)
    values = rng.standard_normal(40).astype(dtype)
    at = rng.permutation(60)[:40].astype(index)
    X = values, at, np.array([0, 40], index)
    kernel = kernels(np.dtype(dtype)).ascent
    order = np.zeros(1, np.int32)
    for scale in (1e-3, 0.3, 50.0):
        for before in (-1e4, -3.0, 0.2, 1e4):
            w = rng.standard_normal(60).astype(dtype)
            b = np.array([0.3], dtype)
            rows = np.array([[scale, 0, 0.1, before]], dtype)
            kernel.squares(*X, order, rows)
            square = np.square(values.astype(float)).sum()
            assert rows[0, 1] == pytest.approx(square, rel=1e-6)
            rows[0, 1] += 0.25
            a, q = expit(before), scale * (square + 0.25)
            z = values.astype(float) @ w[at] + 0.4
            u = optimize.brentq(
                lambda u, q=q, a=a, z=z: u + q * (expit(u) - a) - z, z - q - 1, z + q + 1
            )
            w_before = w.astype(float)
            kernel.epoch(*X, order, rows, w, b, 0.25)
            assert rows[0, 3] == pytest.approx(u, abs=2e-2 * abs(z - before) + 1e-5)
            moved = scale * (a - expit(float(rows[0, 3])))
            expected = w_before.copy()
            expected[at] += moved * values
            np.testing.assert_allclose(w, expected, atol=1e-4 * max(scale, 1), rtol=1e-4)
            assert b[0] == pytest.approx(0.3 + 0.25 * moved, abs=1e-4 * max(scale, 1))


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_start_is_of_the_probabilities_that_it_stands_for(fit_intercept):
    """Σ (y - p) x, by the rows' weights, on the way from the targets to a model's probabilities."""
    X, y = problem()
    weights = np.random.default_rng(1).integers(0, 3, N).astype(float)
    o = Objective(
        Observations(SparseData(X, 1), y.astype(np.int32), 1, weights),
        Penalty(1.0),
        fit_intercept=fit_intercept,
    )
    theta = np.full(o.size, logit(y.mean()))
    theta[:D] = 0.05 * (X.T @ (y - y.mean()))
    start = dual_ascent.Ascent(o, theta, 0)
    p = expit(start.log_odds[:, 0])
    expected = X.T @ (o.weights * (y - p)) / (o.penalty * N)
    np.testing.assert_allclose(start.theta[:D], expected, rtol=1e-6, atol=1e-9)
    assert np.count_nonzero(np.abs(p - y)[weights > 0] > 1e-3) > N / 4


def test_features_that_a_row_has_many_times():
    """Whose steps go too far: L-BFGS goes on if need be."""
    X, y = problem()
    parts = 8
    values, at = (np.repeat(each, parts) for each in (X.data / parts, X.indices))
    many = sparse.csr_array((values, at, X.indptr * parts), X.shape)
    for C in (0.1, 5.0):
        assert_optimal(fit(many, y, C=C), X, y, C)


def test_changes_to_given_log_odds():
    """p + p (1 - p) e is the probability, but for the rounding of p."""
    loss = LogisticPerLogit(1)

    class Logits:
        def table(self):
            return z

    z = np.array([0.0, 3.0, -20.0, 40.0, -40.0])[:, None]
    for u in (z + 1e-9, z + 1, -z, np.full_like(z, 30.0), np.full_like(z, -30.0)):
        e = loss.change_to(Logits(), u)
        p, q = expit(z), expit(-z)
        np.testing.assert_allclose(p * (1 + q * e), expit(u), rtol=1e-9, atol=2e-16)


@pytest.mark.parametrize(
    ("C", "scale", "weight", "fit_intercept"),
    [(1e5, 1, None, True), (1e3, 10, None, True), (1.0, 1, 1e6, True), (1e5, 100, None, False)],
)
def test_lbfgs_goes_on_from_the_better_point(C, scale, weight, fit_intercept):
    """A few epochs ended 1e5 times above F at 0, and L-BFGS went on from there; or by zero."""
    rng = np.random.default_rng(0)
    X = text(1500, 800, rng) * 4.0 * scale
    y = (X @ rng.normal(size=800) + rng.gumbel(size=1500) > 0).astype(int)
    weights = None if weight is None else np.full(1500, weight)
    params = {"C": C, "fit_intercept": fit_intercept}
    found, usual = (
        SoftmaxRegression(solver=solver, **params).fit(X, y, weights)
        for solver in ("dual-ascent", "preconditioned-lbfgs")
    )
    assert found.certified_ and found.objective_ == pytest.approx(usual.objective_, rel=3e-6)


def test_rounding_of_float32_has_an_end():
    """Gains were rounding, the centre moved each time, and F rose by 1 % in 1000 epochs."""
    rng = np.random.default_rng(8)
    n, d, k = 320, 266, 10
    p = 1 / np.arange(1, d + 1)
    columns = rng.choice(d, n * k, p=p / p.sum())
    rows = np.repeat(np.arange(n), k)
    X = sparse.csr_array((np.full(n * k, 0.0077, np.float32), (rows, columns)), shape=(n, d))
    y = (X @ rng.normal(size=d) / 0.0077 + rng.logistic(size=n) > 0).astype(int)
    fits = [
        SoftmaxRegression(C=0.05, standardize=True, class_weight={0: 0.01}, solver=solver)
        for solver in ("dual-ascent", "preconditioned-lbfgs")
    ]
    found, usual = (model.fit(X, y) for model in fits)
    assert found.certified_ and found.objective_ == pytest.approx(usual.objective_, rel=2e-6)
