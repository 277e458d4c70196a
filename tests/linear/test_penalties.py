"""Standardised penalties, factors of features, and offsets of logits."""

import warnings

import numpy as np
import pytest
from campaigns.definition import define
from campaigns.families import Problem
from campaigns.reference import optimum as optimum_of
from scipy import optimize, sparse
from support.sparse_rows import uniform

import fastsoftmax
from fastsoftmax import Blocks, SoftmaxRegression, SoftmaxRegressionCV
from fastsoftmax._runtime.sklearn_compat import ConvergenceWarning


def problem(k=3, n=400, d=5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * [1, 3, 0.2, 10, 1][:d] + 1
    y = np.argmax(X @ rng.normal(size=(d, k)) / 3 + rng.gumbel(size=(n, k)), axis=1)
    return X, y, rng.uniform(0.5, 2, n)


def objective(parameters, X, y, k, factors, C, offset=0.0):
    """F by NumPy, with a penalty ½ Σ f_j w_j²."""
    n, d = X.shape
    table = parameters.reshape(-1, d + 1)
    z = X @ table[:, :d].T + table[:, d] + offset
    if k == 2:
        z = np.column_stack([np.zeros(n), z])
    top = z.max(axis=1)
    losses = np.log(np.exp(z - top[:, None]).sum(axis=1)) + top - z[np.arange(n), y]
    return losses.mean() + 0.5 * np.sum(factors * table[:, :d] ** 2) / (C * n)


def optimum(X, y, k, factors, C=1.0, offset=0.0):
    start = np.zeros((1 if k == 2 else k) * (X.shape[1] + 1))
    done = optimize.minimize(
        objective, start, (X, y, k, factors, C, offset), method="BFGS", options={"gtol": 1e-9}
    )
    return done.fun


FORMS = {
    "dense": lambda X: X,
    "float32": lambda X: X.astype(np.float32),
    "sparse": sparse.csr_array,
}


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("k", [2, 3])
def test_standardize_is_a_fit_of_standardised_features(k, l1_ratio):
    X, y, weights = problem(k)
    mean = np.average(X, axis=0, weights=weights)
    deviation = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weights))
    params = {"l1_ratio": l1_ratio, "C": 0.1, "tol": 1e-10}
    one = SoftmaxRegression(standardize=True, **params).fit(X, y, weights)
    other = SoftmaxRegression(**params).fit((X - mean) / deviation, y, weights)
    np.testing.assert_allclose(one.coef_ * deviation, other.coef_, atol=1e-5)
    np.testing.assert_allclose(one.objective_, other.objective_, rtol=1e-9)
    np.testing.assert_allclose(
        one.predict_proba(X), other.predict_proba((X - mean) / deviation), atol=1e-5
    )


def test_standardize_without_intercept_does_not_centre():
    X, y, _ = problem()
    params = {"fit_intercept": False, "tol": 1e-12}
    one = SoftmaxRegression(standardize=True, **params).fit(X, y)
    other = SoftmaxRegression(**params).fit(X / X.std(axis=0), y)
    np.testing.assert_allclose(one.coef_ * X.std(axis=0), other.coef_, atol=1e-6)


def test_standardize_sparse_and_blocks():
    rng = np.random.default_rng(0)
    X = uniform(4000, 60, 0.05, rng)
    y = np.argmax(X @ rng.normal(size=(60, 4)) * 3 + rng.gumbel(size=(4000, 4)), axis=1)
    dense = X.toarray()
    fits = [
        SoftmaxRegression(standardize=True, tol=1e-11, solver="lbfgs").fit(*given)
        for given in (
            (X, y),
            (dense, y),
            (Blocks([(dense[:999], y[:999]), (dense[999:], y[999:])]),),
        )
    ]
    for model in fits[1:]:
        np.testing.assert_allclose(model.objective_, fits[0].objective_, rtol=1e-9)
        np.testing.assert_allclose(model.coef_, fits[0].coef_, atol=1e-3)


def test_a_constant_feature_has_no_deviation():
    X, y, _ = problem()
    X[:, 2] = 7
    model = SoftmaxRegression(standardize=True).fit(X, y)
    assert np.isfinite(model.coef_).all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("k", [2, 3])
def test_penalty_factor(form, k):
    X, y, _ = problem(k)
    factors = np.array([1.0, 0.0, 4.0, 100.0, 0.25])
    model = SoftmaxRegression(penalty_factor=factors, tol=1e-10, C=0.05).fit(FORMS[form](X), y)
    np.testing.assert_allclose(model.objective_, optimum(X, y, k, factors, 0.05), rtol=2e-7)


@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
@pytest.mark.parametrize("seed", range(12))
def test_penalty_factor_of_l1_and_elastic_net(l1_ratio, seed):
    """By the conditions of optimality, feature by feature."""
    X, y, _ = problem(seed=seed)
    factors = np.array([1.0, 0.0, 2.0, 1.0, 50.0])
    params = {"penalty_factor": factors, "l1_ratio": l1_ratio, "C": 0.05, "tol": 1e-12}
    model = SoftmaxRegression(**params).fit(X, y)
    assert model.converged_
    assert (model.coef_[:, 4] == 0).all()
    assert (model.coef_[:, 1] != 0).any()
    P = model.predict_proba(X) - np.eye(3)[y]
    strength = factors / (0.05 * len(X))
    gradient = P.T @ X / len(X) + (1 - l1_ratio) * strength * model.coef_
    used = (model.coef_ != 0) & (factors > 0)
    residual = gradient + l1_ratio * strength * np.sign(model.coef_)
    assert np.abs(residual[used]).max() < 1e-5
    assert (np.abs(gradient) <= l1_ratio * strength + 1e-5)[~used].all()


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("C", [1e-5, 1.0])
@pytest.mark.parametrize("form", ["dense", "sparse"])
@pytest.mark.parametrize("k", [2, 3])
def test_a_factor_of_0_is_no_penalty_at_all(form, C, l1_ratio, k):
    """Of features so small that their weights are huge, against the campaign's reference."""
    X, y, _ = problem(k)
    X = X[:80] * [1e-9, 1, 1e3, 1, 1]
    params = {"C": C, "l1_ratio": l1_ratio, "penalty_factor": np.array([0.0, 1, 0, 1, 1])}
    best = optimum_of(define(Problem("", 0, X, X, y[:80], params=params)))
    model = SoftmaxRegression(**params).fit(FORMS[form](X), y[:80])
    gap = model.objective_ - float(best.upper)
    assert model.certified_
    assert -1e-12 <= gap <= model.gap_bound_ + 1e-11 <= 2e-6 * model.objective_


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("form", ["dense", "sparse"])
@pytest.mark.parametrize("k", [2, 3])
def test_a_free_feature_that_separates(form, l1_ratio, k):
    """There is no minimiser then, and the fit says so."""
    X, y, _ = problem(k)
    X[:, 1] = (y == 0) * (1 + X[:, 1] ** 2) - (y > 0) * X[:, 2] ** 2
    factors = np.array([1.0, 0, 1, 1, 1])
    model = SoftmaxRegression(l1_ratio=l1_ratio, penalty_factor=factors, C=0.1)
    with pytest.warns(ConvergenceWarning, match="separable"):
        model.fit(FORMS[form](X), y)
    assert not model.converged_
    factors[:] = [0, 1, 1, 1, 1]
    assert SoftmaxRegression(l1_ratio=l1_ratio, penalty_factor=factors).fit(X, y).converged_


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("solver", ["auto", "preconditioned-lbfgs", "lbfgs", "gd"])
def test_offset(form, k, solver):
    X, y, _ = problem(k)
    offset = np.random.default_rng(1).normal(size=(len(X), 1 if k == 2 else k)) * 2
    C, tol = (1e-3, 1e-7) if solver == "gd" else (0.1, 1e-9)
    model = SoftmaxRegression(C=C, tol=tol, solver=solver, max_iter=50000)
    model.fit(FORMS[form](X), y, offset=offset[:, 0] if k == 2 else offset)
    best = optimum(X, y, k, np.ones(5), C, offset)
    np.testing.assert_allclose(model.objective_, best, rtol=1e-6)


def test_offset_within_little_memory_and_with_l1():
    X, y, _ = problem()
    offset = np.random.default_rng(1).normal(size=(len(X), 3))
    one = SoftmaxRegression(tol=1e-9, solver="lbfgs").fit(X, y, offset=offset)
    other = SoftmaxRegression(tol=1e-9, solver="lbfgs", max_memory=1).fit(X, y, offset=offset)
    np.testing.assert_allclose(other.objective_, one.objective_, rtol=1e-8)
    l1 = SoftmaxRegression(C=0.02, l1_ratio=1.0, tol=1e-9).fit(X, y, offset=offset)
    z = X @ l1.coef_.T + l1.intercept_ + offset
    P = np.exp(z - z.max(axis=1, keepdims=True))
    P /= P.sum(axis=1, keepdims=True)
    gradient = (P - np.eye(3)[y]).T @ X / len(X)
    assert (np.abs(gradient) <= 1 / (0.02 * len(X)) + 1e-4).all()


def test_a_shift_of_the_offset_is_a_shift_of_the_intercepts():
    X, y, _ = problem()
    plain = SoftmaxRegression(tol=1e-12).fit(X, y)
    moved = SoftmaxRegression(tol=1e-12).fit(X, y, offset=np.tile([1.0, -1.0, 0.0], (len(X), 1)))
    np.testing.assert_allclose(moved.coef_, plain.coef_, atol=1e-6)
    np.testing.assert_allclose(moved.intercept_, plain.intercept_ - [1, -1, 0], atol=1e-6)


def test_warm_start_is_in_the_users_units():
    X, y, _ = problem()
    model = SoftmaxRegression(standardize=True, warm_start=True, solver="lbfgs").fit(X, y)
    first = model.n_iter_
    assert model.fit(X, y).n_iter_ < first


X, y, _ = problem()
ERRORS = {
    "offset shape": ({}, {"offset": np.ones((400, 2))}, r"offset: expected shape \(400, 3\)"),
    "offset rows": ({}, {"offset": np.ones((3, 3))}, r"offset: expected shape \(400, 3\)"),
    "offset NaN": ({}, {"offset": np.full((400, 3), np.nan)}, "offset: expected finite numbers"),
    "factors shape": ({"penalty_factor": [1, 2]}, {}, r"penalty_factor: expected shape \(5,\)"),
    "negative": ({"penalty_factor": [1, 1, -1, 1, 1]}, {}, "penalty_factor: .* got -1"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
    params, arguments, message = ERRORS[case]
    with pytest.raises(ValueError, match=message):
        fastsoftmax.fit(X, y, **arguments, **params)


def test_no_weight_left_with_an_l1_penalty_and_no_intercept():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), rng.integers(0, 3, 40)
    model = SoftmaxRegression(l1_ratio=0.5, fit_intercept=False, warm_start=True).fit(X, y)
    model.set_params(C=1e-8).fit(X, y)
    assert model.certified_
    assert not model.coef_.any()
    assert model.objective_ == pytest.approx(np.log(3), rel=1e-14)
    X, y, factors = np.zeros((20, 2)), np.arange(20) % 2, [0, 1]
    model = SoftmaxRegression(l1_ratio=1.0, fit_intercept=False, penalty_factor=factors).fit(X, y)
    assert model.certified_
    assert not model.coef_.any()


def test_squares_of_gradients_that_underflow_warn_of_nothing():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(26, 5))
    y = (X @ rng.normal(size=5) * 3 + rng.logistic(size=26) > 0).astype(int)
    y[:2] = 0, 1
    factors = [5, 0.1, 0.1, 0, 0.1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = SoftmaxRegression(C=1e4, solver="lbfgs", penalty_factor=factors)
        assert model.fit((X * 1e8).astype("f4"), y).converged_


@pytest.mark.parametrize("params", [{}, {"standardize": True}, {"l1_ratio": 0.5}], ids=str)
@pytest.mark.parametrize("factors", [[0, 0, 0], [0, 1, 3]], ids=str)
def test_factors_make_no_difference_without_a_penalty(params, factors):
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(80, 3)), rng.integers(0, 3, 80)
    plain = SoftmaxRegression(C=np.inf, **params).fit(X, y)
    model = SoftmaxRegression(C=np.inf, penalty_factor=factors, **params).fit(X, y)
    np.testing.assert_array_equal(model.coef_, plain.coef_)
    assert model.certified_ and model.objective_ == plain.objective_
    # with a finite C no factor but 0 leaves the penalty out
    free = SoftmaxRegression(C=1.0, penalty_factor=[0, 0, 0], **params).fit(X, y)
    np.testing.assert_allclose(free.objective_, plain.objective_, rtol=2e-6)


def test_both_kinds_of_C_with_free_features():
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(80, 3)), rng.integers(0, 3, 80)
    model = SoftmaxRegressionCV([1.0, np.inf], penalty_factor=[0, 0, 0], fold_tol=1e-9).fit(X, y)
    np.testing.assert_allclose(model.scores_[:, 0], model.scores_[:, 1], rtol=1e-4)
