"""F, as the documentation of the estimators defines it, in long double: no code of the library."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

Real = np.longdouble


class Part(NamedTuple):
    """Logits whose losses depend on no others: one softmax, or one logistic function.

    A logistic function is a softmax of two classes, the first of which has the logit 0.
    """

    columns: slice  # of coef_, to which its weights belong
    targets: np.ndarray  # (n, K), rows of sum 1
    offset: np.ndarray  # (n, K)
    logistic: bool


@dataclass
class Definition:
    """F(W, b) = Σ s·loss + Σⱼ ridgeⱼ/2 ‖Wⱼ‖² + Σⱼ lassoⱼ ‖Wⱼ‖₁, with Σ s = 1.

    The features are X - shift, which makes constant columns 0 and loses no digit of those whose
    mean is large: intercepts are moved along.
    """

    X: np.ndarray  # (n, D)
    shift: np.ndarray  # (D,)
    s: np.ndarray  # (n,)
    parts: list[Part]
    ridge: np.ndarray  # (D,)
    lasso: np.ndarray  # (D,)
    intercept: bool
    pull: np.ndarray  # (D,), the ridge if all of the penalty were one

    def value(self, coef, intercept) -> np.longdouble:
        """F of a model."""
        W, b = np.asarray(coef, Real), np.asarray(intercept, Real)
        z = self.X @ W.T + (b + W @ self.shift)
        loss = sum(self.s @ losses(self.logits(part, z), part.targets) for part in self.parts)
        return loss + np.sum(self.ridge * W**2) / 2 + np.sum(self.lasso * abs(W))

    def logits(self, part: Part, z: np.ndarray) -> np.ndarray:
        """Those of a part, offset and all, from X W + b."""
        z = z[:, part.columns]
        return part.offset + (np.hstack([0 * z, z]) if part.logistic else z)

    def at_zero(self) -> float:
        """F of weights and intercepts of 0."""
        return float(sum(self.s @ losses(part.offset, part.targets) for part in self.parts))


def define(problem) -> Definition:
    """That of a problem of `families`."""
    params = {"C": 1.0, "l1_ratio": 0.0, "fit_intercept": True, **problem.params}
    X = problem.dense.astype(Real)
    n, d = X.shape
    if (scale := params.get("feature_scale")) is not None:
        X = X * np.asarray(scale, Real)
    weights = np.ones(n) if problem.sample_weight is None else problem.sample_weight
    tables, s = targets_and_weights(problem, params, weights.astype(Real))
    total = s.sum()
    used = s > 0
    X, s = X[used], s[used] / total
    shift = np.sort(X, axis=0)[len(X) // 2]
    near = np.sort(abs(X - shift), axis=0)[len(X) // 2] < abs(shift) / 4  # else it gains nothing
    shift[~near | (not params["fit_intercept"])] = 0
    factors = params.get("penalty_factor")
    factors = np.ones(d, Real) if factors is None else np.asarray(factors, Real)
    sigma = deviations(X, s) if params.get("standardize") else np.ones(d, Real)
    strength = 1 / (Real(params["C"]) * total)
    logistic = len(tables) > 1 or tables[0].shape[1] == 2
    parts = []
    for k, table in enumerate(tables):
        columns = slice(k, k + 1) if logistic else slice(None)
        offset = np.zeros(table.shape, Real)
        if problem.offset is not None:
            given = problem.offset.reshape(n, -1).astype(Real)[:, columns]
            offset[:, -given.shape[1] :] = given
        parts.append(Part(columns, table[used], offset[used], logistic))
    r = Real(params["l1_ratio"])
    return Definition(
        X - shift, shift, s, parts, (1 - r) * factors * sigma**2 * strength,
        r * factors * sigma * strength, params["fit_intercept"], factors * sigma**2 * strength,
    )  # fmt: skip


def targets_and_weights(problem, params, s):
    """Tables of target probabilities, one for each softmax or label, and the weights of rows."""
    y = problem.y
    if problem.target == "indicators":
        return [np.column_stack([1 - on, on]).astype(Real) for on in y.T], s
    if y.ndim == 1:
        table = (y[:, None] == np.unique(y)).astype(Real)
    else:
        events = y.astype(Real).sum(axis=1)
        s = s * events if problem.target == "counts" else s
        table = y.astype(Real) / events[:, None]
    k = table.shape[1]
    masses = s @ table
    smoothing = Real(params.get("label_smoothing", 0.0))
    table = (1 - smoothing) * table + smoothing / k
    by_class = params.get("class_weight")
    if by_class is not None:
        if by_class == "balanced":
            by_class = np.where(masses > 0, masses.sum() / (k * np.where(masses > 0, masses, 1)), 0)
        else:
            by_class = np.array([by_class.get(label, 1.0) for label in range(k)], Real)
        table = table * by_class
        of_rows = table.sum(axis=1)
        s = s * of_rows
        table /= np.where(of_rows > 0, of_rows, 1)[:, None]
    return [table], s


def deviations(X, s):
    """Weighted standard deviations of the columns, 1 for a constant one."""
    X = X - X[0]
    variances = s @ (X - s @ X) ** 2
    return np.where(X.any(axis=0), np.sqrt(variances), 1)


def losses(z, targets):
    """Cross-entropies of rows; small ones keep their digits."""
    _, rest, _, top = shifted(z)
    rows = np.arange(len(z))
    return np.log1p(rest[rows, top]) + np.sum(targets * (z[rows, top][:, None] - z), axis=1)


def shifted(z):
    """exp(z - max), for each class the sum of the others', their total, and the place of max."""
    rows, top = np.arange(len(z)), z.argmax(axis=1)
    e = np.exp(z - z[rows, top][:, None])
    others = e.copy()
    others[rows, top] = 0
    small = others.sum(axis=1)
    total = 1 + small
    rest = total[:, None] - e
    rest[rows, top] = small
    return e, rest, total, top
