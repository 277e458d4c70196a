"""Multinomial logit by other means: Newton's method of 40 digits, complex steps, plain sums.

Coefficients B (m, q) are of the classes after the first one, of terms U (n, q).
"""

import mpmath
import numpy as np

H = 1e-30  # of complex steps, which have no rounding


def probabilities(B, U, offset=0.0):
    """Of all classes, (n, K); complex B gives complex ones."""
    z = np.concatenate([np.zeros((len(U), 1)), U @ B.T], axis=1) + offset
    e = np.exp(z - z.real.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def scores(B, U, Y, offset=0.0):
    """Gradients of the rows' log-likelihoods: (n, m·q)."""
    R = (Y - probabilities(B, U, offset))[:, 1:]
    return (R[:, :, None] * U[:, None]).reshape(len(U), -1)


def by_complex_steps(function, B):
    """Derivatives of a real function of B, (..., m·q)."""
    steps = (1j * H * row.reshape(B.shape) for row in np.eye(B.size))
    return np.stack([function(B + step).imag / H for step in steps], axis=-1)


def covariance(B, U, Y, weights=None, offset=0.0, cov_type="nonrobust", groups=None):
    """That of B.ravel(), of rows whose weights are frequencies."""
    w = np.ones(len(U)) if weights is None else weights
    information = -by_complex_steps(lambda C: w @ scores(C, U, Y, offset), B)
    inverse = np.linalg.inv(information)
    if cov_type == "nonrobust":
        return inverse
    S, n, p = scores(B, U, Y, offset), w.sum(), B.size
    if cov_type == "cluster":
        totals = [w[groups == g] @ S[groups == g] for g in np.unique(groups)]
        factor = len(totals) / (len(totals) - 1) * (n - 1) / (n - p)
        meat = factor * sum(np.outer(t, t) for t in totals)
    else:
        meat = sum(v * np.outer(s, s) for v, s in zip(w, S, strict=True))
        meat = meat * (n / (n - p) if cov_type == "HC1" else 1)
    return inverse @ meat @ inverse


def delta_method(effects, B, V):
    """Effects of B, (D, K), and their standard errors for the covariance V."""
    J = by_complex_steps(effects, B)
    return effects(B).real, np.sqrt(np.einsum("dkp,pr,dkr->dk", J, V, J))


def exact_maximum(B, U, codes, digits=40):
    """The maximum of the likelihood and its standard errors, with this many digits, from near it;
    both as floats."""
    m, q = B.shape
    with mpmath.workdps(digits):
        rows = [[mpmath.mpf(float(v)) for v in row] for row in U]
        C = [[mpmath.mpf(float(v)) for v in row] for row in B]
        for _ in range(4):
            gradient, information = mpmath.zeros(m * q, 1), mpmath.zeros(m * q)
            for u, code in zip(rows, codes, strict=True):
                e = [mpmath.exp(mpmath.fdot(c, u)) for c in C]
                total = 1 + mpmath.fsum(e)
                p = [v / total for v in e]
                for k in range(m):
                    residual = (code == k + 1) - p[k]
                    for a in range(q):
                        gradient[k * q + a] += residual * u[a]
                    for other in range(k + 1):
                        curvature = p[k] * ((k == other) - p[other])
                        for a in range(q):
                            part = curvature * u[a]
                            for b in range(q):
                                information[k * q + a, other * q + b] += part * u[b]
            for i in range(m * q):
                for j in range(i):
                    information[j, i] = information[i, j]
            inverse = information**-1
            step = inverse * gradient
            C = [[C[k][a] + step[k * q + a] for a in range(q)] for k in range(m)]
            if max(abs(v) for v in step) < mpmath.mpf(10) ** (-digits // 2):
                break
        errors = [float(mpmath.sqrt(inverse[i, i])) for i in range(m * q)]
        return np.array([[float(v) for v in row] for row in C]), np.reshape(errors, (m, q))
