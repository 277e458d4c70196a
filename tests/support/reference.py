"""The oracle: what is right, in NumPy float64 and in mpmath at 50 digits."""

import mpmath
import numpy as np

from fastsoftmax._commands.plain_numpy import linear_cross_entropy_value_and_grad as plain_linear

__all__ = ["plain_linear"]

mp = mpmath.mp.clone()
mp.dps = 50


# ---- mpmath: lists of mpf, NaN-free rows with at least one finite entry


def mp_logsumexp(row):
    row = [mp.mpf(float(z)) for z in row]
    top = max(row)
    return top + mp.log(mp.fsum(mp.exp(z - top) for z in row))


def mp_softmax(row):
    row = [mp.mpf(float(z)) for z in row]
    top = max(row)
    terms = [mp.exp(z - top) for z in row]
    total = mp.fsum(terms)
    return [term / total for term in terms]


def mp_log_softmax(row):
    return [-mp_cross_entropy(row, label) for label in range(len(row))]


def mp_cross_entropy(logits, label):
    """Small losses keep their digits: the other classes are summed without the label's own 1."""
    row = [mp.mpf(z) if isinstance(z, mp.mpf) else mp.mpf(float(z)) for z in logits]
    others = [mp.exp(z - row[label]) for j, z in enumerate(row) if j != label]
    return mp.log1p(mp.fsum(others))


def mp_linear_loss_and_grad(X, W, b, y):
    """Mean loss, gradient of W and of b, rounded to float64; one row of W is one logit."""
    X, W = (np.asarray(a, dtype=np.float64) for a in (X, W))
    b = np.zeros(len(W)) if b is None else np.asarray(b, dtype=np.float64)
    if len(W) == 1:
        loss, grad_W, grad_b = mp_linear_loss_and_grad(X, *two_classes(W, b), y)
        return loss, grad_W[1:], grad_b[1:]
    loss, grads = mp.mpf(0), [[mp.mpf(0)] * (X.shape[1] + 1) for _ in W]
    for x, label in zip(X, y, strict=True):
        x = [mp.mpf(float(v)) for v in x] + [mp.mpf(1)]
        rows = [[mp.mpf(float(v)) for v in (*w, c)] for w, c in zip(W, b, strict=True)]
        z = [mp.fdot(x, w) for w in rows]
        top = max(z)
        terms = [mp.exp(v - top) for v in z]
        terms[label] = -mp.fsum(t for k, t in enumerate(terms) if k != label)
        total = mp.fsum(mp.exp(v - top) for v in z)
        loss += mp_cross_entropy(z, label)
        grads = [
            [g + t / total * v for g, v in zip(row, x, strict=True)]
            for row, t in zip(grads, terms, strict=True)
        ]
    grads = np.array([[float(g / len(X)) for g in row] for row in grads])
    return float(loss / len(X)), grads[:, :-1], grads[:, -1]


# ---- NumPy in float64


def two_classes(W, b):
    """The two-class problem that is the same as this one logit: class 0 has the logit 0."""
    return np.vstack([np.zeros_like(W), W]), np.concatenate([[0.0], b])


def one_hot(y, n_classes):
    return np.eye(n_classes)[np.asarray(y)]


def logit_loss_and_gradient(z, Y):
    """Losses of the rows of logits z against probabilities Y, and A - Y; no cancellation."""
    rows = np.arange(len(z))
    top = z.argmax(axis=1)
    e = np.exp(z - z[rows, [top]].T)
    tail = e.copy()
    tail[rows, top] = 0
    others = tail.sum(axis=1, keepdims=True)
    total = 1 + others
    rest = total - e  # what all classes but one sum to
    rest[rows, top] = others[:, 0]
    mass = Y.sum(axis=1, keepdims=True)
    away = mass - Y
    with np.errstate(invalid="ignore"):  # 0 * infinity: no probability, no loss
        far = np.where(Y > 0, Y * (z[rows, [top]].T - z), 0)
    losses = (mass * np.log1p(others))[:, 0] + far.sum(axis=1)
    return losses, (e * away - Y * rest) / total


def _as_problem(X, W, b, weights):
    X, W = (np.asarray(a, dtype=np.float64) for a in (X, W))
    b = np.zeros(len(W)) if b is None else np.asarray(b, dtype=np.float64)
    if weights is None:
        weights = np.ones(len(X))
    return X, W, b, np.asarray(weights, dtype=np.float64)


def soft_linear(X, W, b, Y, weights=None):
    """Weighted sum of losses against probabilities Y, and its gradients of W, b and X."""
    X, W, b, weights = _as_problem(X, W, b, weights)
    if len(W) == 1:
        loss, grad_W, grad_b, grad_X = soft_linear(X, *two_classes(W, b), Y, weights)
        return loss, grad_W[1:], grad_b[1:], grad_X
    losses, G = logit_loss_and_gradient(X @ W.T + b, Y)
    G = G * weights[:, None]
    return float(weights @ losses), G.T @ X, G.sum(axis=0), G @ W


def linear_bounds(X, W, b, Y, weights=None, *, eps):
    """How far rounding to eps may take the results of `soft_linear`, whatever the order of sums.

    First-order bounds (Higham 2002): a sum of n terms errs by n eps/2 of the sum of their absolute
    values, a probability by twice what its logits do, relatively.
    """
    X, W, b, weights = _as_problem(X, W, b, weights)
    if len(W) == 1:
        loss, grad_W, grad_b, grad_X = linear_bounds(X, *two_classes(W, b), Y, weights, eps=eps)
        return loss, grad_W[1:], grad_b[1:], grad_X
    (n, d), k = X.shape, len(W)
    z = X @ W.T + b
    losses, G = logit_loss_and_gradient(z, Y)
    mass = Y.sum(axis=1)
    if not np.isin(Y, (0, 1)).all():  # then p sum(t) - t cancels
        G = abs(G) + 2 * Y
    logits = (d / 2 + 2) * eps * (abs(X) @ abs(W).T + abs(np.where(np.isfinite(b), b, 0)))
    logits = 2 * logits.max(axis=1)
    spread = (z.max(axis=1) - z.min(axis=1)).clip(max=750)  # exp(z - max) is 0 further down
    relative = logits + (k + 8 + spread) * eps
    tiny = 1e-36 if eps > 1e-10 else 1e-300  # where exp is subnormal
    loss = weights @ (mass * logits + relative * np.where(np.isfinite(losses), losses, 0) + tiny)
    relative += (n / 2 + 4) * eps  # sums over rows
    G = weights[:, None] * (relative[:, None] * abs(G) + tiny)
    return loss, G.T @ abs(X), G.sum(axis=0), G @ abs(W)


# ---- measures


def ulps(actual, exact):
    """|actual - exact| in units of the last place of exact; the spacing of subnormals below them.

    exact is wider than actual: float64, longdouble, or mpf in an array of objects.
    """
    info = np.finfo(actual.dtype)
    _, exponent = np.frexp(exact.astype(np.float64) if exact.dtype == object else exact)
    exponent = np.maximum(exponent - 1, info.minexp) - info.nmant
    if exact.dtype == object:
        pairs = zip(actual.tolist(), exact, exponent.tolist(), strict=True)
        return np.array([float(mp.ldexp(abs(mp.mpf(a) - x), -e)) for a, x, e in pairs])
    return np.ldexp(abs(actual.astype(exact.dtype) - exact), -exponent).astype(np.float64)


def assert_near(actual, exact, bound):
    """NaN and infinities where exact has them, elsewhere no further from it than the bound."""
    actual, exact = np.asarray(actual, np.float64), np.asarray(exact, np.float64)
    assert actual.shape == exact.shape
    with np.errstate(invalid="ignore"):
        error = np.where(actual == exact, 0, abs(actual - exact))
    wrong = ~((error <= bound) | (np.isnan(actual) & np.isnan(exact)))
    assert not wrong.any(), (
        f"{wrong.sum()} of {wrong.size} are off, first {actual[wrong].flat[0]!r} "
        f"for {exact[wrong].flat[0]!r}, bound {np.broadcast_to(bound, wrong.shape)[wrong].flat[0]}"
    )


def central_difference(function, x, step=1e-5):
    """Gradient of a function of an array, one element at a time."""
    gradient = np.empty_like(x)
    for i in np.ndindex(x.shape):
        around = []
        for sign in (1, -1):
            moved = x.copy()
            moved[i] += sign * step
            around.append(function(moved))
        gradient[i] = (around[0] - around[1]) / (2 * step)
    return gradient
