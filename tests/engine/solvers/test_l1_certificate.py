"""Certificates of L1 and elastic net fits, against lower bounds of F* in plain NumPy.

For any probabilities a at which the gradient by the intercepts is 0 weak duality bounds F* from
below, whoever found them: here at the model of a fit to a much smaller tolerance.
"""

import warnings

import numpy as np
import pytest
from scipy import sparse

from fastsoftmax import Blocks, LogisticRegression, SoftmaxRegression
from fastsoftmax._engine.data import data_of
from fastsoftmax._engine.linalg import ClassFactors
from fastsoftmax._engine.objective import Objective, Observations, Penalty, start_of
from fastsoftmax._engine.solvers import certificate
from fastsoftmax._engine.solvers.base import Options
from fastsoftmax._engine.solvers.proximal_newton import minimize_proximal

TOL = 1e-6


def fit(X, y, s=None, *, classifier=SoftmaxRegression, **params):
    """A model, whether or not it converges."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return classifier(**params).fit(X, y, s)


class Problem:
    """F and its lower bounds for one label a row, in extended precision."""

    def __init__(self, X, y, s=None, *, C, l1_ratio, fit_intercept=True):
        self.given, self.y, self.s = X, y, s
        self.params = {"C": C, "l1_ratio": l1_ratio, "fit_intercept": fit_intercept}
        dense = X.toarray() if sparse.issparse(X) else X
        s = np.ones(len(y)) if s is None else s
        self.X = dense[s > 0].astype(np.longdouble)
        self.share = (s[s > 0] / s.sum()).astype(np.longdouble)[:, None]
        self.Y = (y[s > 0, None] == np.unique(y)).astype(float)
        self.lam, self.mu = l1_ratio / (C * s.sum()), (1 - l1_ratio) / (C * s.sum())

    def fit(self, **params):
        return fit(self.given, self.y, self.s, **self.params, **params)

    def best_lower_bound(self):
        """At the optimum, as far as fits that go on from each other reach it."""
        bounds = [self.lower_bound(self.fit(tol=1e-10))]
        model = SoftmaxRegression(tol=1e-14, warm_start=True, **self.params)
        for _ in range(3):
            with warnings.catch_warnings(action="ignore"):
                model.fit(self.given, self.y, self.s)
            bounds.append(self.lower_bound(model))
        return max(bounds)

    def at(self, model):
        """Weights (D, K), logits and p - y, with a row of zeros for the first of two classes."""
        W, b = model.coef_.T.astype(np.longdouble), model.intercept_.astype(np.longdouble)
        z = self.X @ W + b
        if W.shape[1] == 1:
            z = np.column_stack([0 * z, z])
        z -= z.max(axis=1, keepdims=True)
        error = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        error[self.Y == 1] = 0
        error[self.Y == 1] = -error.sum(axis=1)
        return W, z, error

    def objective(self, model):
        W, z, _ = self.at(model)
        wrong = np.exp(z - z[self.Y == 1][:, None])
        wrong[self.Y == 1] = 0
        losses = np.log1p(wrong.sum(axis=1))
        penalty = self.lam * np.abs(W).sum() + self.mu / 2 * (W**2).sum()
        return (self.share[:, 0] * losses).sum() + penalty

    def lower_bound(self, model):
        """Of F*, at probabilities that the intercepts make optimal."""
        _, z, pull = self.at(model)
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        if self.params["fit_intercept"]:
            H = np.diag((self.share * p).sum(axis=0)) - (self.share * p).T @ p
            for _ in range(5):
                sums = (self.share * pull).sum(axis=0)
                step = -np.linalg.lstsq(H.astype(float), sums.astype(float), rcond=1e-14)[0]
                pull = pull + p * (step - (p * step).sum(axis=1, keepdims=True))
        v = (self.X.T @ (self.share * pull))[:, -len(model.coef_) :]
        if self.mu:
            conjugate = (np.maximum(np.abs(v) - self.lam, 0) ** 2).sum() / (2 * self.mu)
        else:
            conjugate, pull = 0.0, pull / max(1, np.abs(v).max() / self.lam)
        a = self.Y + pull
        assert (a >= -1e-16).all()
        a = np.maximum(a, 0)
        entropy = -(self.share * np.where(a > 0, a * np.log(np.where(a > 0, a, 1)), 0)).sum()
        return float(entropy - conjugate)


def problem(seed, *, n=None, d=None, k=None, C=None, l1_ratio=None):
    """A random one."""
    rng = np.random.default_rng(seed)
    n, d, k = n or int(rng.integers(10, 120)), d or int(rng.integers(3, 90)), k or seed % 4 + 2
    X = rng.normal(size=(n, d)) * np.exp(rng.normal(size=d))
    is_sparse, weighted = rng.random(2) < 0.4
    X = X * (rng.random((n, d)) < 0.5) if is_sparse else X
    X = X.astype(rng.choice(["f4", "f8"]))
    y = np.argmax(X[:, :3] @ rng.normal(size=(3, k)) + rng.gumbel(size=(n, k)), axis=1)
    y[:k] = np.arange(k)
    s = rng.integers(0, 3, n) * 0.7 if weighted else None
    if s is not None:
        s[:k] = 1
    return Problem(
        sparse.csr_array(X) if is_sparse else X, y, s,
        C=C or 10 ** rng.uniform(-2, 7), l1_ratio=l1_ratio or rng.choice([0.01, 0.5, 0.9, 1.0]),
        fit_intercept=rng.random() < 0.8,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_converged_fits_are_proved(seed):
    given = problem(seed)
    model = given.fit(tol=TOL)
    F = float(given.objective(model))
    assert model.converged_
    assert np.isclose(model.objective_, F, rtol=1e-9)
    assert model.gap_bound_ <= TOL * F
    assert F - given.best_lower_bound() <= TOL * (1 + 1e-3) * F


@pytest.mark.parametrize("seed", range(40, 60))
def test_bound_holds_all_along(seed):
    given = problem(seed)
    least = float(given.objective(given.fit(tol=1e-12)))
    for max_iter in (1, 2, 3, 5):
        model = given.fit(tol=1e-12, max_iter=max_iter)
        F = float(given.objective(model))
        assert F - least <= model.gap_bound_ + 1e-11 * F


@pytest.mark.parametrize("l1_ratio", [0.1, 1.0])
@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("off", [0.3, 10.0, 100.0])
def test_bound_holds_with_intercepts_far_off(k, l1_ratio, off):
    given = problem(7, n=80, d=10, k=k, C=1.0, l1_ratio=l1_ratio)
    given.params["fit_intercept"] = True
    best = given.fit(tol=1e-12)
    least = float(given.objective(best))
    model = SoftmaxRegression(**given.params, tol=1e-12, max_iter=1, warm_start=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(given.given, given.y, given.s)
        for coef in (best.coef_, 0 * best.coef_):
            model.coef_, model.intercept_ = (
                coef.copy(),
                best.intercept_ + off * np.arange(k)[: len(coef)],
            )
            model.fit(given.given, given.y, given.s)
            F = float(given.objective(model))
            assert model.gap_bound_ <= F * (1 + 1e-12)
            assert F - least <= model.gap_bound_ + 1e-11 * least


@pytest.mark.parametrize("C", [1e-3, 1.0, 1e4, 1e5, 1e6, 1e8])
def test_pure_l1_of_separable_classes_has_an_optimum(C):
    X = np.random.default_rng(0).normal(size=(200, 500))
    y = (X[:, :5].sum(axis=1) > 0).astype(int)
    given = Problem(X, y, C=C, l1_ratio=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = LogisticRegression(C=C, l1_ratio=1.0).fit(X, y)
    F = float(given.objective(model))
    assert model.converged_
    assert model.gap_bound_ <= TOL * F
    tight = given.fit(tol=1e-13)
    assert F - given.lower_bound(tight) <= TOL * (1 + 1e-3) * F


@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
@pytest.mark.parametrize("classes", [(0, 1, 2), (0, 1), (0,)])
@pytest.mark.parametrize("dtype", ["f4", "f8", "u1"])
def test_classes_without_weight(classes, l1_ratio, dtype):
    rng = np.random.default_rng(1)
    X = np.round(rng.normal(size=(60, 5)) * 10 + 100).astype(dtype)
    y = np.arange(60) % 4
    s = np.isin(y, classes) * 1.0
    model = SoftmaxRegression(C=1.0, l1_ratio=l1_ratio).fit(X, y, s)
    assert model.converged_
    assert np.abs(model.intercept_).max() <= 1e3
    without = np.delete(model.predict_proba(X), classes, axis=1)
    assert without.max() <= 1e-20
    if len(classes) == 3:
        kept = np.isin(y, classes)
        same = SoftmaxRegression(C=1.0, l1_ratio=l1_ratio).fit(X[kept], y[kept])
        assert np.isclose(model.objective_, same.objective_, rtol=2e-6)


def test_one_class_alone_has_weight():
    X, y = np.random.default_rng(0).normal(size=(30, 4)), np.arange(30) % 2
    for l1_ratio in (0.5, 1.0):
        model = SoftmaxRegression(l1_ratio=l1_ratio).fit(X, y, 1.0 * (y == 0))
        assert model.converged_
        assert model.objective_ <= 1e-13


@pytest.mark.parametrize("is_sparse", [False, True])
def test_several_labels(is_sparse):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 20)) * (rng.random((80, 20)) < 0.5)
    Y = (X[:, :3] + rng.logistic(size=(80, 3)) > 0).astype(int)
    given = sparse.csr_array(X) if is_sparse else X
    for l1_ratio in (0.5, 1.0):
        model = LogisticRegression(C=10.0, l1_ratio=l1_ratio).fit(given, Y)
        assert model.converged_
        total = sum(
            LogisticRegression(C=10.0, l1_ratio=l1_ratio, tol=1e-10).fit(X, Y[:, k]).objective_
            for k in range(3)
        )
        assert total * (1 - 1e-9) <= model.objective_ <= total * (1 + TOL)


@pytest.mark.parametrize("l1_ratio", [0.3, 1.0])
def test_soft_targets_and_offsets(l1_ratio):
    rng = np.random.default_rng(3)
    X, P = rng.normal(size=(90, 12)), rng.dirichlet([0.3] * 3, size=90)
    offset = rng.normal(size=(90, 3))
    params = {"C": 50.0, "l1_ratio": l1_ratio}
    tight = fit_with(X, P, offset, tol=1e-11, **params)
    assert tight.converged_
    model = fit_with(X, P, offset, **params)
    assert model.converged_
    assert tight.objective_ <= model.objective_ * (1 + 1e-11)
    assert model.objective_ <= tight.objective_ * (1 + TOL)
    for max_iter in (1, 2):
        early = fit_with(X, P, offset, max_iter=max_iter, tol=1e-12, **params)
        assert early.objective_ - tight.objective_ <= early.gap_bound_ + 1e-11


def fit_with(X, P, offset, **params):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SoftmaxRegression(**params).fit(X, P, offset=offset)


@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_float32_as_float64(l1_ratio):
    """Large means, and values whose squares overflow in float32."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(600, 3))
    y = np.argmax(Z @ rng.normal(size=(3, 3)) * 1.5 + rng.gumbel(size=(600, 3)), axis=1)
    far, large = (Z + 2e6).astype("f4"), (Z * 3e18).astype("f4")
    for X, C in ((far, 1e3), (large, 1e-15)):
        wide = fit(X.astype(float), y, C=C, l1_ratio=l1_ratio, tol=1e-9)
        blocks = Blocks([(X[:256], y[:256]), (X[256:], y[256:])])
        for given, targets in ((X, y), (blocks, None)):
            model = fit(given, targets, C=C, l1_ratio=l1_ratio)
            assert model.converged_
            assert np.isclose(model.objective_, wide.objective_, rtol=2e-6)


def test_unconverged_fits_name_the_bound():
    given = problem(5, n=40, d=30, k=3, C=10.0, l1_ratio=1.0)
    with pytest.warns(UserWarning, match=r"at most \d\.\de-\d+ above the optimum"):
        SoftmaxRegression(**given.params, max_iter=2).fit(given.given, given.y, given.s)


def test_factors_of_matrices_that_are_not_finite():
    for value in (np.inf, np.nan, 1e300):
        M = np.array([[[4.0, value], [value, 9.0]], [[2.0, 1.0], [1.0, 2.0]]])
        right = np.array([[4.0, 9.0], [3.0, 3.0]])
        (solved,) = ClassFactors(M, 1).solve(right)
        assert np.allclose(solved, [[1.0, 1.0], [1.0, 1.0]])


def test_what_the_penalty_proves_holds_where_the_hessian_shows_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    y = (X @ rng.normal(size=(4, 3))).argmax(axis=1)
    given = Problem(X, y, C=100.0, l1_ratio=1.0)
    rows = Observations(data_of(X, 1), y.astype(np.int32), 3)
    o = Objective(rows, Penalty(100.0, 1.0), fit_intercept=True)
    theta = minimize_proximal(o, start_of(o), Options(1e-6, 100)).theta
    monkeypatch.setattr(certificate, "unseen_gain", lambda *args: np.inf)
    proved = certificate.certify(o, theta, np.zeros_like(theta), 1e-13)
    assert proved.rounding == np.inf
    assert proved.value - given.best_lower_bound() <= proved.bound <= 0.01 * proved.value
