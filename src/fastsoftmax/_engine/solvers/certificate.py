"""How far F can still fall, proved by weak duality at linearised probabilities.

For any a whose rows lie in the simplex, the conjugate of log-sum-exp (Boyd & Vandenberghe, Convex
Optimization, 5.7.1) gives, with v = (1/S) Σ sᵢ (aᵢ - yᵢ) xᵢᵀ and ridges μ,

    F(θ) - F*  ≤  (1/S) Σ sᵢ KL(aᵢ ‖ pᵢ)  +  Σ (v + μ W)² / (2 μ),

provided that v = 0 for all parameters that are not penalised; `penalised_weights.py` has what
stands for the last term with an L1 penalty. Probabilities p(1 + ζ) that are linearised along a
direction d near Newton's make v + μW nearly -μd, and the bound nearly the gap itself; a = p would
give ½‖∇F‖²/μ. The parameters that are not penalised, intercepts as a rule, are moved until their v
is 0 but for rounding.

The loss, the divergence and v are computed in float64 from X and θ alone. Logits of d may be in the
precision of the solver, since a may be any. Where logits of θ and d do not fit into memory, they
are made anew for some rows at a time.
"""

import operator
from collections.abc import Callable, Iterator
from functools import cached_property, reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.curvature.hessian import of_shifts
from fastsoftmax._engine.data import (
    Data,
    DualPoint,
    Partition,
    RowSample,
    StoredLogits,
    View,
    as_dtype,
)
from fastsoftmax._engine.linalg import ClassFactors
from fastsoftmax._engine.objective.loss import NEVER
from fastsoftmax._engine.objective.objective import Objective
from fastsoftmax._engine.objective.penalised_weights import squares, unseen_residual
from fastsoftmax._engine.objective.precision import uses_float32
from fastsoftmax._engine.objective.rounding import raised
from fastsoftmax._engine.objective.rows import Rows
from fastsoftmax._engine.solvers.logit_rounding import logit_rounding, rounding_of_rows
from fastsoftmax._engine.solvers.unseen import (
    Held,
    RowsAt,
    gain_of_dependence,
    is_cheap,
    unseen_gain,
)
from fastsoftmax._runtime.engines.tree import Sums

FLOAT64 = np.dtype(np.float64)
STATIONARY = 1e-13  # of Σ s|a - y||x| / S: a v that is 0 but for rounding
NOTHING = 1e-16  # of the same, summed over the classes: for classes of hardly any probability
VANISHING = 1e-10  # of the same: the residual of a step that is Newton's but for rounding
ROUNDING = 4 * float(np.finfo(np.float64).eps)  # of the same: what sums may be off by
LITTLE = 0.1  # of λ: a residual that is no more does not hide a weight that should enter
VANISHES = -0.5  # the least relative change of a probability that leaves some for that of rounding
BEYOND = 0.1  # of the tolerance: a bound by rounding alone, above which a penalty proves nothing
THREADS = 1  # for matrices as small as the Hessian of what is not penalised
ROUNDS = 8  # of moving what is not penalised


class Certificate(NamedTuple):
    """What is proved at a point θ."""

    bound: float  # at least F - F*; infinity without a penalty, as a rule
    value: float  # F at θ
    least_change: float  # the least relative change of a probability along d
    decrease: float  # of F along d, about; as a rule the bound if d were exactly Newton's step
    is_newton: bool  # whether d is that, but for rounding
    rounding: float  # what rounding alone makes of the bound
    theta: NDArray


def certify(objective: Objective, theta: NDArray, direction: NDArray, wanted: float) -> Certificate:
    """The bound at θ from probabilities that are linearised along a direction.

    The Hessian is made where the rounding alone would be too much for the bound that is wanted.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return Linearised(objective, theta, direction).certificate(wanted)


class Linearised:
    """Probabilities of θ, linearised along a direction.

    Parameters
    ----------
    objective : Objective
    theta, direction : ndarray
    moved : ndarray, optional
        What is not penalised of the direction is changed by.
    """

    def __init__(
        self,
        objective: Objective,
        theta: NDArray,
        direction: NDArray,
        moved: NDArray | None = None,
    ) -> None:
        self.objective, self._theta, self.direction = objective, theta, direction
        self._data = objective.data_float64
        #: of all, by which sums are divided
        self.n = self._data.shape[0]
        self.model = objective.parameters.user(theta, FLOAT64)
        targets, weights, self.offset = objective.given
        is_table = targets.dtype.kind == "f"
        self.targets = as_dtype(targets, FLOAT64) if is_table else targets
        #: what a - y is the difference of: a label's is known to all digits
        self._size = float(is_table)
        self.weights = None if weights is None else as_dtype(weights, FLOAT64)
        n, k = self.n, objective.n_logits
        #: of the direction, by intercepts and free features
        self.moved = np.zeros((k, objective.fit_intercept + len(objective.free)))
        if moved is not None:
            self.moved = moved
        tile = StoredLogits.tile_rows(FLOAT64)
        most = int(objective.memory.certificate / (3 * FLOAT64.itemsize * k))
        self._rows = max(tile, most // tile * tile)
        self._kept = None
        if n <= self._rows and not self._data.is_distributed:
            self._kept = [Piece(self, slice(0, n), self._data, objective.data)]

    def _pieces(self) -> Iterator["Piece"]:
        """All rows, with their logits."""
        if self._kept is not None:
            yield from self._kept
            return
        for rows, data in self._data.pieces():
            for start in range(0, data.shape[0], self._rows):
                some = slice(start, min(start + self._rows, data.shape[0]))
                at = slice(rows.start + some.start, rows.start + some.stop)
                piece = data.rows(some)
                yield Piece(self, at, piece, piece)

    def sum(self, of_piece: Callable[["Piece", NDArray, int], Any]) -> Any:
        """What a function makes of each piece, θ and the number of rows, summed."""
        if self._data.is_distributed:
            self.objective.passes.count += 1.5 if of_piece is totals else 1.0
            return self._data.sum(
                sum_of_pieces, self._data.view(self.weights), of_piece, self.objective,
                self._theta, self.direction, self.moved,
            )  # fmt: skip
        parts = (of_piece(piece, self._theta, self.n) for piece in self._pieces())
        return reduce(operator.add, parts)

    def certificate(self, wanted: float) -> Certificate:
        """What is proved at θ."""
        o = self.objective
        stationary = self._make_stationary()
        loss, divergence, least, residuals, v = self.sum(totals)
        least = min(0.0, *least)
        weights = o.penalised_weights(self._theta, v, self.direction)
        value = loss + weights.value
        magnitude = np.sqrt(residuals)  # times sizes, at least Σ s|a - y||x| / S
        gap = weights.gap(
            loss,
            lambda alpha: divergence if alpha == 1 else self._divergence(alpha),
            ROUNDING * (magnitude + self._size),
        )
        errors = ROUNDING * (magnitude + self._size) * weights.sizes
        negligible = errors + VANISHING * magnitude * weights.variations
        negligible = negligible + unseen_residual(o.penalty, value, weights.weights.size)
        if (
            weights.lasso is not None
        ):  # a residual like λ is no rounding: a weight may have to enter
            negligible = np.minimum(negligible, errors + LITTLE * weights.lasso)
        is_newton = stationary and bool((np.abs(weights.residual()) <= negligible).all())
        decrease = divergence + weights.decrease()
        bound, rounding = gap.bound if stationary else np.inf, gap.rounding
        held, near = self._held(v), decrease <= wanted
        # float32 may be all that the direction lacks, and more precision costs less than a Hessian
        asks = near and (o.terms.open_ended or (bound > wanted and not uses_float32(o)))
        asks = asks and not self._data.is_distributed
        if asks and is_cheap(o):
            rounding = self._unseen_gain(held, wanted)
            if rounding == np.inf and o.l1 and weights.of_lasso <= BEYOND * wanted:
                # a λ that rounding hides is better left out: F without it is no greater
                rounding = self._unseen_gain(self._held(v, 0.0), wanted)
                decrease = divergence + squares(o.penalty, weights.step) + weights.of_lasso
            bound = (np.sqrt(decrease) + np.sqrt(rounding)) ** 2
        if self._data.is_distributed:  # whose rows would all be needed
            is_newton = False
        elif is_newton and near and bound > wanted:  # if the dependence of columns hides nothing
            enough = BEYOND * wanted
            gain = gain_of_dependence(o, self._rows_at(), held, ROUNDING, enough)
            is_newton = gain <= enough
        else:
            is_newton = False
        of_logits = self._logit_rounding(wanted)
        bound, is_newton = raised(bound, of_logits), is_newton and of_logits <= BEYOND * wanted
        if o.penalty or o.l1:
            bound = min(bound, value)  # as F* >= 0
        return Certificate(
            float(bound), value, least, decrease, is_newton, float(rounding), self._theta
        )

    def _logit_rounding(self, wanted: float) -> float:
        return logit_rounding(
            self.objective, self._theta, lambda: self.sum(rounding_of_logits), wanted
        )

    def _rows_at(self) -> list[RowsAt]:
        return [piece.at_point() for piece in self._pieces()]

    def _unseen_gain(self, held: Held, wanted: float) -> float:
        rows, enough = self._rows_at(), BEYOND * wanted
        return unseen_gain(self.objective, rows, held, ROUNDING, self._theta, enough)

    def _held(self, v: NDArray, share: float = 1.0) -> Held:
        """What the conditions of optimality leave, with a share of λ, v being the gradient of the
        loss at the linearised probabilities."""
        o, table = self.objective, self.objective.parameters.layout.table
        features = np.arange(o.shape[1])
        units = o.parameters.units(features)
        ridge = np.square(np.sqrt(o.penalty) * units)
        ridge[o.free] = 0
        lasso = np.zeros(o.shape[1]) if o.l1 is None else share * units * o.l1.lambdas[features]
        v, there = table(v), table(self._theta) + table(self.direction)
        pull = np.where(there != 0, -lasso * np.sign(there), np.clip(v, -lasso, lasso))
        slack = np.where(there != 0, 0, np.maximum(lasso - np.abs(v), 0))
        return Held(v + ridge * there - pull, slack, ridge, lasso)

    def _divergence(self, alpha: float) -> float:
        """That of y + α(a - y), mean of the rows."""
        n = self._data.shape[0]
        return sum(piece.dual_point(alpha).divergence / n for piece in self._pieces())

    def _make_stationary(self) -> bool:
        """Move the parameters that are not penalised until their v is 0 but for rounding; whether
        it is."""
        o = self.objective
        if not (o.fit_intercept or len(o.free)):
            return True
        for _ in range(ROUNDS):
            off, magnitudes = self.sum(unpenalised_sums) / self.n
            least = NOTHING * (magnitudes.sum(axis=0) + 10 * self._size)
            rounding = np.maximum(STATIONARY * magnitudes, least)
            if (np.abs(off) <= rounding).all():
                return True
            units, factors = self._unpenalised
            step = -units * factors.solve((off * units).reshape(1, -1))[0].reshape(off.shape)
            self.moved += step
            for piece in self._kept or ():
                piece.move(step)
        return False

    @cached_property
    def _unpenalised(self) -> tuple[NDArray[np.float64], ClassFactors]:
        """Units of what is not penalised, and the factors of the Hessian by it in these units.

        Asked for once a step is needed: along Newton's direction as a rule none is.
        """
        H = self.sum(unpenalised_hessian) / self.n
        if self.objective.loss.shift_invariant:
            H += of_shifts(H)
        # classes of hardly any weight have their own scale
        units = 1 / np.sqrt(np.maximum(np.einsum("kiki->ki", H), np.finfo(float).tiny))
        flat = units.ravel()
        return units, ClassFactors((H.reshape(flat.size, -1) * flat[:, None] * flat)[None], THREADS)


class Piece:
    """Some rows, their logits at θ, the change of these along the direction, and residuals.

    Parameters
    ----------
    of : Linearised
    rows : slice
    data, working : Data
        These rows, computed in float64 and in the precision for the direction.
    """

    def __init__(self, of: Linearised, rows: slice, data: Data, working: Data) -> None:
        self.objective = o = of.objective
        self.at, self.data = rows, data
        self.logits = self._logits(data, *of.model)
        change = self._logits(working, *o.parameters.user(of.direction, working.dtype))
        self.residuals = o.loss.logits_of(data)
        self._change = change if working.dtype == FLOAT64 else change.to_float64()
        if of.offset is not None:
            self.logits.put(self.logits.table() + of.offset[rows])
        self._point: tuple[float, DualPoint] | None = None  # α, and what it comes to
        self._shift = np.zeros(o.n_logits)  # of the change, in all rows
        self._free = o.parameters.features(data, o.free) if len(o.free) else None
        if of.moved.any():
            self.move(of.moved)
        self._targets = of.targets[rows]
        self._weights = None if of.weights is None else of.weights[rows]

    def _logits(self, data: Data, W: NDArray, b: NDArray | None) -> StoredLogits:
        """Those of a model, without the offset."""
        o, n = self.objective, data.shape[0]
        out = o.loss.logits_of(data)
        if W.any():
            data.store_logits(W, b, out)
            o.passes.count += 0.5 * n / o.data.shape[0]
        else:
            out.fill(np.zeros(len(W)) if b is None else b)
        return out

    def dual_point(self, alpha: float = 1.0) -> DualPoint:
        """Residuals at the linearised probabilities, scaled by α, and their sums."""
        if self._point is None or self._point[0] != alpha:
            args = self._change, self._targets, self._weights, self.residuals, alpha
            self._point = alpha, self.logits.dual_point(*args, shift=self._shift)
        return self._point[1]

    def gradient(self, theta: NDArray) -> NDArray:
        """The residuals times X, by θ."""
        o = self.objective
        o.passes.count += 0.5 * self.data.shape[0] / o.data.shape[0]
        rows = Rows(self.data, None, None, 0.0)
        return o.parameters.value_and_grad(theta, self.residuals, rows)[1]

    def at_point(self) -> RowsAt:
        """Its probabilities, 0 where the change leaves nothing for that of rounding, and the sizes
        of what the residuals are sums of."""
        self.dual_point()
        loss, targets = self.objective.loss, self._targets
        P, Q = loss.probabilities(self.logits)
        magnitudes = np.abs(self.residuals.table())
        if targets.ndim == 2 and targets.dtype != np.uint8:
            magnitudes += P if self._weights is None else P * self._weights[:, None]
        changes = loss.relative_changes(P, Q, self._change.table() + self._shift)
        full = (changes < VANISHES) & (P > NEVER)
        if loss.shift_invariant:
            full = full.any(axis=1, keepdims=True)
        if (missing := loss.missing(targets)) is not None:
            full |= missing
        return RowsAt(self.data, np.where(full, 0, P), Q, self._weights, magnitudes)

    def unpenalised_sums(self) -> NDArray[np.float64]:
        """The residuals times what is not penalised, and the sums of magnitudes: (2, K, m)."""
        sums = self.dual_point().class_sums[:, :, None]
        if not self.objective.fit_intercept:
            sums = sums[:, :, :0]
        if self._free is None:
            return sums
        table = self.residuals.table()
        of_free = [
            np.einsum("nk,nm->km", *pair)
            for pair in ((table, self._free), (np.abs(table), np.abs(self._free)))
        ]
        return np.concatenate([sums, of_free], axis=2)

    def move(self, by: NDArray) -> None:
        """Change what is not penalised of the direction, (K, m)."""
        self._point = None
        if self.objective.fit_intercept:
            self._shift += by[:, 0]
        if self._free is not None:
            of_free = by[:, self.objective.fit_intercept :]
            self._change.put(self._change.table() + np.einsum("nm,km->nk", self._free, of_free))

    def unpenalised_hessian(self) -> NDArray[np.float64]:
        """The Hessian by what is not penalised, (K, m, K, m)."""
        o, n = self.objective, self.data.shape[0]
        if self._free is None:
            return o.loss.hessian_by_intercepts(self.logits, self._weights)[:, None, :, None]
        columns = np.hstack([np.ones((n, int(o.fit_intercept))), self._free])
        data = self.data.like(columns)
        size = columns.shape[1]
        nothing, one = np.zeros(size), np.ones(size)

        def gram(drawn: RowSample) -> NDArray:
            return data.gram(drawn, nothing, one, 1.0, nothing)

        P, Q = o.loss.probabilities(self.logits)
        return o.loss.hessian(P, Q, self._weights, size, gram)


def totals(piece: Piece, theta: NDArray, n: int) -> Sums:
    """Loss, divergence, the least change, the squares of the residuals and the gradient."""
    point = piece.dual_point()
    scaled = point.loss / n, point.divergence / n, (point.least_change,), point.squares / n
    return Sums((*scaled, piece.gradient(theta).astype(FLOAT64, copy=False)))


def rounding_of_logits(piece: Piece, theta: NDArray, n: int) -> float:
    return rounding_of_rows(piece.objective, theta, piece.at, piece.data, piece.logits)


def unpenalised_sums(piece: Piece, theta: NDArray, n: int) -> NDArray[np.float64]:
    return piece.unpenalised_sums()


def unpenalised_hessian(piece: Piece, theta: NDArray, n: int) -> NDArray[np.float64]:
    return piece.unpenalised_hessian()


def sum_of_pieces(
    partition: Partition,
    view: View,
    of_piece: Callable[[Piece, NDArray, int], Any],
    objective: Objective,
    theta: NDArray,
    direction: NDArray,
    moved: NDArray,
) -> Any:
    """The part of a partition in `Linearised.sum`: what a worker adds up."""
    n = objective.data.shape[0]
    here = objective.of_rows(partition.data(FLOAT64), *partition.numbers(view))
    linearised = Linearised(here, theta, direction, moved)
    linearised.n = n
    return linearised.sum(of_piece)
