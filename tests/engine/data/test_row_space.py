"""More features than rows: fits in the row space, beside Newton's method in NumPy.

The oracle takes its own basis, by singular values, and has a logit for each class.
"""

import warnings

import mpmath
import numpy as np
import pytest
from scipy import linalg, sparse
from support.problems import softmax_rows

from fastsoftmax import (
    Blocks,
    LogisticRegression,
    SoftmaxRegression,
    SoftmaxRegressionCV,
    certify,
)
from fastsoftmax._engine.data import DenseBlocks, DenseData, SparseData, row_space
from fastsoftmax._linear.problem import penalty
from fastsoftmax._linear.problem import problem as _problem

WEAK = 1e6


def problem(n, d, k, seed=0):
    X, y = softmax_rows(n, d, k, [n, d, k, seed], slope=1 / np.sqrt(d))
    y[:k] = np.arange(k)
    return X, y


def losses(z, Y):
    """Cross-entropies; those of rows of a label keep their digits however small they are."""
    apart = z[:, None, :] - z[:, :, None]  # of each class, the logits of all less its own
    apart[:, np.arange(z.shape[1]), np.arange(z.shape[1])] = -np.inf
    top = np.maximum(apart.max(axis=2), 0)
    others = np.exp(apart - top[:, :, None]).sum(axis=2)
    each = np.where(top > 0, top + np.log(np.exp(-top) + others), np.log1p(others))
    return np.einsum("nk,nk->n", Y, each)


def value(model, X, y, C, weights=None, penalised=1.0):
    """F of a model's coefficients; those of one logit are of class 1."""
    weights = np.ones(len(X)) if weights is None else weights
    z = np.asarray(X, float) @ model.coef_.T + model.intercept_
    z = np.column_stack([np.zeros(len(z)), z]) if z.shape[1] == 1 else z
    Y = np.eye(z.shape[1])[y] if y.ndim == 1 else y
    ridge = 0.5 * np.sum(penalised * model.coef_**2) / C
    return (weights @ losses(z, Y) + ridge) / weights.sum()


def optimum(X, y, C, weights=None, intercept=True, k=None):
    """F*, by Newton's method with the full Hessian in the row space."""
    n = len(X)
    weights = np.ones(n) if weights is None else weights
    Y = y if y.ndim == 2 else np.eye(k or y.max() + 1)[y]
    k, share = Y.shape[1], weights / weights.sum()
    X = np.asarray(X, float)
    X = X - share @ X if intercept else X
    U, sizes, _ = np.linalg.svd(X, full_matrices=False)
    kept = sizes > 1e-13 * sizes[0]
    A = np.column_stack([U[:, kept] * sizes[kept], np.ones((n, int(intercept)))])
    # one logit is the difference of two, whose penalty is half of its own
    halved = 2 if k == 2 else 1
    ridge = np.full(A.shape[1], halved / (C * weights.sum()))
    ridge[kept.sum() :] = 0

    def f(theta):
        return share @ losses(A @ theta.T, Y) + 0.5 * np.sum(ridge * theta**2)

    theta = np.zeros((k, A.shape[1]))
    for _ in range(300):
        z = A @ theta.T
        P = np.exp(z - z.max(axis=1, keepdims=True))
        P /= P.sum(axis=1, keepdims=True)
        error = P - Y
        certain = Y == 1  # whose error is what the others are probable
        others = np.where(certain, 0, P).sum(axis=1)
        error[certain] = -others[certain.any(axis=1)]
        gradient = (share[:, None] * error).T @ A + ridge * theta
        curved = np.einsum("na,ab->nab", P, np.eye(k)) - np.einsum("na,nb->nab", P, P)
        H = np.einsum("n,nab,ni,nj->aibj", share, curved, A, A, optimize=True)
        H = H.reshape(theta.size, -1) + np.diag(np.tile(ridge, k))
        scales = 1 / np.sqrt(np.diag(H))
        step = linalg.lstsq(H * scales * scales[:, None], -gradient.ravel() * scales, 1e-15)[0]
        step = (step * scales).reshape(theta.shape)
        slope, t, here = np.sum(gradient * step), 1.0, f(theta)
        while f(theta + t * step) > here + 1e-4 * t * slope and t > 1e-9:
            t /= 2
        theta = theta + t * step
        if -slope < 1e-12 * here:
            break
    return f(theta)


def assert_optimal(model, X, y, C, **more):
    right = optimum(X, y, C, **more)
    more.pop("k", None)
    more.pop("intercept", None)
    assert value(model, X, y, C, **more) == pytest.approx(right, rel=3e-6)
    assert model.objective_ == pytest.approx(right, rel=3e-6)


@pytest.fixture
def spaces(monkeypatch):
    """The row spaces that fits make."""
    made = []

    def row_space_of(*args):
        made.append(penalty.row_space_of(*args))
        return made[-1]

    monkeypatch.setattr(_problem, "row_space_of", row_space_of)
    return made


def test_twenty_rows_of_660_features():
    """It ended at its start: F 1.096, accuracy 0.35."""
    X, y = np.random.default_rng(0).normal(size=(20, 660)), np.arange(20) % 3
    model = SoftmaxRegression(C=1e6).fit(X, y)
    assert model.converged_ and model.score(X, y) == 1
    assert model.objective_ == pytest.approx(1.96225745e-7, rel=2e-6)
    assert_optimal(model, X, y, 1e6)


def test_features_that_are_0():
    """It converged 5 % too high."""
    X, y = np.random.default_rng(0).normal(size=(20, 660)), np.arange(20) % 3
    X[:, 60:] = 0
    model = SoftmaxRegression(C=1e6, fit_intercept=False).fit(X, y)
    assert model.converged_ and (model.coef_[:, 60:] == 0).all()
    assert_optimal(model, X, y, 1e6, intercept=False)


@pytest.mark.parametrize("C", [1e-3, 1.0, 1e3, 1e5, 1e6, 1e8])
@pytest.mark.parametrize(
    ("n", "d", "k"), [(8, 768, 2), (16, 768, 2), (32, 768, 2), (24, 1024, 3), (40, 768, 5)]
)
def test_the_optimum_for_any_strength_of_the_penalty(n, d, k, C):
    X, y = problem(n, d, k)
    for intercept in (True, False):
        model = SoftmaxRegression(C=C, fit_intercept=intercept).fit(X, y)
        assert model.converged_
        assert_optimal(model, X, y, C, intercept=intercept)


def test_a_weak_penalty_takes_few_newton_iterations():
    """A step goes as far as the loss falls, which is exponential along it."""
    X, y = problem(16, 768, 2)
    for C, most in ((1.0, 5), (1e3, 7), (1e8, 12)):
        model = SoftmaxRegression(C=C).fit(X, y)
        assert model.certified_ and model.n_iter_ <= most
        assert_optimal(model, X, y, C)


@pytest.mark.parametrize("C", [1e-3, 1.0, 1e6])
@pytest.mark.parametrize(("d", "used"), [(39, False), (40, True), (61, True)])
def test_from_twice_as_many_features_as_rows(d, used, C, spaces):
    X, y = problem(20, d, 3)
    model = SoftmaxRegression(C=C).fit(X, y)
    assert model.certified_ and (spaces[0] is not None) == used
    assert_optimal(model, X, y, C)


FORMS = {
    "float64": lambda X: X,
    "float32": lambda X: X.astype(np.float32),
    "float16": lambda X: X.astype(np.float16),
    "uint8": lambda X: np.clip(np.round(X * 40 + 128), 0, 255).astype(np.uint8),
    "Fortran's order": np.asfortranarray,
    "every second column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "CSR": lambda X: sparse.csr_array(np.where(abs(X) > 0.5, X, 0)),
    "CSR, float32": lambda X: sparse.csr_array(np.where(abs(X) > 0.5, X, 0).astype("f4")),
}


def table(X):
    return (X.toarray() if sparse.issparse(X) else X).astype(float)


@pytest.mark.parametrize("C", [1.0, WEAK])
@pytest.mark.parametrize("form", FORMS)
def test_every_kind_of_X(form, C, spaces, monkeypatch):
    monkeypatch.setattr("fastsoftmax._linear.problem.rows.dense_if_small", lambda X: X)
    X, y = problem(24, 1024, 3)
    X = FORMS[form](X)
    model = SoftmaxRegression(C=C).fit(X, y)
    assert_optimal(model, table(X), y, C)
    blocks = Blocks([(X[:9], y[:9]), (X[9:], y[9:])])
    assert_optimal(SoftmaxRegression(C=C).fit(blocks), table(X), y, C)
    assert len(spaces) == 2 and None not in spaces


@pytest.mark.parametrize("C", [1.0, WEAK])
def test_every_kind_of_target(C):
    X, _ = problem(20, 660, 3)
    rng = np.random.default_rng(1)
    weights = rng.uniform(0, 2, 20) * (np.arange(20) % 4 > 0)
    P = rng.dirichlet(np.ones(4), 20)
    model = SoftmaxRegression(C=C).fit(X, P, weights)
    assert_optimal(model, X, P, C, weights=weights)
    counts = rng.integers(1, 5, (20, 3))
    events = counts.sum(axis=1)
    model = SoftmaxRegression(C=C).fit(X, counts)
    assert_optimal(model, X, counts / events[:, None], C, weights=events.astype(float))
    labels = rng.integers(0, 2, (20, 4))
    model = LogisticRegression(C=C).fit(X, labels)
    right = sum(optimum(X, column, C) for column in labels.T)
    assert model.objective_ == pytest.approx(right, rel=3e-6)


def test_rows_of_weight_0_have_no_say():
    X, y = problem(20, 660, 3)
    weights = np.ones(20)
    weights[[3, 7, 11]] = 0
    wild = X.copy()
    wild[[3, 7, 11]] *= 1e8
    for C in (1.0, WEAK):
        model = SoftmaxRegression(C=C).fit(wild, y, weights)
        assert_optimal(model, X[weights > 0], y[weights > 0], C)
        without = SoftmaxRegression(C=C).fit(X[weights > 0], y[weights > 0])
        np.testing.assert_allclose(model.coef_, without.coef_, atol=1e-4 * abs(model.coef_).max())


@pytest.mark.parametrize("C", [1.0, 1e4])
def test_rows_that_depend_on_others(C, spaces):
    """Repeated rows, of the same label and of others, empty ones and sums."""
    X, y = problem(20, 660, 3)
    X = np.vstack([X, X[:7], X[:3], np.zeros((2, 660)), X[4:5] - X[9:10] + X[2:3]])
    y = np.r_[y, y[:7], (y[:3] + 1) % 3, 0, 0, 1]
    for intercept in (True, False):
        model = SoftmaxRegression(C=C, fit_intercept=intercept).fit(X, y)
        assert_optimal(model, X, y, C, intercept=intercept)
        rank = np.linalg.matrix_rank(X - intercept * X.mean(axis=0))
        assert spaces.pop().rows.shape == (33, rank)


@pytest.mark.parametrize("factor", [1e3, 1e6, 1e12])
def test_a_feature_far_larger_than_the_others(factor):
    """XXᵀ does not tell the others: the basis is Householder's. From 1e5 on, about, the feature's
    weight is free of any penalty to speak of, and the oracle's singular values are exact enough."""
    X, y = problem(20, 660, 3)
    large, enough = X.copy(), X.copy()
    large[:, 5] *= factor
    enough[:, 5] *= min(factor, 1e5)
    model = SoftmaxRegression(C=1.0).fit(large, y)
    right = optimum(enough, y, 1.0)
    assert model.objective_ == pytest.approx(right, rel=2e-6)
    assert value(model, large, y, 1.0) == pytest.approx(right, rel=1e-5)


def test_means_far_above_the_deviations():
    X, y = problem(20, 660, 3)
    model = SoftmaxRegression(C=100.0).fit(X + 1e6, y)
    assert model.objective_ == pytest.approx(optimum(X, y, 100.0), rel=3e-6)


def exact_value(coef, intercept, X, y, C, precision=50):
    """F of a model, to all digits."""
    with mpmath.workdps(precision):
        coef, X = mpmath.matrix(coef.tolist()), mpmath.matrix(X.tolist())
        total = mpmath.fsum(w**2 for w in coef) / (2 * mpmath.mpf(C))
        Z = X * coef.T
        for i, label in enumerate(y):
            z = [Z[i, j] + mpmath.mpf(float(b)) for j, b in enumerate(intercept)]
            z = [mpmath.mpf(0), *z] if len(z) == 1 else z
            total += mpmath.log(mpmath.fsum(map(mpmath.exp, z))) - z[label]
        return float(total / len(y))


@pytest.mark.parametrize("general", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("C", [1.0, 1e3, 1e6])
@pytest.mark.parametrize(("n", "d", "k", "share"), [(4, 8, 2, 1e-3), (6, 12, 3, 1e-4)])
def test_F_is_that_of_the_weights_where_features_nearly_are_equal(
    n, d, k, share, C, intercept, general
):
    """From XXᵀ alone it was that of other weights: 8e-9 of F off, and no bound held."""
    rng = np.random.default_rng([n, d, k])
    X, y = rng.normal(size=(n, d)), np.arange(n) % k
    X[:, 1:] = X[:, :1] + share * X[:, 1:]
    X *= 100
    callback = (lambda state: None) if general else None
    model = SoftmaxRegression(C, fit_intercept=intercept).fit(X, y, callback=callback)
    right = exact_value(model.coef_, model.intercept_, X, y, C)
    assert model.certified_ and model.objective_ == pytest.approx(right, rel=5e-12)
    proof = certify(model.coef_, model.intercept_, X, y, C=C, fit_intercept=intercept)
    assert proof.certified and proof.objective == pytest.approx(right, rel=5e-12)


def test_units_of_the_penalty():
    X, y = problem(20, 660, 3)
    factors = np.random.default_rng(0).uniform(0.1, 10, 660)
    model = SoftmaxRegression(C=WEAK, penalty_factor=factors, feature_scale=0.5).fit(X, y)
    assert model.objective_ == pytest.approx(optimum(0.5 * X / np.sqrt(factors), y, WEAK), rel=3e-6)
    model = SoftmaxRegression(C=10.0, standardize=True).fit(X * np.arange(1, 661), y)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    assert model.objective_ == pytest.approx(optimum(Z, y, 10.0), rel=3e-6)


def test_where_the_optimum_is_not_in_the_row_space(spaces):
    X, y = problem(20, 200, 3)
    factors = np.ones(200)
    factors[0] = 0
    SoftmaxRegression(penalty_factor=factors).fit(X, y)
    assert spaces == [None]
    SoftmaxRegression(l1_ratio=0.5).fit(X, y)
    SoftmaxRegression(l1_ratio=1.0).fit(X, y)
    assert spaces == [None]  # not asked for


def test_separable_without_a_penalty():
    X, y = problem(20, 660, 3)
    with pytest.warns(match="separable"):
        model = SoftmaxRegression(C=np.inf).fit(X, y)
    assert not model.converged_ and model.score(X, y) == 1


def test_probabilities_without_a_penalty_have_an_optimum():
    X, _ = problem(20, 660, 3)
    P = np.random.default_rng(1).dirichlet(np.ones(4), 20)
    model = SoftmaxRegression(C=np.inf).fit(X, P)
    entropy = -np.mean(np.sum(P * np.log(P), axis=1))
    assert model.converged_ and model.objective_ == pytest.approx(entropy, rel=1e-6)


def test_the_gradient_that_is_reported_is_that_of_all_features():
    X, y = problem(20, 660, 3)
    X = X + 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = SoftmaxRegression(C=10.0, max_iter=2).fit(X, y)
    P = model.predict_proba(X) - np.eye(3)[y]
    by_W = P.T @ X / 20 + model.coef_ / (10 * 20)
    right = max(abs(by_W).max(), abs(P.mean(axis=0)).max())
    assert model.grad_norm_ == pytest.approx(right, rel=1e-6)


def test_warm_start():
    X, y = problem(20, 660, 3)
    model = SoftmaxRegression(C=1.0, warm_start=True).fit(X + 5, y)
    first = model.n_iter_
    model.fit(X + 5, y)
    assert model.n_iter_ <= first // 2
    assert model.objective_ == pytest.approx(optimum(X, y, 1.0), rel=3e-6)
    # from a model outside of the row space
    model.coef_ = model.coef_ + np.random.default_rng(0).normal(size=model.coef_.shape)
    model.fit(X + 5, y)
    assert_optimal(model, X + 5, y, 1.0)


@pytest.mark.parametrize("k", [2, 3])
def test_cross_validation_has_one_basis(k, spaces):
    X, y = problem(30, 660, k)
    y[:12] = np.arange(12) % k
    tests = [np.arange(i, 30, 3) for i in range(3)]
    folds = [(np.setdiff1d(np.arange(30), test), test) for test in tests]
    Cs = [1e-2, 1.0, 1e4]
    model = SoftmaxRegressionCV(Cs=Cs, cv=folds, fold_tol=1e-8).fit(X, y)
    assert len(spaces) == 1 and spaces[0] is not None
    for i, (train, test) in enumerate(folds):
        for j, C in enumerate(Cs):
            right = optimum(X[train], y[train], C, k=k)
            assert model.fold_objectives_[i, j] == pytest.approx(right, rel=3e-6)
            alone = SoftmaxRegression(C=C, tol=1e-10).fit(X[train], y[train])
            P = alone.predict_proba(X[test])[np.arange(len(test)), y[test]]
            assert model.scores_[i, j] == pytest.approx(np.mean(np.log(P)), rel=1e-3)
    assert model.fold_iterations_.max() <= 20 or k > 2  # Newton's method, of folds together
    assert_optimal(model, X, y, model.C_)


@pytest.mark.parametrize("scale", [1e-160, 1e160])
def test_values_whose_squares_are_no_numbers_are_left_to_other_ways(scale):
    X, _ = problem(10, 100, 2)
    with np.errstate(over="ignore", invalid="ignore"):
        assert row_space(DenseData(X * scale, 1), None, True, 1e9) is None


@pytest.mark.parametrize("large", [1.0, 1e8])
@pytest.mark.parametrize("kind", ["dense", "sparse", "blocks"])
@pytest.mark.parametrize("centred", [False, True])
def test_rows_and_basis(kind, large, centred):
    """X = centre + R Q with orthonormal Q, and the way there and back."""
    X, _ = problem(15, 90, 2)
    X[3] = X[1]
    X[:, 7] *= large
    weights = np.random.default_rng(0).uniform(1, 2, 15)
    weights[6] = 0
    if kind == "sparse":
        data = SparseData(sparse.csr_array(X), 1)
    elif kind == "dense":
        data = DenseData(X, 1)
    else:
        data = DenseBlocks(lambda: [X[:4], X[4:]], X.shape, X.dtype, X.nbytes, 1)
    rows, centre, spread, basis = row_space(data, weights, centred, 1e9)
    np.testing.assert_allclose(centre, centred * np.average(X, axis=0, weights=weights), atol=1e-7)
    rank = 13 - centred  # two rows are equal, one does not count
    Q = basis.expand(np.eye(rank))
    assert rows.shape == (15, rank) and rows.dtype == np.float64
    np.testing.assert_allclose(Q @ Q.T, np.eye(rank), atol=1e-11)
    used = weights > 0
    error = rows.X @ Q + centre - X
    assert (np.abs(error[used]) <= 1e-12 * np.abs(X).max(axis=0)).all()
    assert np.abs(error[~used] @ Q.T).max() < 1e-11 * np.abs(X).max()
    V = np.random.default_rng(1).normal(size=(4, rank))
    np.testing.assert_allclose(basis.project(basis.expand(V)), V, atol=1e-9)
    W, deviations = basis.expand(V), np.sqrt(np.average((X - centre) ** 2, 0, weights))
    assert (basis.sizes(V, spread) >= (1 - 1e-12) * np.abs(W) @ deviations).all()
    assert (basis.sizes(V, centre) >= (1 - 1e-12) * np.abs(W) @ np.abs(centre)).all()
