"""What F may fall by unseen: along directions of little curvature, gradients being rounded.

A bound by weak duality needs v = 0 for what is not penalised, and a ridge μ multiplies what v is
off by 1 / (2 μ). Sums in float64 leave v off by some e. But there is a point of the dual problem
where it is not: with c = (H + μ)⁻¹ e the probabilities p (1 + ζ - η), η the change of the logits by
c less its mean under p, have the v that e is taken off, and by Newton's quadratic model

    ½ eᵀ (H + μ)⁻¹ e

is what that adds to the bound. The Hessian of the loss does here what a penalty does elsewhere, and
where it is flat, as along columns that are nearly dependent, nothing is proved. Each number of e
may have either sign, so that of each eigenvector q of H, (|q|ᵀ|e|)² / (2 λ) counts.

An eigenvalue below the rounding of H is computed anew, from the change of the logits along its
vector: a sum of squares, which keeps its digits. Where that is rounding itself, the columns are
dependent, and no gradient leads along the vector.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.curvature.hessian import add_shifts
from fastsoftmax._engine.data import Data, RowSample
from fastsoftmax._engine.objective.objective import Objective

FLAT = 1e-8  # of the largest eigenvalue: one that H, whose diagonal is 1, tells to few digits
DEPENDENT = 64 * float(np.finfo(float).eps)  # of |U||q|: a change of logits that is rounding
INSIDE = 0.5  # a relative change of probabilities that stay between 0 and 1, whatever ζ is
NUMBERS = 1 << 22  # of features at a time

Table = NDArray[np.float64]


class RowsAt(NamedTuple):
    """Some rows at a point of the dual problem."""

    data: Data
    probabilities: Table  # (n, K), and what they are less than 1
    others: Table
    weights: NDArray | None
    magnitudes: Table  # of the residuals: what each of them is the sum of

    def parts(self, size: int) -> "Iterator[RowsAt]":
        """A few rows at a time."""
        step = max(64, NUMBERS // size)
        for at, data in self.data.pieces():
            for start in range(0, data.shape[0], step):
                some = slice(start, min(start + step, data.shape[0]))
                of_all = slice(at.start + some.start, at.start + some.stop)
                yield RowsAt(
                    data.rows(some), *(None if x is None else x[of_all] for x in self[1:])
                )


def unseen_gain(
    objective: Objective,
    rows: Callable[[], Iterator[RowsAt]],
    residual: Table,
    ridge: Table,
    rounding: float,
    theta: NDArray,
) -> float:
    """What (H + ridge)⁻¹ makes of a residual (K, size) and of the rounding of the gradient, and
    what the rounding of the logits does; infinity where nothing tells."""
    o, (n, k, size) = objective, (objective.data.shape[0], *objective.shape)

    def parts() -> Iterator[tuple[RowsAt, Table]]:
        for some in rows():
            for part in some.parts(size):
                yield part, o.parameters.features(part.data)

    H, magnitudes = np.zeros((k * size, k * size)), np.zeros((k, size))
    for part, U in parts():
        H += hessian(o, part, U).reshape(H.shape) / n
        magnitudes += np.einsum("nk,nj->kj", part.magnitudes, np.abs(U)) / n
    penalty = np.tile(ridge, k)
    H[np.diag_indices(k * size)] += penalty
    errors = rounding * magnitudes
    of_logits = float(np.sum(errors * np.abs(o.parameters.layout.table(theta))))
    errors = (np.abs(residual) + errors).ravel()
    if o.loss.shift_invariant:  # along which no gradient leads
        add_shifts(H, o.shape, ridge)
    diagonal = np.diagonal(H)
    counts = diagonal > 0
    if errors[~counts].any() or not np.isfinite(H).all():
        return np.inf
    units = 1 / np.sqrt(np.where(counts, diagonal, 1))
    values, Q = np.linalg.eigh(H * units * units[:, None])
    Q = Q * units[:, None]
    flat = values <= FLAT * values[-1]
    steep = np.einsum("pm,p->m", np.abs(Q[:, ~flat]), errors)
    gain = float(np.sum(np.square(steep) / values[~flat])) / 2
    if flat.any():
        gain += along_flat(o, parts, Q[:, flat], penalty, errors)
    return gain + of_logits


def along_flat(
    objective: Objective,
    parts: Callable[[], Iterator[tuple[RowsAt, Table]]],
    Q: Table,
    penalty: Table,
    errors: Table,
) -> float:
    """½ Σ (|q|ᵀ|e|)² / λ of flat directions (K·size, m), with their curvatures computed anew."""
    n, shape = objective.data.shape[0], objective.shape

    def curvature(of: Table) -> tuple[Table, Table]:
        """That of the loss along and between directions, and what rounding alone makes of it."""
        N, total, least = of.reshape(*shape, -1), 0.0, 0.0
        for part, U in parts():
            Z, scales = changes(objective, part, U, N)
            S = spread(objective, part)
            total = total + np.einsum("nk,nka,nkb->ab", S, Z, Z, optimize=True) / n
            least = least + np.einsum("nk,nka->a", S, np.square(DEPENDENT * scales)) / n
        return total, least

    total, _ = curvature(Q)
    Q = np.einsum("pm,mr->pr", Q, np.linalg.eigh(total + np.einsum("pa,p,pb->ab", Q, penalty, Q))[1])
    total, least = curvature(Q)
    values = np.diagonal(total) + np.einsum("pm,p,pm->m", Q, penalty, Q)
    Q, values = Q[:, values > least], values[values > least]
    lengths = np.einsum("pm,p->m", np.abs(Q), errors)
    N, inside = Q.reshape(*shape, -1), 0.0
    for part, U in parts():
        Z, _ = changes(objective, part, U, N)
        inside = max(inside, float((np.abs(Z) @ (lengths / values)).max(initial=0)))
    return float(np.sum(np.square(lengths) / values)) / 2 if inside <= INSIDE else np.inf


def hessian(objective: Objective, rows: RowsAt, U: Table) -> Table:
    """Of the loss of some rows, (K, size, K, size)."""
    data, size = rows.data.like(U), U.shape[1]
    nothing, one = np.zeros(size), np.ones(size)

    def gram(drawn: RowSample) -> NDArray:
        return data.gram(drawn, nothing, one, 1.0, nothing)

    P, Q = rows.probabilities, rows.others
    return objective.loss.hessian(P, Q, rows.weights, size, gram)


def spread(objective: Objective, rows: RowsAt) -> Table:
    """The weights with which squares of relative changes of probabilities count."""
    S = rows.probabilities if objective.loss.shift_invariant else rows.probabilities * rows.others
    return S if rows.weights is None else S * rows.weights[:, None]


def changes(objective: Objective, rows: RowsAt, U: Table, N: Table) -> tuple[Table, Table]:
    """Of the logits of rows along directions (K, size, m), less their means: (n, K, m); and the
    sizes of what they are sums of."""
    Z, scales = (np.einsum("nj,kjm->nkm", *pair, optimize=True) for pair in ((U, N), (np.abs(U), np.abs(N))))
    if objective.loss.shift_invariant:
        P = rows.probabilities
        Z -= np.einsum("nk,nkm->nm", P, Z)[:, None]
        scales += np.einsum("nk,nkm->nm", P, scales)[:, None]
    return Z, scales
