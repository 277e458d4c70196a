"""Newton's method for softmax and logistic regression in NumPy: an oracle for small problems."""

import numpy as np
from scipy.special import expit, logsumexp, xlogy


class Problem:
    """F = Σ sᵢ·CEᵢ / Σ s + ½ Σ μⱼ ‖Wⱼ‖², over tables (K, D + 1) whose last column are intercepts.

    Parameters
    ----------
    X : array of shape (n, D)
    Y : array of shape (n, K)
        Probabilities of classes, or of each logit's being on if `logistic`.
    ridge : array of shape (D,)
        μ, 0 for features that are not penalised.
    """

    def __init__(self, X, Y, ridge, weights=None, offset=0.0, intercept=True, logistic=False):
        X = np.asarray(X, float)
        self.X = np.column_stack([X, np.full(len(X), float(intercept))])
        self.Y, self.offset, self.logistic = np.asarray(Y, float), offset, logistic
        s = np.ones(len(X)) if weights is None else np.asarray(weights, float)
        self.s, self.ridge = s / s.sum(), np.append(ridge, 0.0)

    def value(self, T):
        Z = self.X @ T.T + self.offset
        if self.logistic:
            losses = np.logaddexp(0, Z) - self.Y * Z
        else:
            losses = self.Y * (logsumexp(Z, axis=1, keepdims=True) - Z)
        return float(self.s @ losses.sum(axis=1) + 0.5 * np.sum(self.ridge * T**2))

    def probabilities(self, T):
        Z = self.X @ T.T + self.offset
        return expit(Z) if self.logistic else np.exp(Z - logsumexp(Z, axis=1, keepdims=True))

    def gradient(self, T):
        return ((self.probabilities(T) - self.Y) * self.s[:, None]).T @ self.X + self.ridge * T

    def hessian(self, T):
        P, (k, size) = self.probabilities(T), T.shape
        H = np.zeros((k, size, k, size))
        for a in range(k):
            for b in range(k):
                if a == b or not self.logistic:
                    w = self.s * P[:, a] * (float(a == b) - P[:, b])
                    H[a, :, b] = (self.X * w[:, None]).T @ self.X
        np.einsum("aiai->ai", H)[:] += self.ridge
        return H.reshape(k * size, k * size)

    def minimum(self, steps=200, start=None):
        """The least F, and where: rounding hides what five steps do not lower F by."""
        T = np.zeros((self.Y.shape[1], self.X.shape[1])) if start is None else start
        value, idle = self.value(T), 0
        for _ in range(steps):
            g, H = self.gradient(T).ravel(), self.hessian(T)
            units = 1 / np.sqrt(np.maximum(np.diag(H), 1e-300))
            A = H * units[:, None] * units
            d = -units * np.linalg.lstsq(A, g * units, rcond=1e-15)[0]
            t = 1.0
            while t > 1e-12 and not self.value(T + t * d.reshape(T.shape)) <= value:
                t /= 2
            T = T + t * d.reshape(T.shape)
            before, value = value, self.value(T)
            idle = 0 if before - value > 1e-16 * value else idle + 1
            if idle == 5 or (idle and -g @ d <= 1e-16 * value):
                break
        return value, T


def kl(a, p):
    """Σ a log(a / p) of each row."""
    return (xlogy(a, a) - xlogy(a, p)).sum(axis=1)
