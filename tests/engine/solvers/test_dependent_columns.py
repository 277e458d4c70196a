"""Columns without a penalty that nearly depend on others: right values, or none claimed."""

import itertools
import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from support.newton import Problem
from support.reference import one_hot

import fastsoftmax
from fastsoftmax import Blocks, SoftmaxRegression
from fastsoftmax._engine.data import data_of
from fastsoftmax._engine.objective import Objective, Observations, Penalty
from fastsoftmax._engine.solvers.unseen import Frame, Held, RowsAt, System, gain_of_dependence

N, K = 200, 3


def alike(seed, size):
    """X whose last column is its first but for `size`, what is in the difference, and labels that
    depend on it."""
    r = np.random.default_rng(seed)
    Z, noise = r.normal(size=(N, 4)), r.normal(size=N)
    X = np.hstack([Z, (Z[:, 0] + size * noise)[:, None]])
    signal = Z @ r.normal(size=(4, K)) + 2 * np.outer(noise, r.normal(size=K))
    benign = np.hstack([Z, ((X[:, 4] - X[:, 0]) / size)[:, None]])  # the difference is exact
    return X, benign, np.argmax(signal + r.gumbel(size=(N, K)), axis=1)


def fitted(form, X, y, **params):
    model = SoftmaxRegression(n_threads=1, **params)
    if form == "blocks":
        return model.fit(Blocks([(X[:90], y[:90]), (X[90:], y[90:])]))
    return model.fit(sparse.csr_array(X) if form == "sparse" else X, y)


def optimum(X, y, factors, C=np.inf):
    strength = 1 / (C * len(y))
    return Problem(X, one_hot(y, K), strength * np.asarray(factors, float)).minimum()[0]


@pytest.mark.parametrize("size", [1e-6, 1e-8, 1e-9, 1e-10, 1e-11])
@pytest.mark.parametrize("form", ["dense", "sparse", "blocks"])
@pytest.mark.parametrize("solver", ["auto", "preconditioned-lbfgs", "lbfgs"])
def test_without_a_penalty(size, form, solver):
    """Converged, 0.2 to 30 % above the infimum."""
    for seed in range(3):
        X, benign, y = alike(seed, size)
        model = fitted(form, X, y, C=np.inf, solver=solver)
        best = optimum(benign, y, np.zeros(5))
        assert model.certified_ and model.gap_bound_ <= 1e-6 * best
        assert model.objective_ == pytest.approx(best, rel=1.1e-6)
        logits = X.astype(np.longdouble) @ model.coef_.T.astype(np.longdouble) + model.intercept_
        top = logits.max(axis=1)
        losses = np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top - logits[np.arange(N), y]
        assert float(losses.mean()) == pytest.approx(best, rel=1.1e-6)


@pytest.mark.parametrize("size", [1e-8, 1e-9, 1e-10, 1e-12, 1e-13])
@pytest.mark.parametrize("solver", ["auto", "preconditioned-lbfgs", "lbfgs"])
@pytest.mark.parametrize("features", ["all", "free"])
def test_in_their_own_basis_nothing_is_claimed_that_is_not_so(size, solver, features, monkeypatch):
    monkeypatch.setattr("fastsoftmax._linear.problem.problem.column_space_of", lambda *args: None)
    params = {"C": np.inf} if features == "all" else {"penalty_factor": [0.0, 1, 1, 1, 0]}
    for seed in range(3):
        X, benign, y = alike(seed, size)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = fitted("dense", X, y, solver=solver, **params)
        best = optimum(benign, y, params.get("penalty_factor", np.zeros(5)), params.get("C", 1.0))
        if model.converged_:
            assert model.objective_ <= best * (1 + 2e-6)
        if model.certified_:
            assert model.objective_ - best <= model.gap_bound_ + 1e-8 * best


def test_what_no_digit_of_long_double_shows_is_told():
    X, _, y = alike(0, 1e-12)
    with pytest.warns(ConvergenceWarning):
        assert not fitted("dense", X, y, C=np.inf).converged_


@pytest.mark.parametrize("size", [0.0, 1e-9, 1e-10])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("C", [0.1, 1e4])
def test_free_columns(size, l1_ratio, C):
    """Weights of 1e11, below the optimum as computed, or unconverged, for tolerances of 1e-9."""
    for seed in range(3):
        X, benign, y = alike(seed, size or 1e-3)
        if not size:
            X[:, 4], benign = X[:, 0], benign[:, :4]
        factors = np.array([0.0, 1, 1, 1, 0])
        params = {"l1_ratio": l1_ratio, "C": C}
        model = fitted("dense", X, y, tol=1e-9, penalty_factor=factors, **params)
        assert model.certified_
        plain = factors[: benign.shape[1]]
        right = fitted("dense", benign, y, tol=1e-12, penalty_factor=plain, **params)
        if not l1_ratio:
            assert right.objective_ == pytest.approx(optimum(benign, y, plain, C), rel=1e-10)
        assert model.objective_ == pytest.approx(right.objective_, rel=3e-9)
        assert np.abs(model.coef_).max() <= 10 * np.abs(right.coef_).max() / (size or 1)


@pytest.mark.parametrize("intercept", [True, False])
def test_one_hot_columns_without_a_penalty(intercept):
    """Two groups of them, which add up to the same, beside one column less."""
    r = np.random.default_rng(0)
    one, two = r.integers(0, 4, N), r.integers(0, 3, N)
    X = np.hstack([np.eye(4)[one], np.eye(3)[two]])
    y = np.argmax(np.eye(4)[one][:, :K] + r.gumbel(size=(N, K)), axis=1)
    weights = np.where(r.random(N) < 0.2, 0.0, 1.0)
    columns = X[:, 1:-1] if intercept else X[:, :-1]
    model = SoftmaxRegression(C=np.inf, fit_intercept=intercept).fit(X, y, weights)
    other = SoftmaxRegression(C=np.inf, fit_intercept=intercept, tol=1e-12)
    other.fit(columns, y, weights)
    assert model.certified_ and np.abs(model.coef_).max() < 10
    assert model.objective_ == pytest.approx(other.objective_, rel=1.1e-6)
    logits = X @ model.coef_.T + model.intercept_
    assert np.isfinite(logits).all() and model.predict_proba(X).shape == (N, K)
    proof = fastsoftmax.certify(
        model.coef_,
        model.intercept_,
        X,
        y,
        sample_weight=weights,
        C=np.inf,
        fit_intercept=intercept,
    )
    assert proof.certified and proof.objective == pytest.approx(model.objective_, rel=1e-9)


@pytest.mark.parametrize("solver", ["newton", "preconditioned-lbfgs", "lbfgs"])
@pytest.mark.parametrize("max_iter", [1, 2, 4, 8])
def test_a_bound_without_a_penalty(solver, max_iter):
    X, y = alike(0, 1.0)[::2]
    best = optimum(X, y, np.zeros(5))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = fitted("dense", X, y, C=np.inf, solver=solver, max_iter=max_iter)
    assert model.objective_ - best <= model.gap_bound_ + 1e-12


@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_no_error_of_such_size_adds_more(ridge):
    """½ eᵀ(H + μ)⁻¹e of all signs of e, with H by central differences of the gradient."""
    r = np.random.default_rng(3)
    X, y = r.normal(size=(40, 2)), r.integers(0, 2, 40)
    C = np.inf if not ridge else 1 / (40 * ridge)
    o = Objective(
        Observations(data_of(X, n_threads=1), y.astype(np.int32), 1), Penalty(C), fit_intercept=True
    )
    theta, h = r.normal(size=3) * 0.3, 1e-5
    columns = [
        (o.value_and_grad(theta + h * e)[1] - o.value_and_grad(theta - h * e)[1]) / (2 * h)
        for e in np.eye(3)
    ]
    H = np.array(columns)
    sizes = np.array([0.01, 0.02, 0.005])
    right = max(
        0.5 * (sizes * s) @ np.linalg.solve(H, sizes * s)
        for s in itertools.product([-1, 1], repeat=3)
    )
    P = expit(o.parameters.features(o.data) @ theta)[:, None]
    rows = [RowsAt(o.data, P, 1 - P, None, np.zeros((40, 1)))]
    ridges = np.append(ridge / o.parameters.scaling.scales**2, 0)
    held = Held(sizes[None], np.zeros((1, 3)), ridges, np.zeros(3))
    system = System(Frame(40, (1, 3), o.loss, o.parameters), rows, held, np.zeros((1, 3)))
    assert system.solved and right * (1 - 1e-6) <= system.gain <= 3 * right


def test_what_dependence_hides_goes_by_the_mean_curvature():
    """The less p (1 - p) is, the more."""
    r = np.random.default_rng(3)
    X, y = r.normal(size=(40, 2)), r.integers(0, 2, 40).astype(np.int32)
    o = Objective(Observations(data_of(X, n_threads=1), y, 1), Penalty(np.inf), fit_intercept=True)
    held = Held(np.full((1, 3), 0.01), np.zeros((1, 3)), np.zeros(3), np.zeros(3))

    def gain(p):
        P = np.full((40, 1), p)
        return gain_of_dependence(o, [RowsAt(o.data, P, 1 - P, None, 1 - P)], held, 0.0)

    p = 1e-4
    assert 0 < gain(p) == pytest.approx(gain(0.5) * 0.25 / (p * (1 - p)), rel=1e-3)


@pytest.mark.parametrize(("far", "inside"), [(0.99, True), (1.01, False)])
def test_how_far_a_row_can_be_moved_by_what_is_unseen(far, inside):
    """By c with ½ cᵀHc of the gain, which includes S η² / (2 n) of the row: p = 1/2, S = 1/4."""
    r = np.random.default_rng(3)
    X, y = r.normal(size=(40, 2)), r.integers(0, 2, 40).astype(np.int32)
    o = Objective(Observations(data_of(X, n_threads=1), y, 1), Penalty(1.0), fit_intercept=True)
    half = np.full((40, 1), 0.5)
    rows = [RowsAt(o.data, half, half, None, half)]
    frame = Frame(40, (1, 3), o.loss, o.parameters)
    held = Held(np.full((1, 3), 0.01), np.zeros((1, 3)), np.full(3, 0.1), np.zeros(3))
    system = System(frame, rows, held, np.zeros((1, 3)))
    system._c[:] = 1e6  # a bound on each coefficient that says nothing
    system.gain = (far * frame.rules.inside) ** 2 * 0.25 / (2 * 40)
    assert system.stays_inside() == inside
