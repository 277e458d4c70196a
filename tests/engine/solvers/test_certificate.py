"""The bound on the gap of a certificate: never less than the gap, and as a rule little more."""

import warnings
from contextlib import nullcontext
from fractions import Fraction
from functools import cache
from operator import mul

import mpmath
import numpy as np
import pytest
from scipy import sparse
from scipy.special import expit, logsumexp, softmax
from sklearn.exceptions import ConvergenceWarning
from support.logits import stored
from support.newton import Problem, kl
from support.problems import softmax_rows
from support.reference import one_hot

import fastsoftmax
from fastsoftmax import Blocks, LogisticRegression, SoftmaxRegression
from fastsoftmax._engine.curvature import curvature_of
from fastsoftmax._engine.data import DenseData, SparseData, StoredLogits
from fastsoftmax._engine.line_search import iterate_at
from fastsoftmax._engine.objective import Objective, Observations, Penalty, start_of
from fastsoftmax._engine.solvers.certificate import certify
from fastsoftmax._engine.solvers.unpenalised_curvature import StepRules, UnpenalisedCurvature
from fastsoftmax._runtime.memory_budget import MemoryBudget
from fastsoftmax._runtime.sklearn_compat import logistic_regression
from fastsoftmax.datasets import load_digits

TOL = 1e-6


def data(seed, n, d, k):
    return softmax_rows(n, d, k, seed, slope=1.5)


def table(model):
    """Coefficients (K, D + 1), the intercepts last."""
    return np.column_stack([model.coef_, model.intercept_])


# ---- the kernel


@pytest.mark.kernel
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["labels", "probabilities", "indicators", "one logit"])
@pytest.mark.parametrize("size", [0.1, 3.0])  # of the change: with 3 some probabilities are clipped
@pytest.mark.parametrize("n", [1, 31, 200])
def test_dual_point_is_what_numpy_finds(dtype, kind, size, n):
    r = np.random.default_rng(n)
    k = 1 if kind == "one logit" else 5
    Z, E = r.normal(size=(n, k)) * 2, r.normal(size=(n, k)) * size
    weights = r.random(n) + 0.1
    weights[::7] = 0
    logistic = kind in ("indicators", "one logit")
    if kind == "labels":
        targets = r.integers(k, size=n).astype(np.int32)
        Y = one_hot(targets, k)
    elif kind == "probabilities":
        targets = Y = r.dirichlet(np.ones(k), n).astype(dtype)
    elif kind == "indicators":
        targets = r.integers(2, size=(n, k)).astype(np.uint8)
        Y = targets
    else:
        targets = r.integers(2, size=n).astype(np.int32)
        Y = targets[:, None]
    if logistic:
        P = expit(Z)
        A = np.clip(P + P * (1 - P) * E, 0, 1)
        losses = (np.logaddexp(0, Z) - Y * Z).sum(axis=1)
        both = [
            (np.stack([a, 1 - a], 1), np.stack([p, 1 - p], 1))
            for a, p in zip(A.T, P.T, strict=True)
        ]
        divergences = sum(kl(a, p) for a, p in both)
    else:
        P = softmax(Z, axis=1)
        zeta = E - (P * E).sum(axis=1, keepdims=True)
        A = P * np.maximum(1 + zeta, 0)
        A /= A.sum(axis=1, keepdims=True)
        losses = -(Y * np.log(P)).sum(axis=1)
        divergences = kl(A, P)
    shift = r.normal(size=k)
    change = stored(E - shift, dtype, logistic=logistic)
    given = weights.astype(dtype)
    point = stored(Z, dtype, logistic=logistic).dual_point(
        change, targets, given, change, shift=shift
    )
    rtol = 1e-4 if dtype == np.float32 else 1e-11
    right = weights[:, None] * (A - Y)
    np.testing.assert_allclose(change.table(), right, rtol=rtol, atol=rtol)
    assert point.loss == pytest.approx(weights @ losses, rel=rtol)
    exact = float(weights @ divergences)
    assert point.divergence >= exact * (1 - 10 * rtol) - 1e-12
    clipped = size > 1
    assert point.divergence <= exact * (2 if clipped else 1 + 2e-3) + 1e-7 * clipped
    sums = point.class_sums
    np.testing.assert_allclose(sums[0], right.sum(axis=0), rtol=rtol, atol=n * rtol)
    np.testing.assert_allclose(sums[1], np.abs(right).sum(axis=0), rtol=rtol, atol=n * rtol)
    assert point.squares == pytest.approx(np.square(right).sum(), rel=rtol)


@pytest.mark.kernel
def test_dual_point_keeps_the_digits_of_confident_rows():
    """a - y of a row whose label has the probability 1 - 1e-12."""
    Z, E = np.array([[28.0, 0.0, 0.1]]), np.array([[0.3, 0.1, -0.2]])
    change = stored(E, np.float64)
    stored(Z, np.float64).dual_point(change, np.zeros(1, np.int32), None, change)
    p = np.exp(Z[0, 1:] - Z[0, 0])  # to 1e-12, relatively
    p /= 1 + p.sum()
    zeta = E[0, 1:] - E[0, 0]
    np.testing.assert_allclose(change.table()[0, 1:], p * (1 + zeta), rtol=1e-11)
    np.testing.assert_allclose(change.table()[0, 0], -np.sum(p * (1 + zeta)), rtol=1e-11)


@pytest.mark.kernel
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1 - 1e-4, 1 - 1e-8])
@pytest.mark.parametrize("scale", [1.0, 30.0, 500.0])
@pytest.mark.parametrize("kind", ["labels", "indicators", "probabilities"])
def test_divergence_nearer_to_the_labels(kind, scale, alpha):
    """KL(y + alpha (p - y) || p), at 900 digits."""
    r = np.random.default_rng(0)
    Z, k = r.normal(size=(6, 4)) * scale, 4
    logistic = kind == "indicators"
    if kind == "labels":
        targets = r.integers(0, k, 6).astype(np.int32)
        Y = one_hot(targets, k)
    elif logistic:
        targets = Y = r.integers(0, 2, (6, k)).astype(np.uint8)
    else:
        targets = Y = r.dirichlet(np.ones(k), 6)
    change = stored(0 * Z, np.float64, logistic=logistic)
    point = stored(Z, np.float64, logistic=logistic).dual_point(
        change, targets, None, change, alpha
    )
    with mpmath.workdps(900):
        right, pulls = mpmath.mpf(0), np.empty(Z.shape)
        for i, j in np.ndindex(*Z.shape):
            z = [mpmath.mpf(float(v)) for v in (Z[i] if not logistic else [Z[i, j], 0.0])]
            p = mpmath.exp(z[0 if logistic else j]) / mpmath.fsum(map(mpmath.exp, z))
            y = mpmath.mpf(float(Y[i, j]))
            a = y + mpmath.mpf(alpha) * (p - y)
            pulls[i, j] = a - y
            for one, other in ((a, p), (1 - a, 1 - p))[: 1 + logistic]:
                right += one * mpmath.log(one / other) if one else 0
    np.testing.assert_allclose(change.table(), pulls, rtol=1e-13, atol=1e-15)
    assert float(right) * (1 - 1e-6) - 1e-20 <= point.divergence
    near = scale == 1 and alpha > 0.9
    assert point.divergence <= float(right) * (1 + 1e-6 if near else 2)


@pytest.mark.kernel
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dual_point_is_the_same_for_any_number_of_threads(dtype):
    r = np.random.default_rng(0)
    Z, E, y = r.normal(size=(5000, 7)), r.normal(size=(5000, 7)), r.integers(7, size=5000)
    results = []
    for count in (1, 2, 3):
        z, e = (StoredLogits(5000, 7, np.dtype(dtype), count) for _ in range(2))
        z.put(Z)
        e.put(E)
        *sums, class_sums = z.dual_point(e, y.astype(np.int32), None, e)
        results.append((*sums, class_sums.tobytes(), e.table().tobytes()))
    assert results[0] == results[1] == results[2]


@pytest.mark.kernel
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [2, 3, 4, 5, 9, 26])
@pytest.mark.parametrize("n", [1, 40, 2100])
def test_class_moments(n, k, dtype, whole_teams):
    r = np.random.default_rng([n, k])
    P, weights = r.dirichlet(np.ones(k), n), r.random(n).astype(dtype)
    results = []
    for count in (1, 2, 3):
        p = StoredLogits(n, k, np.dtype(dtype), count)
        table = np.ones((len(p.tiles) * p.tiles.shape[2], k))  # also past the last row
        table[:n] = P
        p.tiles[...] = table.reshape(len(p.tiles), -1, k).transpose(0, 2, 1)
        results.append(p.class_moments(weights))
        unweighted = p.class_moments(None)
    assert results[0].tobytes() == results[1].tobytes() == results[2].tobytes()
    tol = {"rtol": 1e-4 if dtype == np.float32 else 1e-12}
    np.testing.assert_allclose(results[0], (weights[:, None] * P).T @ P, **tol)
    np.testing.assert_allclose(unweighted, P.T @ P, **tol)


# ---- fits


def assert_bounds(model, problem, tol=TOL):
    """The bound is no less than the gap, and within the tolerance where it is certified."""
    best, _ = problem.minimum()
    value = problem.value(table(model))
    gap = value - best
    assert model.objective_ == pytest.approx(value, rel=1e-10)
    assert model.gap_bound_ >= gap - 1e-11 * value
    if model.certified_:
        assert model.gap_bound_ <= tol * value * (1 + 1e-12)
    return gap


def test_rows_that_are_not_kept_are_gone_through_twice():
    """Once for what moves the intercepts, and once for the bound; it is that of rows kept."""
    (X, y), found = data(0, 4000, 5, 4), []
    for memory in (None, 500_000):
        o = Objective(
            Observations(DenseData(X, 1), y.astype(np.int32), 4), Penalty(0.001),
            fit_intercept=True, memory=MemoryBudget.of(memory, X.nbytes),
        )  # fmt: skip
        it = iterate_at(o, start_of(o))
        direction = -0.2 * curvature_of(o).solve_hessian(it, 1e-6)
        direction += 0.001 * np.random.default_rng(1).normal(size=o.size)  # moves intercepts
        before = o.passes.count
        found.append((certify(o, it.theta, direction, np.inf), o.passes.count - before))
    (kept, _), (some, passes) = found
    assert 0 < some.bound < some.value
    assert some.bound == pytest.approx(kept.bound, rel=1e-10)
    hessian = (10 * 4000 + 4**3 / 6) / (2 * 4000 * 5 * 4)  # of intercepts, and its factors
    # the change twice, v once; W = 0 takes no product
    assert passes == pytest.approx(1.5 + hessian)


@pytest.mark.parametrize("solver", ["auto", "newton", "preconditioned-lbfgs", "lbfgs", "gd"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_solver_ends_with_a_proof(solver, dtype):
    X, y = data(0, 400, 6, 4)
    X = X.astype(dtype)
    model = SoftmaxRegression(C=0.1, solver=solver, max_iter=5000).fit(X, y)
    assert model.converged_ and model.certified_
    gap = assert_bounds(model, Problem(X, one_hot(y, 4), np.full(6, 10 / 400)))
    if solver not in ("lbfgs", "gd"):
        assert model.gap_bound_ <= 1.1 * gap + 1e-9 * model.objective_


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("kind", ["dense", "float16", "uint8", "csr", "blocks", "sparse blocks"])
def test_any_kind_of_data(kind, fit_intercept):
    X, y = data(1, 500, 5, 3)
    X = np.round(20 * X + 100).clip(0, 255) if kind == "uint8" else X.astype(np.float16)
    more = np.zeros((500, 400), X.dtype)  # enough for a sparse X to stay one
    given = {
        "csr": lambda: sparse.csr_array(np.hstack([X, more]).astype(np.float32)),
        "blocks": lambda: Blocks([(X[:200], y[:200]), (X[200:], y[200:])]),
        "sparse blocks": lambda: Blocks(
            [(sparse.csr_array(np.hstack([X, more]).astype(float)[rows]), y[rows])
             for rows in (slice(0, 300), slice(300, 500))]),
    }.get(kind, lambda: X.astype(np.uint8 if kind == "uint8" else X.dtype))()  # fmt: skip
    model = SoftmaxRegression(fit_intercept=fit_intercept)
    model = model.fit(given) if "blocks" in kind else model.fit(given, y)
    assert model.certified_
    model.coef_ = model.coef_[:, :5]
    assert_bounds(model, Problem(X, one_hot(y, 3), np.full(5, 1 / 500), intercept=fit_intercept))


def test_weights_offsets_and_soft_targets():
    r = np.random.default_rng(3)
    X = r.normal(size=(300, 4)).astype(np.float32)
    Y, offset = r.dirichlet(np.ones(3), 300), r.normal(size=(300, 3))
    weights = r.random(300) * (r.random(300) < 0.8)
    model = SoftmaxRegression(C=10.0).fit(X, Y, weights, offset=offset)
    assert model.certified_
    problem = Problem(X, Y, np.full(4, 0.1 / weights.sum()), weights, offset)
    assert_bounds(model, problem)


def test_two_classes_and_several_labels():
    X, y = data(4, 300, 4, 3)
    model = LogisticRegression().fit(X, y > 0)
    assert model.certified_
    on = (y > 0)[:, None]
    assert_bounds(model, Problem(X, on, np.full(4, 1 / 300), logistic=True))
    Y = np.column_stack([y > 0, y > 1, X[:, 0] > 0.3]).astype(int)
    model = LogisticRegression().fit(X, Y)
    assert model.certified_
    assert_bounds(model, Problem(X, Y, np.full(4, 1 / 300), logistic=True))


def test_shares_are_rounded_and_labels_are_not():
    """The same targets, as labels and as numbers."""
    X, y = data(6, 300, 4, 4)
    of_labels, of_shares = (
        Objective(Observations(DenseData(X, 1), targets, 4), Penalty(1.0), fit_intercept=True)
        for targets in (y.astype(np.int32), one_hot(y, 4))
    )
    nothing = np.zeros(of_labels.size)
    labels, shares = (certify(o, nothing, nothing, 1e-6) for o in (of_labels, of_shares))
    assert labels.bound == pytest.approx(shares.bound, rel=1e-9)
    assert 0 < 2 * labels.rounding < shares.rounding


@pytest.mark.parametrize("solver", ["newton", "preconditioned-lbfgs", "lbfgs"])
def test_every_point_of_the_way_is_bounded(solver):
    """What `max_iter` ends early has a bound that holds, after a cold start or a warm one."""
    X, y = data(5, 300, 5, 4)
    problem = Problem(X, one_hot(y, 4), np.full(5, 1e-2 / 300))
    for n in range(1, 8):
        for warm in (False, True):
            model = SoftmaxRegression(C=100.0, solver=solver, max_iter=n, warm_start=warm)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                if warm:
                    model.fit(X, y)
                    model.intercept_ += np.array([3.0, -1.0, 0.0, -2.0])
                model.fit(X, y)
            assert_bounds(model, problem)


def one_far_cell(seed):
    X, y = data(seed, 500, 5, 3)
    X[7, 0] = 999999
    return X, y


@cache
def least_with_one_far_cell(seed):
    """The least F, found with the far feature in other units."""
    X, y = one_far_cell(seed)
    units = np.array([1e6, 1, 1, 1, 1])
    return Problem(X / units, one_hot(y, 3), 1 / (500 * units**2)).minimum()[0]


@pytest.mark.parametrize("solver", ["auto", "preconditioned-lbfgs", "lbfgs"])
@pytest.mark.parametrize("seed", range(4))
def test_one_far_cell(seed, solver):
    """A cell of 999999 makes a kink of F: a small decrement proves nothing there."""
    X, y = one_far_cell(seed)
    model = SoftmaxRegression(solver=solver).fit(X, y)
    assert model.converged_ and model.certified_
    assert model.objective_ <= least_with_one_far_cell(seed) * (1 + TOL)


def test_a_small_decrement_at_a_false_optimum_is_refused():
    """Where preconditioned L-BFGS used to end, at F = 0.6366 instead of 0.3898."""
    X, y = one_far_cell(2)
    problem = Problem(X / [1e6, 1, 1, 1, 1], one_hot(y, 3), np.array([1e-12, 1, 1, 1, 1]) / 500)
    least = least_with_one_far_cell(2)
    # all but the far feature at their optimum
    rest = Problem(X[:, 1:], one_hot(y, 3), np.full(4, 1 / 500))
    value, T = rest.minimum()
    false = np.column_stack([np.zeros(3), T])
    g, H = problem.gradient(false).ravel(), problem.hessian(false)
    decrement = 0.5 * g @ np.linalg.lstsq(H, g, rcond=1e-18)[0]
    assert decrement < 0.2 * value and least < 0.62 * value
    proof = fastsoftmax.certify(false[:, :-1], false[:, -1], X, y)
    assert proof.objective == pytest.approx(value, rel=1e-10)
    assert not proof.certified and proof.gap_bound >= value - least - 1e-11


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("factors", [[0, 1, 1, 1, 1], [0, 0, 3, 1, 0.5], [0] * 5])
def test_free_features_are_not_penalised(factors, dtype):
    X, y = data(6, 400, 5, 3)
    X = X.astype(dtype)
    problem = Problem(X, one_hot(y, 3), np.array(factors) / 400)
    for kind in (X, sparse.csr_array(np.hstack([X, np.zeros((400, 500), dtype)]))):
        more = [*factors, *[1.0] * (kind.shape[1] - 5)]
        model = SoftmaxRegression(penalty_factor=more).fit(kind, y)
        assert model.certified_
        model.coef_ = model.coef_[:, :5]
        assert_bounds(model, problem)


def test_gradient_descent_sees_intercepts():
    """After a warm start with intercepts that are far off it used to end at once."""
    X, y = data(0, 500, 5, 3)
    model = SoftmaxRegression(solver="gd", warm_start=True).fit(X, y)
    model.intercept_ += np.array([3.0, -3.0, 0.0])
    model.fit(X, y)
    assert model.certified_ and model.n_iter_ > 5
    assert_bounds(model, Problem(X, one_hot(y, 3), np.full(5, 1 / 500)))


def test_small_float32_problems_by_newton():
    """Singular along the shift of all classes: 40 of 1500 used to end unconverged."""
    for seed in range(150):
        r = np.random.default_rng(seed)
        k = int(r.integers(3, 6))
        X, Y = r.normal(size=(6, 3)).astype("f4"), r.integers(0, 4, (6, k))
        Y[:, 0] += 1
        model = SoftmaxRegression(C=0.1, label_smoothing=0.1).fit(X, Y)
        assert model.converged_ and model.certified_


# ---- without a penalty


@pytest.mark.parametrize("solver", ["newton", "preconditioned-lbfgs", "lbfgs"])
def test_without_a_penalty_the_hessian_proves_it(solver):
    X, y = data(7, 400, 4, 3)
    model = SoftmaxRegression(C=np.inf, solver=solver).fit(X, y)
    assert model.converged_ and model.certified_
    best, _ = Problem(X, one_hot(y, 3), np.zeros(4)).minimum()
    assert best * (1 - 1e-12) <= model.objective_ <= best + 1.001 * model.gap_bound_


@pytest.mark.parametrize("solver", ["newton", "preconditioned-lbfgs", "lbfgs"])
@pytest.mark.parametrize("params", [{"C": np.inf}, {"penalty_factor": [0, 1, 1]}])
def test_a_class_that_is_separated_from_some_rows_is_told(solver, params):
    """F has no minimum though it does not go to 0."""
    r = np.random.default_rng(0)
    X = r.normal(size=(200, 3))
    y = np.where(X[:, 0] > 0.5, 1, r.integers(0, 2, 200) * 2)
    with pytest.warns(ConvergenceWarning, match="separable, so that without a penalty"):
        model = SoftmaxRegression(solver=solver, **params).fit(X, y)
    assert not model.converged_ and not model.certified_


# ---- any model


def test_certify_other_models():
    from sklearn.linear_model import LogisticRegression as Other

    X, y = data(8, 600, 6, 4)
    for tol, most in ((1e-2, 1e-2), (1e-10, 1e-6)):
        other = Other(C=0.5, tol=tol).fit(X, y)
        problem = Problem(X, one_hot(y, 4), np.full(6, 2 / 600))
        value = problem.value(np.column_stack([other.coef_, other.intercept_]))
        proof = fastsoftmax.certify(other.coef_, other.intercept_, X, y, C=0.5)
        assert proof.objective == pytest.approx(value, rel=1e-12)
        gap = value - problem.minimum()[0]
        assert gap - 1e-12 <= proof.gap_bound <= 1.1 * gap + 1e-6 * value
        assert proof.gap_bound <= most * value
    assert proof.certified and str(proof).startswith("F = 0.")


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize("k", [2, 4])
def test_certify_other_models_with_an_l1_penalty(k, l1_ratio, monkeypatch):
    """No fit is needed where the model is good."""
    monkeypatch.delattr("fastsoftmax._linear.problem.certificate.Proof._bound_by_fit")
    X, y = data(8, 600, 12, k)
    best = SoftmaxRegression(C=0.05, l1_ratio=l1_ratio, tol=1e-11).fit(X, y).objective_
    for tol in (1e-6, 1e-10):
        saga = logistic_regression(C=0.05, l1_ratio=l1_ratio, tol=tol, max_iter=100_000)
        other = saga.fit(X, y)
        proof = fastsoftmax.certify(other.coef_, other.intercept_, X, y, C=0.05, l1_ratio=l1_ratio)
        assert proof.certified
        gap = proof.objective - best
        assert gap - 1e-11 <= proof.gap_bound <= 2 * gap + 1e-7


@pytest.mark.parametrize("start", [0.0, 3.0])
def test_certify_models_that_are_far_off(start):
    """Weights that no probability depends on count as well: the mean of all classes."""
    X, y = data(9, 300, 4, 3)
    r = np.random.default_rng(0)
    W, b = start + start * r.normal(size=(3, 4)), start * r.normal(size=3)
    problem = Problem(X, one_hot(y, 3), np.full(4, 1 / 300))
    gap = problem.value(np.column_stack([W, b])) - problem.minimum()[0]
    for given in (X, sparse.csr_array(np.hstack([X, np.zeros((300, 300))]))):
        wide = np.hstack([W, np.zeros((3, given.shape[1] - 4))])
        proof = fastsoftmax.certify(wide, b, given, y)
        assert not proof.certified
        assert gap * (1 - 1e-9) <= proof.gap_bound <= gap * (1 + 1e-5)


def test_a_model_certifies_itself():
    X, y = load_digits()
    for params in ({"C": 0.01}, {"C": 1.0, "reference_class": 3}, {"standardize": True, "C": 0.1}):
        model = SoftmaxRegression(**params).fit(X, y)
        assert model.certified_ and model.certify(X, y).certified
    model = LogisticRegression(C=0.1).fit(X, y > 4)
    assert model.certify(X, y > 4).certified
    assert not model.certify(X[:900], y[:900] > 4).certified


def test_certify_bad_input():
    X, y = data(0, 50, 3, 3)
    for arguments, message in (
        ((np.zeros((2, 3)), None), r"coef: expected shape \(3, 3\), got \(2, 3\)"),
        ((np.zeros((3, 3)), np.zeros(2)), r"intercept: expected shape \(3,\), got \(2,\)"),
        ((np.full((3, 3), np.nan), None), "coef: expected finite numbers, got nan"),
    ):
        with pytest.raises(ValueError, match=message):
            fastsoftmax.certify(*arguments, X, y)
    with pytest.raises(ValueError, match="intercept: expected None or zeros"):
        fastsoftmax.certify(np.zeros((3, 3)), np.ones(3), X, y, fit_intercept=False)


def test_what_a_fit_said_goes_when_the_model_changes():
    X, y = data(0, 200, 3, 3)
    model = SoftmaxRegression().fit(X, y)
    model.partial_fit(X[:50], y[:50])
    for name in ("converged_", "certified_", "gap_bound_", "objective_", "history_", "n_iter_"):
        assert not hasattr(model, name)


def test_certified_is_saved(tmp_path):
    X, y = data(0, 200, 3, 3)
    model = SoftmaxRegression().fit(X, y)
    model.save(tmp_path / "model.fsm")
    assert fastsoftmax.load(tmp_path / "model.fsm").certified_ is True


@pytest.mark.parametrize(("spread", "certified"), [(1e4, False), (1e8, True), (1e10, True)])
def test_what_is_certified_are_the_coefficients_that_are_given(spread, certified):
    """Nanoseconds since 1970: the intercept, a difference of large numbers, is another model's."""
    r = np.random.default_rng(0)
    u = r.normal(size=500)
    y = (2 * u + r.logistic(size=500) > 0).astype(int)
    X = (1.7e18 + spread * u).astype(np.int64)[:, None]
    model = SoftmaxRegression()
    with nullcontext() if certified else pytest.warns(ConvergenceWarning, match="beyond rounding"):
        model.fit(X, y)
    assert model.certified_ == model.converged_ == certified
    given = model.certify(X, y)
    assert given.objective - given.gap_bound <= model.objective_
    assert given.objective <= model.objective_ + model.gap_bound_


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("offset", [1e11, 1e13, 1e14])
def test_rounded_intercepts_count_whether_a_fit_converged(seed, offset):
    """At offsets of 1e13 fits converged up to 30 times the tolerance above the optimum."""
    r = np.random.default_rng(seed)
    X = r.normal(size=(100, 3))
    y = X @ r.normal(size=3) + r.logistic(size=100) > 0
    far = X + offset
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = SoftmaxRegression().fit(far, y)
    w, b = [Fraction(float(v)) for v in model.coef_[0]], Fraction(float(model.intercept_[0]))
    logits = [float(sum(map(mul, map(Fraction, row), w)) + b) for row in far.tolist()]
    signs = np.where(y, -1, 1)
    value = (np.logaddexp(0, signs * logits).sum() + np.square(model.coef_).sum() / 2) / 100
    least = SoftmaxRegression(tol=1e-12).fit(far - offset, y).objective_
    assert value - least <= 1.001 * model.gap_bound_
    assert model.converged_ == model.certified_ == (offset < 1e13)


def test_a_tolerance_of_zero_counts_as_what_float64_can_show():
    X, y = data(0, 300, 4, 2)
    model = SoftmaxRegression(tol=0).fit(X + 3, y)
    assert model.certified_ and model.gap_bound_ <= 1e-16 * model.objective_


def test_a_model_chosen_by_cross_validation_is_certified():
    X, y = data(0, 300, 4, 3)
    model = fastsoftmax.SoftmaxRegressionCV(Cs=3, cv=3).fit(X, y)
    assert model.certify(X, y).certified


@pytest.mark.parametrize("free", [0, 2])
@pytest.mark.parametrize("kind", ["classes", "two classes", "labels"])
def test_what_is_not_penalised_is_moved_without_its_hessian(kind, free):
    """Where K² numbers take more than `max_memory`, by products with it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6))
    z = X @ rng.normal(size=(6, 5)) + rng.gumbel(size=(300, 5))
    y = {"classes": z.argmax(axis=1), "two classes": z.argmax(axis=1) % 2, "labels": z > 0}[kind]
    factors = np.append(np.zeros(free), np.ones(6 - free))
    owner = fastsoftmax.LogisticRegression if kind == "labels" else SoftmaxRegression
    given = X, y.astype(int), rng.uniform(size=300)
    model = owner(penalty_factor=factors, tol=1e-3).fit(*given)
    model.coef_ = model.coef_ * 1.001
    expected = model.certify(*given)
    found = model.set_params(max_memory=1).certify(*given)
    optimum = owner(penalty_factor=factors, tol=1e-9).fit(*given).objective_
    # along another direction, since the preconditioner takes less memory, too
    for proof in (expected, found):
        assert proof.objective - optimum <= proof.gap_bound < 1e-2
    assert found.objective == pytest.approx(expected.objective, rel=1e-13)


@pytest.mark.parametrize("memory", [None, 3_000_000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["plain", "weights and offset", "labels", "sparse"])
def test_many_classes_and_few_features(kind, dtype, memory, monkeypatch):
    """Intercepts are moved by products: the bound is right, and what their Hessian gives."""
    rng = np.random.default_rng(0)
    n, d, k = 600, 3, 40
    X = rng.normal(size=(n, d))
    X[:, 0] += 2
    z = X @ rng.normal(size=(d, k)) * 2 + rng.gumbel(size=(n, k)) + np.linspace(0, 3, k)
    y = z.argmax(axis=1)
    y[:k] = range(k)
    weights = rng.uniform(size=n) if kind == "weights and offset" else None
    offset = rng.normal(size=(n, k)) if kind == "weights and offset" else None
    targets = (z > 2).astype(np.uint8) if kind == "labels" else y.astype(np.int32)
    stored_data = SparseData if kind == "sparse" else DenseData
    given = sparse.csr_array(X.astype(dtype)) if kind == "sparse" else X.astype(dtype)
    found, used = [], []
    step = UnpenalisedCurvature.step

    def seen(self, *args):
        used.append(self.as_matrix)
        return step(self, *args)

    monkeypatch.setattr(UnpenalisedCurvature, "step", seen)
    for work in (1e8, 0.0):
        monkeypatch.setattr(UnpenalisedCurvature.__init__, "__defaults__", (StepRules(work=work),))
        o = Objective(
            Observations(stored_data(given, 1), targets, k, weights=weights, offset=offset),
            Penalty(0.001), fit_intercept=True,
            memory=MemoryBudget.of(memory, X.nbytes),
        )  # fmt: skip
        it = iterate_at(o, start_of(o))
        direction = -0.2 * it.gradient.astype(float)
        direction += 0.001 * np.random.default_rng(1).normal(size=o.size)  # moves intercepts
        found.append(certify(o, it.theta, direction, np.inf))
    matrix, products = found
    assert used[0]
    assert used[-1] == (kind == "labels")  # whose Hessian is diagonal
    assert 0 < products.bound < products.value
    assert products.bound == pytest.approx(matrix.bound, rel=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fit_of_many_classes_is_proved(dtype, monkeypatch):
    """By products, and the bound holds for the optimum that another fit finds."""
    rng = np.random.default_rng(0)
    k, n = 160, 8000
    centres = rng.normal(size=(k, 2))
    y = np.append(np.arange(k), rng.integers(k, size=n - k))
    X = (centres[y] + 0.7 * rng.normal(size=(n, 2))).astype(dtype)
    exact = SoftmaxRegression(tol=1e-9).fit(X.astype(float), y)
    monkeypatch.delattr(UnpenalisedCurvature, "know")  # no matrix is made
    model = SoftmaxRegression(tol=1e-4, max_memory=20_000_000).fit(X, y)
    assert model.certified_
    gap = model.objective_ - exact.objective_
    assert -exact.gap_bound_ <= gap <= model.gap_bound_ <= 1e-4 * model.objective_


def test_where_products_do_not_suffice_the_hessian_is_made(monkeypatch):
    (X, y), found = data(0, 400, 3, 20), []
    for rules in (StepRules(), StepRules(work=0, products=1)):
        monkeypatch.setattr(UnpenalisedCurvature.__init__, "__defaults__", (rules,))
        o = Objective(
            Observations(DenseData(X, 1), y.astype(np.int32), 20), Penalty(0.001),
            fit_intercept=True,
        )  # fmt: skip
        it = iterate_at(o, start_of(o))
        direction = -0.2 * curvature_of(o).solve_hessian(it, 1e-6)
        direction += 0.001 * np.random.default_rng(1).normal(size=o.size)
        found.append(certify(o, it.theta, direction, np.inf).bound)
    assert 0 < found[1] == pytest.approx(found[0], rel=1e-9)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_more_classes_than_pairs_that_int32_can_number(form, l1_ratio):
    """70 000: without the Hessian by intercepts, of 37 GiB, and with the right optimum."""
    n, k = 12, 70_000
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(n, 3)), np.zeros((n, k))
    Y[np.arange(n), rng.integers(k, size=n)] = 1
    model = SoftmaxRegression(C=1.0, l1_ratio=l1_ratio).fit(form(X), Y, target="probabilities")
    assert model.certified_
    W, z = model.coef_, X @ model.coef_.T + model.intercept_
    penalty = (1 - l1_ratio) / 2 * np.sum(W**2) + l1_ratio * np.abs(W).sum()
    loss = np.sum(logsumexp(z, axis=1) - z[Y > 0])
    assert model.objective_ == pytest.approx((loss + penalty) / n, rel=1e-9)
    P = np.exp(z - logsumexp(z, axis=1, keepdims=True))
    gradient = (P - Y).T @ X + (1 - l1_ratio) * W
    steepest = np.where(W != 0, gradient + l1_ratio * np.sign(W), np.abs(gradient) - l1_ratio)
    assert np.where(W != 0, np.abs(steepest), steepest).max() < 0.02
    assert np.abs((P - Y).sum(axis=0)).max() < 0.02
