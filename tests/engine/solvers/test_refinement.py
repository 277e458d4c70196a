"""Proofs where the Hessian has lost the digits that they need: right values, certified."""

import mpmath
import numpy as np
import pytest
from scipy import sparse

import fastsoftmax
from fastsoftmax import Blocks, SoftmaxRegression

N = 40
MEAN = 1e8  # deviations


def problem(seed):
    """Two features of which the difference tells the class."""
    r = np.random.default_rng(seed)
    X = MEAN + r.normal(size=(N, 2))
    return X, (X[:, 0] - X[:, 1] + 0.5 * r.normal(size=N) > 0).astype(int)


class Exact:
    """F of two weights of the signs +, -, in 50 digits."""

    def __init__(self, X, y, lasso, ridge):
        signs = np.where(y, 1.0, -1.0)
        self.rows = [[mpmath.mpf(x) for x in row] for row in (X * signs[:, None]).tolist()]
        self.lasso, self.ridge = lasso, ridge

    def value(self, w):
        with mpmath.workdps(50):
            losses = [mpmath.log1p(mpmath.exp(-mpmath.fdot(row, w))) for row in self.rows]
            penalty = self.lasso * (w[0] - w[1]) + self.ridge / 2 * mpmath.fdot(w, w)
            return mpmath.fsum(losses) / N + penalty

    def derivatives(self, w):
        q = [1 / (1 + mpmath.exp(mpmath.fdot(row, w))) for row in self.rows]
        first, second = (list(column) for column in zip(*self.rows, strict=True))
        columns = first, second
        g = [-mpmath.fdot(q, column) / N + self.ridge * w[i] for i, column in enumerate(columns)]
        H = mpmath.diag([self.ridge] * 2)
        for i, a in enumerate(columns):
            for j, b in enumerate(columns):
                H[i, j] += (
                    mpmath.fsum(p * (1 - p) * x * z for p, x, z in zip(q, a, b, strict=True)) / N
                )
        return [g[0] + self.lasso, g[1] - self.lasso], H

    def minimum(self):
        """By Newton's method."""
        with mpmath.workdps(50):
            w = [mpmath.mpf(1), mpmath.mpf(-1)]
            for _ in range(100):
                g, H = self.derivatives(w)
                step = mpmath.lu_solve(H, mpmath.matrix(g))
                decrease = mpmath.fdot(step, g)
                if decrease < 1e-30:
                    assert w[0] > 0 > w[1]
                    return self.value(w)
                before, t = self.value(w), mpmath.mpf(1)
                while (
                    self.value([a - t * b for a, b in zip(w, step, strict=True)])
                    > before - t * decrease / 10
                ):
                    t /= 2
                w = [a - t * b for a, b in zip(w, step, strict=True)]
        raise AssertionError("no minimum within 100 iterations")


@pytest.mark.parametrize("form", ["dense", "blocks", "sparse", "float32"])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_large_means_without_an_intercept(form, l1_ratio):
    """Some were not proved, and took four times as many iterations."""
    for seed in range(3):
        X, y = problem(seed)
        if form == "float32":
            X = (X - MEAN + 2.0**17).astype(np.float32)
        given = sparse.csr_array(X) if form == "sparse" else X
        blocks = Blocks([(X[:25], y[:25]), (X[25:], y[25:])])
        model = SoftmaxRegression(l1_ratio=l1_ratio, fit_intercept=False)
        model.fit(blocks) if form == "blocks" else model.fit(given, y)
        exact = Exact(X, y, l1_ratio / N, (1 - l1_ratio) / N)
        best = exact.minimum()
        assert model.certified_ and model.gap_bound_ <= 1e-6 * best
        assert model.n_iter_ <= 15
        gap = exact.value([mpmath.mpf(w) for w in model.coef_[0].tolist()]) - best
        again = fastsoftmax.certify(
            model.coef_, model.intercept_, X, y, C=1.0, l1_ratio=l1_ratio, fit_intercept=False
        )
        assert 0 <= gap <= again.gap_bound <= 1e-6 * best
        assert gap <= model.gap_bound_
