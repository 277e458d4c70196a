"""The optimum of F, enclosed between two values, in NumPy; it shares no code with the library.

Newton's method with the full Hessian and a line search, in coordinates in which the problem is as
well scaled as it can be: columns are shifted to a median of 0 and of unit size, and more features
than rows are replaced by a basis of the row space. A softmax whose penalty is L2 alone keeps K - 1
classes. An absolute value becomes the smooth function that a logarithmic barrier makes of it,

    |w| ≈ min over s > |w| of s - τ/λ log(s² - w²),

and τ decreases to nothing. The upper value is F itself at the last point, the lower one is weak
duality's there: for any a in the simplex, with v = Σ s (a - y) xᵀ,

    F - F* ≤ Σ s KL(a ‖ p) + Σ [λ|w| + μ w²/2 + v w + (|v| - λ)₊²/(2μ)],

where a are the probabilities linearised along the next Newton step, and v vanishes on whatever has
no penalty. Both are sums in long double, so that it doesn't matter how the point was found.
"""

from copy import copy
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from campaigns.definition import Real, losses, shifted

TINY = 1e-300
DENSE = 900  # parameters up to which the Hessian is factorised
CLASSES = 40  # up to which pairs of classes are
EXACT = 130  # parameters up to which that is done in long double
FEW = 3e7  # multiply-adds of a Hessian in long double, at most
ENOUGH = 1e-11  # of F, to which the optimum is found where it is not factorised
SLIGHT = 1e-22  # a ridge whose weak duality is lost in rounding, on columns of unit size
ROUNDING = {Real: 4e-15, np.float64: 1e-12}  # of sums over rows of v's terms: 0 up to rounding


class Optimum(NamedTuple):
    """Where F is least: between two values, the upper one being that of a point (coef, intercept).

    `lower` is valid only if it was `proved`; else it is what no loss can fall below.
    """

    upper: np.longdouble
    lower: np.longdouble
    coef: np.ndarray
    intercept: np.ndarray


def optimum(definition, start=None) -> Optimum:
    """The optimum of a Definition.

    A model, (coef, intercept), is where to start if the parameters are too many for the Hessian.
    """
    basis = Basis(definition)
    n_logits = max(p.columns.stop or p.targets.shape[1] for p in definition.parts)
    coef = np.zeros((n_logits, len(definition.ridge)), Real)
    intercept = np.zeros(n_logits, Real)
    lower = Real(0)
    for part in definition.parts:
        problem = Reduced(definition, basis, part)
        theta = None
        if start is not None:
            W, b = (np.asarray(a, Real)[part.columns] for a in start)
            theta = problem.of_model(basis.of_model(W.T, b + W @ definition.shift))
        theta, bound = solve(problem, theta)
        V, c = basis.model(problem.table(theta))
        coef[part.columns], intercept[part.columns] = V.T, c - V.T @ definition.shift
        lower += bound
    return Optimum(definition.value(coef, intercept), lower, coef, intercept)


class Basis:
    """Coordinates of the features, Z: a column of ones, those without a penalty, those with one."""

    def __init__(self, definition) -> None:
        X, n = definition.X, len(definition.X)
        ridge, lasso = definition.ridge, definition.lasso
        self._d, self._intercept = X.shape[1], definition.intercept
        ones = np.ones((n, int(definition.intercept)), Real)
        free = np.flatnonzero((ridge == 0) & (lasso == 0))
        alone = independent(np.hstack([ones, X[:, free]]))[ones.shape[1] :] - ones.shape[1]
        self._free = free[alone]
        self._kept = np.flatnonzero((ridge > 0) | (lasso > 0))
        U, P = X[:, self._free], X[:, self._kept]
        self._sizes = largest(U)
        self._Q, ridge, lasso = None, ridge[self._kept], lasso[self._kept]
        if P.shape[1] > n and not lasso.any():
            self._units = np.sqrt(ridge)
            self._Q = orthonormal((P / self._units).T)
            P = (P / self._units) @ self._Q
            self._Q_sizes = largest(P)
            P, ridge, lasso = P / self._Q_sizes, self._Q_sizes**-2.0, 0 * self._Q_sizes
        else:
            self._units = largest(P)
            P, ridge, lasso = P / self._units, ridge / self._units**2, lasso / self._units
        self.Z = np.hstack([ones, U / self._sizes, P])
        none = np.zeros(self.Z.shape[1] - len(ridge), Real)
        self.ridge, self.lasso = np.concatenate([none, ridge]), np.concatenate([none, lasso])

    def of_model(self, W, b):
        """Coordinates of weights (D, L) and intercepts, with none for dependent features."""
        kept = self._units[:, None] * W[self._kept]
        if self._Q is not None:
            kept = self._Q_sizes[:, None] * (self._Q.T @ kept)
        ones = (b[None],) if self._intercept else ()
        return np.vstack([*ones, self._sizes[:, None] * W[self._free], kept])

    def model(self, theta):
        """Weights (D, L) and intercepts of the shifted features."""
        r, one = len(theta) - len(self._units if self._Q is None else self._Q.T), self._intercept
        kept = theta[r:] if self._Q is None else self._Q @ (theta[r:] / self._Q_sizes[:, None])
        W = np.zeros((self._d, theta.shape[1]), Real)
        W[self._kept] = kept / self._units[:, None]
        W[self._free] = theta[one:r] / self._sizes[:, None]
        return W, theta[0] if one else np.zeros(theta.shape[1], Real)


def largest(A):
    """The size of each column, 1 for zeros."""
    sizes = abs(A).max(axis=0, initial=0)
    return np.where(sizes > 0, sizes, 1)


def orthonormal(A):
    """A basis of the columns of A, by Gram-Schmidt done twice."""
    return gram_schmidt(A)[0]


def independent(A):
    """Places of columns of A that do not depend on those before them."""
    return gram_schmidt(A)[1]


def gram_schmidt(A):
    Q, places = np.zeros((len(A), min(A.shape)), A.dtype), []
    A = A / largest(A)
    for j in range(A.shape[1]):
        q, r = A[:, j].copy(), len(places)
        length = np.sqrt(q @ q)
        for _ in range(2):
            q -= Q[:, :r] @ (Q[:, :r].T @ q)
        rest = np.sqrt(q @ q)
        if r < len(Q.T) and rest > 1e-16 * length:
            Q[:, r] = q / rest
            places.append(j)
    return Q[:, : len(places)], np.array(places, int)


@dataclass
class Point:
    """What a point comes to: logits, F, its gradient, and what curvature is made of."""

    theta: np.ndarray
    z: np.ndarray
    value: np.longdouble
    gradient: np.ndarray
    p: np.ndarray
    q: np.ndarray  # 1 - p, without cancellation
    excess: np.ndarray  # p - y


class Reduced:
    """F of one part, θ (r, Q) being the weights of Q logits; the rest, if any, has the logit 0.

    `tau` is the strength of the barrier, where absolute values are penalised.
    """

    def __init__(self, definition, basis, part, dtype=Real) -> None:
        self.s, self.Y, self.offset = (
            a.astype(dtype) for a in (definition.s, part.targets, part.offset)
        )
        self.Z, self.ridge, self.lasso = (
            a.astype(dtype) for a in (basis.Z, basis.ridge, basis.lasso)
        )
        k = self.Y.shape[1]
        self.logistic = part.logistic
        self.common = not (part.logistic or self.lasso.any())  # L2 of a softmax: its mean is 0
        self.Q = k - 1 if part.logistic or self.common else k
        self.G = np.eye(self.Q, dtype=dtype) - (dtype(1) / k if self.common else 0)
        self.active = np.ones((self.Z.shape[1], self.Q), bool)
        if not (
            part.logistic or self.common
        ):  # a free weight of the last class says what those of the others do
            self.active[(self.ridge == 0) & (self.lasso == 0), -1] = False
        self.tau = dtype(0)
        self.floor = self.s @ losses(np.log(np.maximum(self.Y, 1e-300)), self.Y)

    def in_precision(self, dtype):
        """The same, in another precision."""
        other = copy(self)
        for name, value in vars(self).items():
            if getattr(value, "dtype", None) == self.Z.dtype:
                setattr(other, name, value.astype(dtype))
        return other

    def restricted(self, features):
        """The same, of these features alone."""
        other = copy(self)
        for name in ("ridge", "lasso", "active"):
            setattr(other, name, getattr(self, name)[features])
        other.Z = self.Z[:, features]
        return other

    def without_slight(self):
        """Less absolute values of next to no penalty, which make F without them no greater."""
        other = copy(self)
        slight = (self.ridge < SLIGHT) & (self.lasso < SLIGHT)
        other.lasso = np.where(slight, 0, self.lasso)
        other.ridge = np.where(slight, 0, self.ridge)
        if not (self.logistic or self.common):
            other.active = self.active.copy()
            other.active[slight, -1] = False
        return other

    def of_model(self, table):
        """θ of coordinates of all logits."""
        last = table[:, -1:] if self.common else 0 * table[:, -1:]
        if not self.active.all():
            last = np.where(self.active[:, -1:], 0, table[:, -1:])
        return (table - last)[:, : self.Q]

    def table(self, theta):
        """Coordinates of all logits, from θ."""
        return self.centred(theta) if self.common else theta

    def centred(self, theta):
        """θ of all K classes, of mean 0."""
        full = np.hstack([theta, 0 * theta[:, :1]])
        return full - full.mean(axis=1, keepdims=True)

    def full(self, z):
        """Logits of all classes, from those of θ."""
        first = (z,) if not self.logistic else (0 * z, z)
        return np.hstack([*first, 0 * z[:, :1]] if self.common else first)

    def mine(self, table):
        """Columns of θ, of a table of all classes."""
        return table[:, 1:] if self.logistic else table[:, : self.Q]

    def at(self, theta, z=None) -> Point:
        """What θ comes to; z are its logits, where they are known."""
        z = self.Z @ theta if z is None else z
        logits = self.offset + self.full(z)
        e, rest, total, _ = shifted(logits)
        p, q = e / total[:, None], rest / total[:, None]
        excess = p * (1 - self.Y) - self.Y * q
        value = self.s @ losses(logits, self.Y)
        gradient = self.Z.T @ (self.s[:, None] * self.mine(excess))
        pull = self.ridge[:, None] * (theta @ self.G)
        value += np.sum(pull * theta) / 2
        gradient += pull
        if self.tau:
            smooth, slope, _ = self.barrier(theta)
            value, gradient = value + smooth, gradient + slope
        return Point(theta, z, value, np.where(self.active, gradient, 0), p, q, excess)

    def barrier(self, theta):
        """The smooth form of Σ λ|w|, its derivatives by each weight."""
        lam = np.broadcast_to(self.lasso[:, None], theta.shape)
        on = lam > 0
        lam = np.where(on, lam, 1)
        ratio = self.tau / lam
        root = np.sqrt(ratio**2 + theta**2)
        s = ratio + root
        value = np.where(on, lam * s - self.tau * np.log(2 * ratio * s), 0)
        slope = np.where(on, lam * theta / s, 0)
        curve = np.where(on, lam * ratio / (s * root), 0)
        return value.sum(), slope, curve

    def product(self, point, d):
        """The Hessian's with d, and the logits' change."""
        zd = self.Z @ d
        move = self.full(zd)
        zeta = move - np.sum(point.p * move, axis=1, keepdims=True)
        H = self.Z.T @ (self.s[:, None] * self.mine(point.p * zeta))
        H += self.ridge[:, None] * (d @ self.G)
        if self.tau:
            H += self.barrier(point.theta)[2] * d
        return np.where(self.active, H, 0), zd

    def hessian(self, point, dtype):
        """Of all of θ, (Q r, Q r), class by class."""
        r, Q = len(self.ridge), self.Q
        H = np.zeros((Q, r, Q, r), dtype)
        Z, s = self.Z.astype(dtype), self.s
        p, q = self.mine(point.p), self.mine(point.q)
        for k in range(Q):
            for j in range(k + 1):
                a = (s * (p[:, k] * q[:, k] if j == k else -p[:, k] * p[:, j])).astype(dtype)
                H[k, :, j] = Z.T @ (a[:, None] * Z)
                H[j, :, k] = H[k, :, j].T
        at = np.arange(r)
        H[:, at, :, at] += self.ridge.astype(dtype)[:, None, None] * self.G.astype(dtype)
        H = H.reshape(Q * r, Q * r)
        if self.tau:
            H[np.diag_indices(Q * r)] += self.barrier(point.theta)[2].T.ravel().astype(dtype)
        return H

    def gap(self, point, d):
        """What weak duality leaves to gain at a point, d being a step; infinity without a proof.

        Rows whose probabilities are those of their targets but for rounding may count as settled:
        for them a = y, and KL(y ‖ p) ≤ Σ (y - p)²/p. Where separable rows need no more of their
        loss to be lowered, the step of Newton's method goes on for ever otherwise.
        """
        settled = abs(point.excess).max(axis=1) < ROUNDING[point.p.dtype.type] / 400
        bounds = [self.bound(point, d, rows) for rows in (np.zeros_like(settled), settled)]
        return np.nanmin([*bounds, np.inf])

    def bound(self, point, d, settled):
        """As `gap`, for a choice of settled rows."""
        move = self.full(self.Z @ d)
        zeta = move - np.sum(point.p * move, axis=1, keepdims=True)
        zeta[settled] = 0
        if zeta.min() < -1:
            return np.inf
        dual = np.where(settled[:, None], 0, point.excess) + point.p * zeta
        squares = point.excess[settled] ** 2 / np.maximum(point.p[settled], TINY)
        kl = self.s @ np.sum(point.p * rise(zeta), axis=1) + self.s[settled] @ squares.sum(axis=1)
        W = self.table(point.theta)
        v = self.Z.T @ (self.s[:, None] * (dual if self.common else self.mine(dual)))
        terms = point.p * (1 - self.Y) + self.Y * point.q + point.p * abs(zeta)
        scale = abs(self.Z).T @ (self.s[:, None] * (terms if self.common else self.mine(terms)))
        mu, lam = self.ridge[:, None], self.lasso[:, None]
        free = (mu == 0) & (lam == 0)
        zero = abs(v) <= ROUNDING[v.dtype.type] * scale.max(axis=1, keepdims=True)
        if not zero[np.broadcast_to(free, v.shape)].all():
            return np.inf
        shrink = 1.0
        pure = np.broadcast_to((mu == 0) & (lam >= SLIGHT), v.shape)
        if pure.any():
            shrink = np.minimum(1, np.min(np.broadcast_to(lam, v.shape)[pure] / abs(v[pure])))
            if shrink < 1:  # towards the labels, which leaves settled rows as they are
                a = self.Y + shrink * (point.p * (1 + zeta) - self.Y)
                zeta = np.where(point.p > 0, a / np.where(point.p > 0, point.p, 1) - 1, 0)
                kl = self.s @ np.sum(point.p * rise(zeta), axis=1)
                v = shrink * v
        terms = lam * abs(W) + mu * W**2 / 2 + v * W
        with np.errstate(divide="ignore", invalid="ignore"):
            over = np.maximum(abs(v) - lam, 0)
            squares = np.where(lam > 0, terms + over**2 / (2 * mu), (v + mu * W) ** 2 / (2 * mu))
        rest = np.where(mu > 0, squares, np.where(pure, terms, np.where(free, 0, np.inf)))
        # a ridge of next to nothing is better left out: F without it is no greater
        without = np.where(zero & (mu < SLIGHT), lam * abs(W) + mu * W**2 / 2, np.inf)
        return kl + np.minimum(rest, without).sum()


def rise(t):
    """(1 + t) log(1 + t) - t, without cancellation."""
    small = abs(t) < 1e-3
    u = np.where(small, t, 0)
    series = u * u * (1 / Real(2) - u * (1 / Real(6) - u * (1 / Real(12) - u * (1 / Real(20) - u * (
        1 / Real(30) - u * (1 / Real(42) - u / Real(56)))))))  # fmt: skip
    w = np.where(small | (t <= -1), 0, t)
    direct = (1 + w) * np.log1p(w) - w
    return np.where(small, series, np.where(t <= -1, 1, direct)).astype(t.dtype)


def solve(problem, theta=None):
    """θ of the optimum, and a value that F can't fall below."""
    size = problem.active.sum()
    if size > DENSE and problem.lasso.any():
        raise ValueError(f"an L1 penalty of more than {DENSE} parameters")
    if size > DENSE or (problem.Q > CLASSES and not problem.lasso.any()):
        return by_products(problem, theta)
    theta, lower = np.zeros(problem.active.shape, Real), problem.floor
    small = size <= EXACT and len(problem.Z) * size**2 <= FEW
    precision = Real if small else np.float64
    if problem.lasso.any():
        problem = problem.without_slight()
        smooth = copy(problem)
        value = problem.at(theta).value
        for tau in value / size * Real(10.0) ** -np.arange(1, 19, 1.5):
            smooth.tau = tau
            theta, step = newton(smooth, theta, precision, rounds=30, goal=0.1 * float(tau))
            lower = max(lower, lower_bound(problem, theta, step))
        theta, step = newton(smooth, theta, precision, rounds=5, goal=0)
    else:
        theta, step = newton(problem, theta, precision, rounds=200, goal=0)
    return theta, max(lower, lower_bound(problem, theta, step))


def lower_bound(problem, theta, step):
    """What F can't fall below, by weak duality at θ."""
    point = problem.at(theta)
    value = point.value + np.sum(problem.lasso[:, None] * abs(theta))
    return value - min(problem.gap(point, 0 * step), problem.gap(point, step))


def newton(problem, theta, precision, *, rounds, goal):
    """Newton's method; the point where it can do no better, and its step there."""
    point, best, stalled = problem.at(theta), np.inf, 0
    first = point.value * (not problem.tau)
    for _ in range(rounds):
        step = newton_step(problem, point, precision)
        decrement = -np.sum(step * point.gradient)
        if decrement < 1e-13 * point.value:  # above it may be small at a kink, and grow again
            stalled = 0 if decrement < 0.9 * best else stalled + 1
            best = min(best, decrement)
        if decrement <= max(goal, 1e-30 * point.value) or stalled > 5:
            break
        if point.value <= 1e-22 * first:
            break
        point = line_search(problem, point, step)
    return point.theta, step


def newton_step(problem, point, precision):
    """-H⁻¹∇F, refined by products with the exact Hessian in long double."""
    on = problem.active.T.ravel()
    H = problem.hessian(point, precision)[np.ix_(on, on)]
    size = np.sqrt(np.diag(H))
    size[size == 0] = 1
    H = H / size / size[:, None]
    factor = cholesky(H)

    def solved(gradient):
        out = np.zeros(len(on), Real)
        out[on] = factor(gradient.T.ravel()[on] / size) / size
        return out.reshape(problem.active.T.shape).T

    step, _ = conjugate_gradients(
        lambda d: problem.product(point, d)[0], -point.gradient, solved, rounds=12
    )
    return step


def conjugate_gradients(product, b, solved, *, rounds, enough=1e-30):
    """x with product(x) ≈ b, preconditioned; the step of least residual in the factor's metric."""
    x, r = 0 * b, b.copy()
    z = solved(r)
    d, old = z, np.sum(r * z)
    first = best = old
    kept = x
    for _ in range(rounds):
        Hd = product(d)
        curve = np.sum(d * Hd)
        if not curve > 0:
            kept = kept if x.any() else d  # of positive curvature but for rounding
            break
        x, r = x + old / curve * d, r - old / curve * Hd
        z = solved(r)
        new = np.sum(r * z)
        if new < best or not kept.any():
            best, kept = new, x
        if not new > enough * first:
            break
        d, old = z + new / old * d, new
    return kept, best


def cholesky(A):
    """A solver of A x = b for A of unit diagonal, positive definite up to rounding."""
    for jitter in (0, 1, 1e2, 1e4, 1e6, 1e9):
        shifted_A = A + jitter * len(A) * np.finfo(A.dtype).eps * np.eye(len(A), dtype=A.dtype)
        if A.dtype == np.float64:
            try:
                L = np.linalg.cholesky(shifted_A)
            except np.linalg.LinAlgError:
                continue
            inverse = np.linalg.inv(L)
            return lambda b: inverse.T @ (inverse @ b.astype(np.float64))
        L = long_cholesky(shifted_A)
        if L is not None:
            return lambda b: substituted(L, b)
    raise np.linalg.LinAlgError("not positive definite")


def long_cholesky(A):
    """The lower factor in any precision; None if A is not positive definite."""
    A = A.copy()
    for j in range(len(A)):
        if not A[j, j] > 0:
            return None
        A[j:, j] /= np.sqrt(A[j, j])
        A[j + 1 :, j + 1 :] -= A[j + 1 :, j, None] * A[j + 1 :, j]
    return np.tril(A)


def substituted(L, b):
    """x with L Lᵀ x = b."""
    x = b.copy()
    for j in range(len(L)):
        x[j] = (x[j] - L[j, :j] @ x[:j]) / L[j, j]
    for j in reversed(range(len(L))):
        x[j] = (x[j] - L[j + 1 :, j] @ x[j + 1 :]) / L[j, j]
    return x


def line_search(problem, point, step):
    """A point along the step at which the slope is half of the first at most, in size."""
    slope = np.sum(step * point.gradient)
    zd = problem.Z @ step
    low, high, t, best = 0.0, np.inf, 1.0, point
    for _ in range(30):
        new = problem.at(point.theta + t * step, point.z + t * zd)
        now = np.sum(step * new.gradient)
        lower = new.value <= best.value + 1e-17 * abs(best.value)
        best = new if lower else best
        if lower and abs(now) <= -slope / 2:
            break
        if now < 0 and lower:
            low, t = t, min(4 * t, (t + high) / 2)
        else:
            high, t = t, (low + t) / 2
    return problem.at(best.theta)


def by_products(problem, theta=None):
    """As `solve`, for many parameters: conjugate gradients on exact Hessian products in float64."""
    floor, problem = problem.floor, problem.in_precision(np.float64)
    point, gap = problem.at(np.zeros(problem.active.shape)), np.inf
    if theta is not None:
        given = problem.at(np.where(problem.active, theta, 0).astype(np.float64))
        point = given if given.value < point.value else point
    for _ in range(100):
        step, _ = conjugate_gradients(
            lambda d, at=point: problem.product(at, d)[0], -point.gradient,
            by_class(problem, point), rounds=150, enough=1e-6,
        )  # fmt: skip
        step = without_residual(problem, point, step)
        gap = problem.gap(point, step)
        new = line_search(problem, point, step)
        if gap <= ENOUGH * point.value or not new.value < point.value:
            break
        point = new
    return point.theta.astype(Real), point.value - gap if np.isfinite(gap) else floor


def without_residual(problem, point, step):
    """The step, corrected where there is no penalty, so that v vanishes there."""
    free = (problem.ridge == 0) & (problem.lasso == 0)
    if not free.any():
        return step
    part = problem.restricted(free)
    for _ in range(2):
        residual = problem.product(point, step)[0] + point.gradient
        H = part.hessian(point, np.float64)
        change = np.linalg.lstsq(H, -residual[free].T.ravel(), rcond=1e-15)[0]
        step = step.copy()
        step[free] += change.reshape(problem.Q, -1).T
    return step


def by_class(problem, point):
    """A preconditioner: the diagonal blocks of the Hessian, one for each logit."""
    p, q = problem.mine(point.p), problem.mine(point.q)
    H = np.einsum("nk,ni,nj->kij", problem.s[:, None] * p * q, problem.Z, problem.Z, optimize=True)
    at = np.arange(len(problem.ridge))
    H[:, at, at] += problem.ridge * np.diag(problem.G)[:, None]
    trace = H[:, at, at].max(axis=1)
    H[:, at, at] += 1e-14 * np.maximum(trace, 1e-300)[:, None]
    inverse = np.linalg.inv(H)
    return lambda g: np.einsum("kij,jk->ik", inverse, g)
