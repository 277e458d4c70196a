"""What F may fall by unseen: along directions of little curvature, gradients being rounded.

A bound by weak duality needs v = 0 for what is not penalised, |v| <= λ with an L1 penalty, and a
ridge μ multiplies what v is off by 1 / (2 μ). Sums in float64 leave v off by some e. But there is a
point of the dual problem where it is not: with c = (H + μ)⁻¹ e the probabilities p (1 + ζ - η), η
the change of the logits by c less its mean under p, have the v that e is taken off, and

    ½ eᵀ (H + μ)⁻¹ e

is what that adds to the bound. The Hessian of the loss does here what a penalty does elsewhere, and
where it is flat, as along columns that are nearly dependent, nothing is proved. Each number of e
may have either sign, so that of each eigenvector q of H, (|q|ᵀ|e|)² / (2 λ) counts. Weights that an
L1 penalty holds at 0 have no part in it, as long as what c does to their v leaves it within λ.

An eigenvalue below the rounding of H is computed anew, from the change of the logits along its
vector: a sum of squares, which keeps its digits. Where that is rounding itself, the columns are
dependent, and no gradient leads along the vector.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.curvature.hessian import HESSIAN_PARAMETERS, add_shifts
from fastsoftmax._engine.data import Data
from fastsoftmax._engine.objective.coordinates.base import Parameters
from fastsoftmax._engine.objective.loss import NEVER, LogisticPerLogit, Loss
from fastsoftmax._engine.objective.objective import Objective
from fastsoftmax._engine.objective.rounding import ROUNDING

DEPENDENT = 8 * float(np.finfo(float).eps)  # of |U||q|: a change of logits that is rounding
BYTES = 24  # for each number of a matrix, a copy of it and its eigenvectors
NUMBERS = 1 << 22  # of features at a time: 32 MiB

Table = NDArray[np.float64]


@dataclass(frozen=True)
class UnseenRules:
    """Which eigenvalues and rows count, and what H may cost.

    docs/experiments/0053-dependent-columns.md.
    """

    flat: float = 1e-8  # of the largest eigenvalue: H, whose diagonal is 1, tells few digits of it
    slack: float = 1e3  # times the rounding of a gradient: by more below λ, the weight stays 0
    rounds: int = 5  # of leaving rows out
    inside: float = 0.5  # a relative change of probabilities that stay in [0, 1], whatever ζ is
    work: float = 1e8  # multiply-adds, some ten milliseconds
    eigenvectors: float = 5  # multiply-adds that they take, times the cube of the size
    rows_per_feature: int = 32  # that have a part in H, at first


USUAL = UnseenRules()


class RowsAt(NamedTuple):
    """Some rows at a point of the dual problem."""

    data: Data
    probabilities: Table  # (n, K), 0 where there is no loss, or nothing left for η
    others: Table  # 1 less these
    weights: NDArray | None
    magnitudes: Table  # (n, K), of the residuals: what each of them is the sum of

    def parts(self, size: int) -> "Iterator[RowsAt]":
        """A few rows at a time; arrays are views."""
        step = max(1, NUMBERS // (self.probabilities.shape[1] ** 2 * size))
        for at, data in self.data.pieces():
            for start in range(0, data.shape[0], step):
                some = slice(start, min(start + step, data.shape[0]))
                of_all = slice(at.start + some.start, at.start + some.stop)
                yield RowsAt(data.rows(some), *(None if x is None else x[of_all] for x in self[1:]))

    def every(self, step: int) -> "RowsAt":
        """Every step-th row, with probabilities of its own; of others nothing is kept."""
        P, *others = (None if x is None else x[::step] for x in self[1:])
        if step > 1:
            others = [None if x is None else x.copy() for x in others]
        return RowsAt(self.data.every(step), P.copy(), *others)


class Held(NamedTuple):
    """What holds the gradients at a point, in coordinates of θ."""

    residual: Table  # (K, size), of the conditions of optimality
    slack: Table  # (K, size), how much less than λ the gradient by a weight of 0 is
    ridge: Table  # (size,)
    lasso: Table  # (size,), λ


class Frame(NamedTuple):
    """The coordinates and the loss of a Hessian."""

    n: int
    shape: tuple[int, int]  # of θ as a table
    loss: Loss
    parameters: Parameters
    rules: UnseenRules = USUAL


def unseen_gain(
    objective: Objective,
    rows: Callable[[], Iterable[RowsAt]],
    held: Held,
    theta: NDArray,
    wanted: float,
    rules: UnseenRules = USUAL,
) -> float:
    """What (H + ridge)⁻¹ makes of the residual and of the rounding of the gradient, and what the
    rounding of logits does; infinity where nothing tells.

    Where η would leave the simplex, a row has no part in H. Nor have most rows if what some tell
    is as little as is wanted.
    """
    o, (n, (_, size)) = objective, (objective.data.shape[0], objective.shape)
    frame = Frame(n, o.shape, o.loss, o.parameters, rules)
    first, errors, some = steps(n, size, rules)[0], np.zeros(o.shape), []
    for part in rows():  # what is computed of all rows, and what is kept of some, in one go
        errors += rounding_of_gradients(frame, part)
        some.append(part.every(first))
    of_logits = float(np.sum(errors * np.abs(o.parameters.layout.table(theta))))
    gain = np.inf
    for step in steps(n, size, rules):
        if not gain > wanted or not is_cheap(o, step, rules):
            break
        if step < first:
            some = [part.every(step) for part in rows()]
        for _ in range(rules.rounds):
            system = System(frame, some, held, errors)
            o.passes.count += o.loss.n_grams * n * size**2 / (2 * step * o.passes.work)
            if not system.solved:
                break
            if system.stays_inside():
                gain = system.gain + of_logits
                break
    return gain


def is_cheap(objective: Objective, step: int | None = None, rules: UnseenRules = USUAL) -> bool:
    """Whether H can be made of every step-th row, or of as few as a matrix of its size needs, for
    less than the fit has taken so far or next to nothing."""
    o, (n, (_, size)) = objective, (objective.data.shape[0], objective.shape)
    step = step or steps(n, size, rules)[0]
    work = o.loss.n_grams * n * size**2 / (2 * step) + rules.eigenvectors * o.size**3
    return o.size <= HESSIAN_PARAMETERS and work <= max(rules.work, o.passes.count * o.passes.work)


def steps(n: int, size: int, rules: UnseenRules) -> list[int]:
    """Every which rows have a part in H: at first as many as a matrix of this size needs."""
    step = max(1, n // (rules.rows_per_feature * size))
    return [step, 1] if step > 1 else [1]


def rounding_of_gradients(frame: Frame, rows: RowsAt) -> Table:
    """Of what some rows add to the gradients, (K, size)."""
    total = np.zeros(frame.shape)
    for part in rows.parts(frame.shape[1]):
        U = np.abs(frame.parameters.features(part.data))
        total += np.einsum("nk,nj->kj", part.magnitudes, U, optimize=True) / frame.n
    return ROUNDING * total


def gain_of_dependence(
    objective: Objective,
    rows: Iterable[RowsAt],
    held: Held,
    wanted: float,
    rules: UnseenRules = USUAL,
) -> float:
    """The same if all rows and classes had their mean curvature: what columns that are nearly
    dependent hide. Infinity where nothing tells.

    All classes have the same matrix, and their residuals add up.
    """
    o, n = objective, objective.data.shape[0]
    shape = (1, o.shape[1])
    if BYTES * shape[1] ** 2 > o.memory.total:
        return np.inf
    frame = Frame(n, shape, LogisticPerLogit(1), o.parameters, rules)
    alike, curvature = [], 0.0
    for some in rows:
        of_rows = np.mean(some.probabilities * some.others, axis=1)
        curvature += float(np.sum(of_rows if some.weights is None else some.weights * of_rows)) / n
        half = np.full((len(some.magnitudes), 1), 0.5)
        if some.weights is not None:
            half[some.weights == 0] = 0
        magnitudes = np.sqrt(np.einsum("nk,nk->n", some.magnitudes, some.magnitudes))[:, None]
        alike.append(RowsAt(some.data, half, half, None, magnitudes))
    residual = np.sqrt(np.einsum("kj,kj->j", held.residual, held.residual))[None]
    held = Held(residual, held.slack.min(axis=0)[None], held.ridge, held.lasso)
    errors, gain = sum(rounding_of_gradients(frame, part) for part in alike), np.inf
    for step in steps(n, shape[1], rules):
        if gain > wanted:
            system = System(frame, [part.every(step) for part in alike], held, errors)
            gain = system.gain * 0.25 / curvature if system.solved and curvature else np.inf
    return gain


class System:
    """(H + ridge) c = e, for an e of which the sizes alone are known.

    Attributes
    ----------
    solved : bool
        Whether H tells what c is.
    gain : float
        ½ eᵀc at most.
    """

    def __init__(self, frame: Frame, rows: list[RowsAt], held: Held, errors: Table) -> None:
        self._frame, self._rows, self._held, self._errors = frame, rows, held, errors
        self._ridge = np.tile(held.ridge, frame.shape[0])
        self.gain, H = 0.0, self._hessian()
        self._off = (np.abs(held.residual) + errors).ravel()
        counts = (held.slack <= frame.rules.slack * errors).ravel()
        diagonal = np.diagonal(H)
        lost = self._off[counts & (diagonal == 0)].any()  # without curvature
        self.solved = bool(np.isfinite(H).all() and not lost)
        counts &= diagonal > 0
        self._c = np.zeros(frame.shape)
        self._flat = np.zeros((len(H), 0)), np.zeros(0)
        if self.solved and counts.any():
            self.solved = self._solve(H, counts)

    def _parts(self) -> Iterator[tuple[RowsAt, Table]]:
        """A few rows at a time, with their features in the coordinates of θ."""
        for some in self._rows:
            for part in some.parts(self._frame.shape[1]):
                yield part, self._frame.parameters.features(part.data)

    def _hessian(self) -> Table:
        """H, in which shifts of all classes, along which no gradient of the loss leads, have
        curvature."""
        frame, held = self._frame, self._held
        H = np.zeros((len(self._ridge),) * 2)
        for part, U in self._parts():
            H += hessian(frame.loss, part, U).reshape(H.shape) / frame.n
        H[np.diag_indices(len(H))] += self._ridge
        if frame.loss.shift_invariant:
            add_shifts(H, frame.shape, np.where(held.lasso > 0, 0, held.ridge), held.lasso == 0)
        return H

    def _solve(self, H: Table, counts: NDArray[np.bool_]) -> bool:
        """Find how far c leads along eigenvectors of the part that counts; whether that is told."""
        units = 1 / np.sqrt(np.diagonal(H)[counts])
        values, own = np.linalg.eigh(H[np.ix_(counts, counts)] * units * units[:, None])
        Q = np.zeros((len(H), len(values)))
        Q[counts] = own * units[:, None]
        flat = values <= self._frame.rules.flat * values[-1]
        if flat.any():
            renewed = self._along_flat(Q[:, flat])
            if renewed is None:
                return False
            values = np.concatenate([values[~flat], renewed[0]])
            Q = np.hstack([Q[:, ~flat], renewed[1]])
        n_steep = np.count_nonzero(~flat)
        lengths = np.einsum("pm,p->m", np.abs(Q), self._off)
        steps = lengths / values
        self.gain = float(np.sum(lengths * steps)) / 2
        self._c[:] = np.einsum("pm,m->p", np.abs(Q[:, :n_steep]), steps[:n_steep]).reshape(
            self._c.shape
        )
        self._flat = Q[:, n_steep:], steps[n_steep:]
        moved = np.einsum("im,m->i", np.abs(np.einsum("ip,pm->im", H[~counts], Q)), steps)
        return bool(
            (moved <= np.maximum(self._held.slack - self._errors, 0).ravel()[~counts]).all()
        )

    def _along_flat(self, Q: Table) -> tuple[Table, Table] | None:
        """Curvatures along flat directions (K·size, m), computed anew, and the directions, without
        those of dependent columns; None where the gradient leads along such, or rows that have no
        part any more change along them."""
        Q = np.einsum("pm,mr->pr", Q, np.linalg.eigh(self._curvature(Q)[0])[1])
        total, least = self._curvature(Q)
        values, seen = np.diagonal(total), np.diagonal(total) > least
        sizes = np.abs(Q[:, ~seen])
        unseen = np.abs(np.einsum("pm,p->m", Q[:, ~seen], self._held.residual.ravel()))
        if (unseen > 2 * np.einsum("pm,p->m", sizes, self._errors.ravel())).any():
            return None
        return (values[seen], Q[:, seen]) if self._moves_no_row(Q[:, ~seen]) else None

    def _moves_no_row(self, Q: Table) -> bool:
        """Whether along directions logits of rows that have a weight change by rounding alone."""
        frame, total, least = self._frame, np.zeros(Q.shape[1]), np.zeros(Q.shape[1])
        for part, U in self._parts():
            even = np.full(part.probabilities.shape, 1 / part.probabilities.shape[1])
            Z, scales = changes(frame, part._replace(probabilities=even), U, Q)
            used = slice(None) if part.weights is None else part.weights > 0
            total += np.square(Z[used]).sum(axis=(0, 1))
            least += np.square(DEPENDENT * scales[used]).sum(axis=(0, 1))
        return bool((total <= least).all())

    def _curvature(self, Q: Table) -> tuple[Table, Table]:
        """Along and between directions, and what rounding alone makes of it."""
        frame, n = self._frame, self._frame.n
        total, least = np.einsum("pa,p,pb->ab", Q, self._ridge, Q), 0.0
        for part, U in self._parts():
            Z, scales = changes(frame, part, U, Q)
            S = spread(frame.loss, part)
            total = total + np.einsum("nk,nka,nkb->ab", S, Z, Z, optimize=True) / n
            least = least + np.einsum("nk,nka->a", S, np.square(DEPENDENT * scales)) / n
        return total, least

    def stays_inside(self) -> bool:
        """Whether η leaves all probabilities between 0 and 1 that have a part in H; those that it
        does not have no part any more."""
        Q, steps = self._flat
        shared, inside = self._frame.loss.shift_invariant, True
        for part, U in self._parts():
            of_flat, _ = changes(self._frame, part, U, Q)
            eta = np.einsum("nkm,m->nk", np.abs(of_flat), steps)
            of_steep = np.einsum("nj,kj->nk", np.abs(U), self._c)
            eta += 2 * of_steep.max(axis=1, keepdims=True) if shared else of_steep
            # no row has more of cᵀHc than all
            S = np.maximum(spread(self._frame.loss, part), np.finfo(float).tiny)
            eta = np.minimum(eta, np.sqrt(2 * self.gain * self._frame.n / S))
            beyond = (eta > self._frame.rules.inside) & (part.probabilities > NEVER)
            if shared:
                beyond = beyond.any(axis=1)
            inside = inside and not beyond.any()
            part.probabilities[beyond] = 0
        return inside


def hessian(loss: Loss, rows: RowsAt, U: Table) -> Table:
    """The Hessian of the loss of some rows, (K, size, K, size)."""
    P, Q = rows.probabilities, rows.others
    return loss.hessian(P, Q, rows.weights, U.shape[1], rows.data.like(U).gram)


def spread(loss: Loss, rows: RowsAt) -> Table:
    """The weights with which squares of relative changes of probabilities count."""
    S = rows.probabilities if loss.shift_invariant else rows.probabilities * rows.others
    return S if rows.weights is None else S * rows.weights[:, None]


def changes(frame: Frame, rows: RowsAt, U: Table, Q: Table) -> tuple[Table, Table]:
    """Changes of logits of rows along directions (K·size, m), less their means: (n, K, m); and the
    sizes of what they are sums of."""
    N = Q.reshape(*frame.shape, -1)
    Z, scales = (
        np.einsum("nj,kjm->nkm", *pair, optimize=True) for pair in ((U, N), (np.abs(U), np.abs(N)))
    )
    if frame.loss.shift_invariant:
        P = rows.probabilities
        Z -= np.einsum("nk,nkm->nm", P, Z)[:, None]
        scales += np.einsum("nk,nkm->nm", P, scales)[:, None]
    return Z, scales
