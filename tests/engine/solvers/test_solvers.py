"""Every solver ends at the same optimum, says how near, and stays finite whatever it is given."""

import warnings

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from support.newton import Problem
from support.optimum import gap_bound, read_arff, sum_objective
from support.problems import clusters, softmax_rows
from support.reference import one_hot
from support.tuned import Tuned
from threadpoolctl import threadpool_limits

from fastsoftmax import SoftmaxRegression
from fastsoftmax._engine.curvature import curvature_of
from fastsoftmax._engine.data import DenseData
from fastsoftmax._engine.linalg import ClassFactors
from fastsoftmax._engine.line_search import LineRules, iterate_at
from fastsoftmax._engine.line_search.fused import FusedIterate
from fastsoftmax._engine.line_search.stored import StoredIterate
from fastsoftmax._engine.objective import Objective, Observations, Penalty, start_of
from fastsoftmax._engine.solvers import SOLVERS, Options
from fastsoftmax._engine.solvers.base import ROUNDED, Run
from fastsoftmax._engine.solvers.proof import prove
from fastsoftmax._runtime.memory_budget import MemoryBudget
from fastsoftmax.datasets import load_digits, load_mnist

SMOOTH = [name for name, solver in SOLVERS.items() if not {"l1", "dual"} & set(solver.needs)]
FAST = [name for name in SMOOTH if name != "gd"]
MAX_ITER = {"gd": 100_000}


def blobs(n_classes=3, n=300, n_features=5):
    X, y = clusters(n, n_features, n_classes)
    return X * np.linspace(0.5, 2, n_features) + 1, y


def optimum(X, y, *, C, fit_intercept=True, sample_weight=None):
    model = LogisticRegression(
        C=C, fit_intercept=fit_intercept, solver="newton-cholesky", tol=1e-12, max_iter=500
    )
    with threadpool_limits(1):
        model.fit(X, y, sample_weight)
    weights = 1.0 if sample_weight is None else sample_weight
    return sum_objective(model, X, y, C=C, sample_weight=weights)


@pytest.mark.parametrize("solver", SMOOTH)
@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("how", ["plain", "no intercept", "weighted", "C=100"])
def test_same_optimum(solver, n_classes, how):
    X, y = blobs(n_classes)
    weights = np.random.default_rng(1).exponential(size=len(y)) if how == "weighted" else None
    C = 100.0 if how == "C=100" else 0.3
    params = {"C": C, "fit_intercept": how != "no intercept"}
    model = SoftmaxRegression(
        solver=solver, tol=1e-9, max_iter=MAX_ITER.get(solver, 1000), **params
    )
    model.fit(X, y, sample_weight=weights)
    assert model.converged_
    got = sum_objective(model, X, y, C=C, sample_weight=1.0 if weights is None else weights)
    best = optimum(X, y, **params, sample_weight=weights)
    assert got == pytest.approx(best, rel=1e-8, abs=0)
    total = C * (len(y) if weights is None else weights.sum())
    assert got - best <= model.gap_bound_ * total + 1e-12 * best


@pytest.mark.parametrize(
    ("solver", "C"),
    [("auto", 0.01), ("auto", 100), ("preconditioned-lbfgs", 0.01), ("lbfgs", 0.01)],
)
def test_same_optimum_of_digits(solver, C):
    X, y = load_digits()
    X = X.astype(float)
    model = SoftmaxRegression(solver=solver, C=C, tol=1e-9).fit(X, y)
    assert model.converged_
    best = optimum(X, y, C=C)
    assert sum_objective(model, X, y, C=C) == pytest.approx(best, rel=1e-8)


@pytest.fixture(scope="module")
def letter(data_folder):
    return read_arff(data_folder / "uci" / "letter.arff")


@pytest.mark.parametrize("C", [1, 100])
def test_letter_as_it_is_in_few_passes(letter, C):
    X, y = letter
    model = SoftmaxRegression(C=C, tol=1e-8).fit(X, y)
    assert model.converged_ and model.n_passes_ <= 60
    value = sum_objective(model, X, y, C=C)
    finer = SoftmaxRegression(C=C, tol=1e-12).fit(X, y)
    assert gap_bound(finer, X, y, C=C) <= 1e-7 * value
    assert value <= sum_objective(finer, X, y, C=C) * (1 + 1e-8)
    if C == 1:
        assert value == pytest.approx(16648.8054, rel=1e-8)


@pytest.mark.parametrize(("C", "best", "passes"), [(0.01, 218.507, 45), (1, 13927.06, 60)])
def test_mnist_in_few_passes(data_folder, C, best, passes):
    mnist = load_mnist(data_folder / "mnist")
    X = mnist.X_train.astype(np.float32) / 255
    model = SoftmaxRegression(C=C).fit(X, mnist.y_train)
    assert model.converged_ and model.n_passes_ <= passes
    value = sum_objective(model, X, mnist.y_train, C=C)
    assert value == pytest.approx(best, rel=5e-6)
    assert model.objective_ * C * len(X) == pytest.approx(value, rel=1e-6)
    assert model.gap_bound_ <= 1e-4 * model.objective_


def problem(
    n_classes=4, dtype=np.float64, max_memory=None, weights=None, offset=None, **penalty
):  # fmt: skip
    X, y = blobs(n_classes, n=600, n_features=8)
    memory = MemoryBudget.of(max_memory, X.nbytes)
    data = DenseData(X.astype(dtype), 1)
    rows = Observations(
        data, y.astype(np.int32), 1 if n_classes == 2 else n_classes, weights, offset
    )
    return Objective(rows, Penalty(**{"C": 1.0} | penalty), fit_intercept=True, memory=memory)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("solver", FAST)
def test_without_room_for_logits(solver, n_classes):
    values = []
    for max_memory in (None, 12_000):
        objective = problem(n_classes, max_memory=max_memory)
        it = iterate_at(objective, start_of(objective))
        assert it.incremental_logits == (max_memory is None)
        result = SOLVERS[solver].minimize(objective, start_of(objective), Options(1e-10, 500))
        assert result.converged
        values.append(result.value)
    assert values[1] == pytest.approx(values[0], rel=1e-9)


def test_after_a_subsample_evaluations_leave_the_iterate_where_it_is():
    """But for its logits, which go back and forth; `step` alone moves it."""
    objective = problem()
    theta, direction = np.random.default_rng(0).normal(size=(2, objective.size))
    it, other = (iterate_at(objective, theta, LineRules(subsample_rows=64)) for _ in range(2))
    begin = it.value, it.gradient.copy()
    line, stored = it.line(direction), other.line(direction)
    slope = float(it.gradient @ direction)
    subsample = line.subsample()
    assert subsample.correct_slope(slope).slope == slope
    assert subsample.evaluate(0.0).slope == pytest.approx(slope, rel=1e-12)
    assert subsample.evaluate(0.3).curvature == pytest.approx(
        stored.evaluate(0.3).curvature, rel=0.5
    )
    by_passes = line.by_passes()
    for t in (0.7, 0.2):
        np.testing.assert_allclose(by_passes.evaluate(t)[:2], stored.evaluate(t)[:2], rtol=1e-10)
        np.testing.assert_allclose(line.evaluate(0.5), stored.evaluate(0.5), rtol=1e-10)
        np.testing.assert_array_equal(it.theta, theta)
        np.testing.assert_array_equal(it.gradient, begin[1])
        assert it.value == begin[0]
    passes = objective.passes.count
    it.step(line, 0.2)
    assert objective.passes.count == passes  # it was evaluated there
    value, gradient = objective.value_and_grad(theta + 0.2 * direction)
    assert it.value == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(it.theta, theta + 0.2 * direction, atol=1e-14)
    np.testing.assert_allclose(it.gradient, gradient, atol=1e-12)
    it.step(it.line(direction), -0.2)
    assert it.value == pytest.approx(begin[0], rel=1e-12)
    np.testing.assert_allclose(it.gradient, begin[1], atol=1e-12)


def test_an_unreliable_subsample_is_not_used_again():
    objective = problem()
    it = iterate_at(objective, start_of(objective), LineRules(subsample_rows=64))
    direction = -it.gradient
    line = it.line(direction)
    assert line.subsample() is not None
    line.by_passes().evaluate(1e-9)  # hardly any of the slope is gone
    it.step(line, 0.0)
    assert it.line(direction).subsample() is None


@pytest.mark.parametrize("rows", [32, 64, 128])
@pytest.mark.parametrize("C", [0.1, 1e4])
def test_same_optimum_with_and_without_a_subsample(rows, C):
    X, y = blobs(4, n=900)
    best = SoftmaxRegression(solver="preconditioned-lbfgs", C=C, tol=1e-10).fit(X, y)
    model = Tuned(solver="preconditioned-lbfgs", C=C, tol=1e-10)
    model.tuned(line=LineRules(subsample_rows=rows)).fit(X, y)
    assert model.converged_ and model.objective_ == pytest.approx(best.objective_, rel=1e-9)


def uneven(seed):
    """Features of all sizes, rare ones, weights: rows of which a few say nothing of the others."""
    rng = np.random.default_rng(seed)
    n, d, k = (int(rng.integers(*span)) for span in ((200, 3000), (1, 40), (2, 12)))
    X = rng.normal(size=(n, d)) * 10 ** rng.uniform(-2, 2, d)
    if rng.random() < 0.4:
        X = X * (rng.random((n, d)) < 0.1)
    W = rng.normal(size=(k, d)) * rng.uniform(0.1, 5)
    noise = rng.gumbel(size=(n, k)) * rng.choice([0.01, 0.3, 1, 3])
    y = np.argmax(X / np.maximum(X.std(0), 1e-9) @ W.T + noise, axis=1)
    weights = None if rng.random() < 0.6 else rng.integers(0, 3, n).astype(float)
    C, rows = 10 ** rng.uniform(-3, 6), int(rng.choice([32, 64, 128]))
    return X.astype((np.float64, np.float32)[seed % 2]), y, weights, C, rows


@pytest.mark.parametrize("seed", [617, 680, 1387, 1417, 1680, 2340, 2859])
def test_rows_that_lead_far_astray(seed):
    """Fits that ended where they began, when a step that some rows had proposed was not undone."""
    X, y, weights, C, rows = uneven(seed)
    model = Tuned(solver="preconditioned-lbfgs", C=C, tol=1e-7)
    best = model.fit(X, y, sample_weight=weights).objective_
    model.tuned(line=LineRules(subsample_rows=rows)).fit(X, y, sample_weight=weights)
    assert model.converged_ and model.objective_ == pytest.approx(best, rel=5e-6)


@pytest.mark.parametrize("max_memory", [None, 12_000])
def test_a_line_is_the_objective_along_it(max_memory):
    objective = problem(max_memory=max_memory)
    rng = np.random.default_rng(0)
    theta, direction = rng.normal(size=(2, objective.size))
    it = iterate_at(objective, theta)
    line = it.line(direction)
    for t in (0.0, 0.7):
        value, gradient = objective.value_and_grad(theta + t * direction)
        trial = line.evaluate(t)
        assert trial.value == pytest.approx(value, rel=1e-12)
        assert trial.slope == pytest.approx(gradient @ direction, rel=1e-9)
        if it.incremental_logits:
            ahead, behind = (line.evaluate(t + h).slope for h in (1e-5, -1e-5))
            assert trial.curvature == pytest.approx((ahead - behind) / 2e-5, rel=1e-5)
    np.testing.assert_array_equal(it.theta, theta)
    it.step(line, 0.7)
    np.testing.assert_allclose(it.gradient, gradient, atol=1e-12)


@pytest.mark.parametrize("kind", [StoredIterate, FusedIterate])
def test_an_offset_is_added_to_the_logits(kind):
    rng = np.random.default_rng(0)
    X, y = blobs(4, n=600, n_features=8)
    offset = rng.normal(size=(600, 4))
    objective = problem(offset=offset)
    theta = rng.normal(size=objective.size)
    W, b = objective.user(theta)
    z = X @ W.T + b + offset
    it = kind(objective, theta, LineRules())
    np.testing.assert_allclose(it.logits(0).table(), z, rtol=1e-9, atol=1e-9)
    line = it.line(-it.gradient)
    assert line.evaluate(0.0).value == pytest.approx(it.value, rel=1e-12)
    loss = np.mean(logsumexp(z, axis=1) - z[np.arange(600), y])
    centred = objective.models.of(theta)[0]
    ridge = 0.5 * objective.penalty * np.square(centred).sum()
    for value, gradient in ((it.value, it.gradient), objective.value_and_grad(theta)):
        assert value == pytest.approx(loss + ridge, rel=1e-9)
        step = 1e-6 * gradient / np.linalg.norm(gradient)
        ahead, behind = (objective.value_and_grad(theta + s)[0] for s in (step, -step))
        assert (ahead - behind) / 2e-6 == pytest.approx(np.linalg.norm(gradient), rel=1e-6)


def test_a_product_with_the_hessian_is_a_pass():
    objective = problem()
    it = iterate_at(objective, start_of(objective))
    before = objective.passes.count
    it.hessian_times(it.gradient)
    assert objective.passes.count - before == 1


def test_the_trend_of_a_geometric_series_is_what_is_left_of_it():
    objective = problem()
    run = Run(objective, Options(1e-10, 500))
    for value in 1 + 3 * 0.9 ** np.arange(41):
        run.record(value, None)
    for since in (0, 20):
        assert run.trend(since) == pytest.approx(3 * 0.9**40, rel=1e-9)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_hessian_is_the_slope_of_the_gradient(n_classes, weighted):
    weights = np.random.default_rng(3).random(600) if weighted else None
    objective = problem(n_classes, weights=weights)
    theta = np.random.default_rng(0).normal(size=objective.size)
    H = curvature_of(objective).hessian(iterate_at(objective, theta))
    for i in range(0, objective.size, 3):
        step = 1e-5 * np.eye(objective.size)[i]
        ahead, behind = (objective.value_and_grad(theta + s)[1] for s in (step, -step))
        np.testing.assert_allclose(H[i], (ahead - behind) / 2e-5, atol=1e-8)
    top = np.linalg.eigvalsh(H)[-1]
    assert top <= curvature_of(objective).lipschitz()


@pytest.mark.parametrize("share", [0.92, 0.98])
def test_a_proof_that_the_decrease_leaves_no_room_for_takes_newtons_step(monkeypatch, share):
    objective = problem(4)
    it = iterate_at(objective, np.random.default_rng(0).normal(size=objective.size) / 100)
    it.restart(objective.parameters.project(it.theta))
    H = curvature_of(objective).hessian(it)
    newton = objective.parameters.project(-np.linalg.lstsq(H, it.gradient, rcond=1e-12)[0])
    tolerance = -0.5 * it.gradient @ newton / share  # as if so little were wanted
    products, product = [], StoredIterate.hessian_times
    monkeypatch.setattr(
        StoredIterate, "hessian_times", lambda *args: products.append(1) or product(*args)
    )

    def solve(vector):
        return objective.parameters.project(vector / np.diagonal(H))

    proof = prove(objective, it, -solve(it.gradient), solve, tolerance, 200)
    assert proof.certificate is None and len(products) <= 10
    off = proof.direction - newton
    assert off @ H @ off <= 0.1 * (newton @ H @ newton)


@pytest.mark.parametrize("C", [1e-3, 1.0, 1e3])
def test_newtons_step_takes_one_solve_and_one_to_see_that_it_is_exact(monkeypatch, C):
    objective = problem(4, C=C)
    it = iterate_at(objective, np.random.default_rng(0).normal(size=objective.size))
    it.restart(objective.parameters.project(it.theta))
    solves, solve = [], ClassFactors.solve
    monkeypatch.setattr(ClassFactors, "solve", lambda *args: solves.append(1) or solve(*args))
    step = curvature_of(objective).solve_hessian(it, 0.0)
    # shifts of the intercepts alone have no curvature
    expected = np.linalg.lstsq(curvature_of(objective).hessian(it), it.gradient, rcond=1e-12)[0]
    np.testing.assert_allclose(step, objective.parameters.project(expected), rtol=1e-9, atol=1e-12)
    assert len(solves) == 2


@pytest.mark.parametrize("solver", SMOOTH)
def test_threads_and_repetition_change_no_bit_and_seeds_do(solver):
    X, y = blobs(5, n=3_000 if solver == "newton" else 30_000, n_features=20)
    X = X.astype(np.float32)
    params = {"solver": solver, "tol": 1e-4, "C": 1e-3, "max_iter": 200}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        models = [SoftmaxRegression(n_threads=t, **params).fit(X, y) for t in (1, 2, 3, 8, 2)]
    assert len({model.coef_.tobytes() for model in models}) == 1
    assert len({model.gap_bound_ for model in models}) == 1


def test_random_state_is_what_rows_are_drawn_by():
    X, y = load_digits()
    X = np.repeat(X.astype(float), 4, axis=0) + np.random.default_rng(0).random((4 * len(X), 64))
    y = np.repeat(y, 4)
    models = [SoftmaxRegression(random_state=s, C=0.1).fit(X, y) for s in (0, 0, 1)]
    assert models[0].coef_.tobytes() == models[1].coef_.tobytes() != models[2].coef_.tobytes()
    assert models[0].objective_ == pytest.approx(models[2].objective_, rel=1e-6)


UGLY = {
    "large": lambda X: X * 1e6,
    "constant and zero columns": lambda X: np.column_stack([X, np.ones(len(X)), 0 * X]),
    "duplicates": lambda X: np.column_stack([X, X]),
    "scales": lambda X: X * np.logspace(-6, 6, X.shape[1]),
    "more features than rows": lambda X: np.random.default_rng(0).normal(size=(len(X), 700)),
}


@pytest.mark.parametrize("ugliness", UGLY)
@pytest.mark.parametrize("C", [1.0, 1e10])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", ["auto", "preconditioned-lbfgs", "lbfgs", "gd"])
def test_ugly_problems_end_finite_and_never_rise(solver, dtype, C, ugliness):
    X, y = blobs()
    X = UGLY[ugliness](X).astype(dtype)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = SoftmaxRegression(solver=solver, C=C, max_iter=100).fit(X, y)
    assert [w.category for w in caught] == [ConvergenceWarning] * (not model.converged_)
    assert np.isfinite(model.coef_).all() and np.isfinite(model.intercept_).all()
    values = np.array([np.log(3)] + [iteration.objective for iteration in model.history_])
    assert np.isfinite(values).all()
    assert (values[1:] <= values[:-1] * (1 + 3e-7)).all()


@pytest.mark.parametrize("solver", ["auto", "preconditioned-lbfgs", "lbfgs", "gd"])
def test_a_start_whose_loss_overflows_is_not_gone_on_with(solver):
    X, y = blobs()
    model = SoftmaxRegression(solver=solver, warm_start=True, max_iter=50).fit(X, y)
    model.coef_ = 1e200 * model.coef_
    with pytest.warns(ConvergenceWarning, match="It ended after 0 iterations"):
        model.fit(X, y)


@pytest.mark.parametrize("solver", FAST)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_separable_data_without_a_penalty_ends_in_one_warning(solver, n_classes):
    X, y = blobs(n_classes)
    X[np.arange(len(y)), y] += 20
    with pytest.warns(ConvergenceWarning, match="separable, so that without a penalty") as caught:
        model = SoftmaxRegression(solver=solver, C=np.inf).fit(X, y)
    assert len(caught) == 1 and not model.converged_
    assert np.isfinite(model.coef_).all() and model.score(X, y) == 1
    assert model.gap_bound_ == np.inf


@pytest.mark.parametrize("solver", SMOOTH)
def test_max_iter(solver):
    X, y = load_digits()
    if solver == "newton":
        X = X[:, 20:30]
    with pytest.warns(
        ConvergenceWarning, match=r"max_iter reached.* after 2 .*\(now 2\)"
    ) as caught:
        model = SoftmaxRegression(solver=solver, max_iter=2, tol=1e-14).fit(X, y)
    assert len(caught) == 1
    assert model.n_iter_ == len(model.history_) == 2


def errors(**params):
    X, y = blobs(5, n_features=500) if params.pop("wide", False) else blobs()
    with pytest.raises((ValueError, TypeError)) as caught:
        SoftmaxRegression(**params).fit(X, y)
    return str(caught.value)


def test_unknown_solver_and_the_known_ones():
    assert errors(solver="no") == f"solver: expected one of {', '.join(SOLVERS)}, got 'no'"
    assert errors(solver="sag").endswith(
        "got 'sag'; 'auto' finds the optimum of scikit-learn's solvers"
    )
    assert "got None" in errors(solver=None)


def test_a_solver_that_lacks_something_names_those_that_do_not():
    message = errors(solver="newton", wide=True)
    assert message.startswith("solver: 'newton' needs the exact Hessian, which is made for up to")
    able = message.removesuffix(" here").partition("of 2505; expected one of ")[2].split(", ")
    assert sorted(able) == sorted(set(SMOOTH) - {"newton"})
    message = errors(solver="newton", max_memory=1000)
    assert "bytes for the exact Hessian, max_memory being 1000" in message


def test_parameters_out_of_range():
    assert errors(max_memory=0) == "max_memory: expected an integer >= 1, got 0"
    assert errors(max_memory=1.5) == "max_memory: expected an integer >= 1, got 1.5"
    assert errors(random_state=-1) == "random_state: expected an integer >= 0, got -1"
    assert errors(tol=-1).startswith("tol: expected a number >= 0")
    assert errors(max_iter=-1).startswith("max_iter: expected an integer >= 0")


def test_a_fit_of_endless_repairs_ends(monkeypatch):
    """Where Newton's method can go on it does."""
    monkeypatch.setattr(StoredIterate, "update_active_rows", lambda it: True)
    options = Options(max_iter=3, tol=1e-9)
    plain, preconditioned = (
        SOLVERS[name].minimize(objective := problem(), start_of(objective), options)
        for name in ("lbfgs", "preconditioned-lbfgs")
    )
    assert plain.stop == ROUNDED and not plain.converged
    assert preconditioned.converged


def test_newtons_step_where_rows_are_wrong_but_confident():
    """Without curvature it is 1e50 times too long: a fit ended there, at F = 13.4."""
    r = np.random.default_rng(72)
    X, y = softmax_rows(300, 3, 4, r, slope=30)
    offset = 27.0 * r.choice([-1, 0, 0, 1], size=(300, 4))
    model = SoftmaxRegression(C=0.01, penalty_factor=[0, 0, 1]).fit(X, y, offset=offset)
    problem = Problem(X, one_hot(y, 4), np.array([0, 0, 1]) / 3, offset=offset)
    found = minimize(
        lambda t: (problem.value(t.reshape(4, 4)), problem.gradient(t.reshape(4, 4)).ravel()),
        np.zeros(16), jac=True, method="L-BFGS-B",
        options={"maxiter": 5000, "maxfun": 10000, "ftol": 1e-15, "gtol": 1e-9},
    )  # fmt: skip
    assert model.certified_
    assert model.objective_ == pytest.approx(found.fun, rel=2e-6)
