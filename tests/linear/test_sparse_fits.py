"""Fits of sparse X end where those of the same numbers, dense, and of scikit-learn do."""

import pickle
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from support.optimum import mean_gradient
from support.sparse_rows import compressed, scrambled, table, text
from support.tuned import Tuned
from threadpoolctl import threadpool_limits

import fastsoftmax._engine.data
from fastsoftmax import SoftmaxRegression
from fastsoftmax._engine.line_search import LineRules

N = 240
pytestmark = pytest.mark.usefixtures("stays_sparse")


def problem(k, n=N, d=600, dtype=np.float64, seed=0):
    """Rows of Zipf's words, many of which are in one row alone or in none; labels that depend."""
    rng = np.random.default_rng([k, seed])
    X = text(n, d, rng, dtype)
    logits = X @ rng.standard_normal((d, k)) * 3 + rng.gumbel(size=(n, k))
    y = logits.argmax(axis=1)
    y[:k] = np.arange(k)
    return X, y


def fit(X, y, sample_weight=None, **params):
    params = {"tol": 1e-10, "max_iter": 3000, "n_threads": 1} | params
    return SoftmaxRegression(**params).fit(X, y, sample_weight=sample_weight)


def objective(model, X, y, C=1.0, sample_weight=1.0):
    """C·Σ sᵢ·CEᵢ + ½·‖W‖², in plain NumPy; the losses alone for C = inf."""
    z = X.toarray() @ model.coef_.T + model.intercept_
    z = np.column_stack([np.zeros(len(z)), z]) if z.shape[1] == 1 else z
    codes = np.searchsorted(model.classes_, y)
    losses = np.logaddexp.reduce(z, axis=1) - z[np.arange(len(z)), codes]
    total = np.sum(sample_weight * losses)
    return total if np.isinf(C) else C * total + 0.5 * np.sum(model.coef_**2)


def assert_optimal(model, X, y, C=1.0, sample_weight=None, gradient=1e-5):
    by_W, by_b = mean_gradient(model, X.toarray(), y, C=C, sample_weight=sample_weight)
    assert abs(by_W).max() < gradient
    assert not model.fit_intercept or abs(by_b).max() < gradient
    assert model.grad_norm_ == pytest.approx(
        max(abs(by_W).max(), abs(by_b).max() * model.fit_intercept), abs=gradient / 3
    )


@pytest.mark.parametrize("k", [2, 3, 20])
@pytest.mark.parametrize("C", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_optimum_is_that_of_dense_X_and_of_scikit_learn(k, C, fit_intercept):
    X, y = problem(k)
    weights = np.random.default_rng(0).uniform(0, 2, N)
    params = {"C": C, "fit_intercept": fit_intercept}
    model = fit(X, y, weights, **params)
    assert model.converged_
    dense = fit(X.toarray(), y, weights, **params)
    with threadpool_limits(1):
        theirs = LogisticRegression(solver="newton-cg", tol=1e-8, max_iter=200, **params)
        theirs.fit(X.toarray(), y, weights)
    got = objective(model, X, y, C, weights)
    assert model.objective_ * C * weights.sum() == pytest.approx(got, rel=1e-12)
    assert got == pytest.approx(objective(dense, X, y, C, weights), rel=1e-9)
    assert got == pytest.approx(objective(theirs, X, y, C, weights), rel=1e-9)
    np.testing.assert_allclose(model.coef_, dense.coef_, atol=2e-3 * abs(dense.coef_).max())
    assert_optimal(model, X, y, C, weights)
    assert (model.gap_bound_ >= 0) and model.gap_bound_ < 1e-5 * model.objective_ * max(1, C)
    if not fit_intercept:
        assert (model.intercept_ == 0).all()
    elif k > 2:
        assert abs(model.intercept_.sum()) < 1e-10


@pytest.mark.parametrize("solver", ["preconditioned-lbfgs", "lbfgs", "gd"])
def test_solvers(solver):
    X, y = problem(4)
    best = objective(fit(X, y), X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = fit(X, y, solver=solver, tol=1e-9, max_iter=5000)
    assert objective(model, X, y) == pytest.approx(best, rel=1e-6)


def test_what_a_solver_needs_and_sparse_X_does_not_give():
    X, y = problem(3)
    expected = (
        "solver: 'newton' needs the exact Hessian, which is not made for a sparse X; expected"
    )
    with pytest.raises(ValueError, match=expected):
        fit(X, y, solver="newton")


def test_merged_features_get_the_weights_that_they_get_alone(monkeypatch):
    X, y = problem(5)
    model = fit(X, y, tol=1e-13)
    assert model.n_features_in_ == X.shape[1]
    monkeypatch.setattr(
        fastsoftmax._engine.data.SparseData, "with_merged_features", lambda self: self
    )
    unmerged = fit(X, y, tol=1e-13)
    np.testing.assert_allclose(model.coef_, unmerged.coef_, atol=1e-5)
    assert model.grad_norm_ == pytest.approx(unmerged.grad_norm_, abs=1e-6)
    entries = np.diff(X.tocsc().indptr)
    assert (entries == 0).sum() > 10 and (entries == 1).sum() > 50
    assert (model.coef_[:, entries == 0] == 0).all()
    assert (unmerged.coef_[:, entries == 0] == 0).all()


def test_the_gradient_that_is_reported_is_that_of_all_features():
    """Merged features share one; the largest of theirs is reported."""
    X, y = problem(5)
    with pytest.warns(ConvergenceWarning):
        model = fit(X, y, max_iter=2)
    by_W, by_b = mean_gradient(model, X.toarray(), y, C=1.0)
    assert model.grad_norm_ == pytest.approx(max(abs(by_W).max(), abs(by_b).max()), rel=1e-4)


@pytest.mark.parametrize("C", [1e10, np.inf])
@pytest.mark.parametrize("k", [2, 4])
def test_hardly_any_penalty_or_none(k, C):
    rng = np.random.default_rng(0)
    X = sparse.csr_array(table(400, 6, np.float64, rng, density=0.6))
    y = (X @ rng.standard_normal((6, k)) + rng.gumbel(size=(400, k))).argmax(axis=1)
    model = fit(X, y, C=C)
    dense = fit(X.toarray(), y, C=C)
    assert model.objective_ == pytest.approx(dense.objective_, rel=1e-9)
    np.testing.assert_allclose(model.coef_, dense.coef_, atol=1e-4 * abs(dense.coef_).max())


@pytest.mark.parametrize("k", [2, 4])
def test_separable_classes_without_a_penalty(k):
    X, y = problem(k)  # more features than rows
    with pytest.warns(ConvergenceWarning, match="separable"):
        model = fit(X, y, C=np.inf)
    assert model.score(X, y) == 1 and np.isfinite(model.coef_).all()


def test_warm_start():
    X, y = problem(5)
    model = fit(X, y, warm_start=True)
    first, coef = model.n_passes_, model.coef_.copy()
    again = model.fit(X, y)
    assert again.n_passes_ < first / 2
    np.testing.assert_allclose(again.coef_, coef, atol=1e-4)
    model.fit(X.toarray(), y)  # dense numbers after sparse ones
    assert model.objective_ == pytest.approx(fit(X, y).objective_, rel=1e-9)


def test_float32():
    X, y = problem(5)
    wide = fit(X, y)
    model = fit(X.astype(np.float32), y, tol=1e-7)
    assert objective(model, X, y) == pytest.approx(objective(wide, X, y), rel=2e-7)
    assert model.predict_proba(X.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(
        model.predict_proba(X.astype(np.float32)), model.predict_proba(X), atol=1e-5
    )


@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_any_order_and_entries_twice(index):
    X, y = problem(4)
    messy = scrambled(X, np.random.default_rng(0), index)
    model = fit(messy, y)
    expected = fit(X, y)
    assert model.objective_ == pytest.approx(expected.objective_, rel=1e-9)
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-4)
    np.testing.assert_allclose(model.predict_proba(messy), model.predict_proba(X), atol=1e-12)


def test_the_same_to_the_bit_for_any_number_of_threads(whole_teams):
    X, y = problem(5, d=1500)
    for params in ({}, {"max_memory": 1}, {"solver": "lbfgs"}):
        models = [fit(X, y, tol=1e-6, n_threads=t, **params) for t in (1, 2, 3, 8)]
        for model in models[1:]:
            np.testing.assert_array_equal(model.coef_, models[0].coef_)
            np.testing.assert_array_equal(model.intercept_, models[0].intercept_)
            assert model.objective_ == models[0].objective_


@pytest.mark.parametrize("weighted", [False, True])
def test_a_small_budget(weighted):
    """No room for logits: every evaluation of φ is a pass."""
    X, y = problem(6)
    weights = np.random.default_rng(0).uniform(size=N) if weighted else None
    best = fit(X, y, weights)
    model = Tuned(max_memory=2000, tol=1e-9, max_iter=3000, n_threads=1)
    model.tuned(line=LineRules(subsample_rows=100)).fit(X, y, sample_weight=weights)
    assert model.converged_ and model.n_passes_ > best.n_passes_ / 3
    assert model.objective_ == pytest.approx(best.objective_, rel=1e-8)


def test_predictions_of_sparse_and_dense_rows_agree():
    X, y = problem(5)
    for codes in (y, y > 2):
        model = fit(X, codes)
        for method in ("decision_function", "predict_proba", "predict_log_proba"):
            np.testing.assert_allclose(
                getattr(model, method)(X), getattr(model, method)(X.toarray()), atol=1e-12
            )
        np.testing.assert_array_equal(model.predict(X), model.predict(X.tocsc()))


def test_predictions_from_coefficients_of_any_order():
    X, y = problem(5)
    model = fit(X, y)
    expected = model.predict_proba(X)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict_proba(X), expected)
    copy.coef_ = np.ascontiguousarray(model.coef_)
    np.testing.assert_array_equal(copy.predict_proba(X), expected)
    rows = np.vstack([copy.predict_proba(X[[i]]) for i in range(20)])
    np.testing.assert_array_equal(rows, expected[:20])


def test_a_single_row_of_float32_from_weights_of_float64():
    X, y = problem(5)
    model = fit(X, y)
    X = X.astype(np.float32)
    rows = np.vstack([model.predict_proba(X[[i]]) for i in range(20)])
    np.testing.assert_allclose(rows, model.predict_proba(X)[:20], atol=1e-6)


def test_overflowing_logits_are_no_error():
    X, y = problem(3)
    model = fit(X, y)
    model.coef_ = model.coef_ * (1e307 / abs(model.coef_).max())
    with np.errstate(invalid="ignore"):
        assert model.decision_function(X * 1e3).shape == (N, 3)


def test_nothing_but_zeros():
    _, y = problem(3)
    model = fit(sparse.csr_array((N, 10)), y)
    assert (model.coef_ == 0).all()
    np.testing.assert_allclose(
        model.predict_proba(sparse.csr_array((1, 10)))[0], np.bincount(y) / N
    )


def test_nothing_of_the_users_is_modified():
    X, y = problem(3)
    X = scrambled(X, np.random.default_rng(0))
    weights = np.linspace(0, 2, N)
    parts = [X.data, X.indices, X.indptr, y, weights]
    copies = [part.copy() for part in parts]
    for part in parts:
        part.flags.writeable = False
    model = fit(compressed(*parts[:3], X.shape), y, weights)
    model.predict_proba(X)
    for part, copy in zip(parts, copies, strict=True):
        np.testing.assert_array_equal(part, copy)


def test_a_small_X_is_fitted_as_dense(monkeypatch):
    monkeypatch.undo()
    X, y = problem(3, n=100, d=50)
    model = fit(X, y)
    np.testing.assert_array_equal(model.coef_, fit(X.toarray(), y).coef_)
    assert fit(X, y, solver="newton").objective_ == pytest.approx(model.objective_, rel=1e-9)
