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
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import (
    Partition,
    StoredLogits,
    View,
    as_dtype,
    some_rows,
)
from fastsoftmax._engine.objective.objective import Objective
from fastsoftmax._engine.objective.penalised_weights import (
    PenalisedWeights,
    squares,
    unseen_residual,
)
from fastsoftmax._engine.objective.precision import uses_float32
from fastsoftmax._engine.objective.rounding import ROUNDING, raised
from fastsoftmax._engine.solvers import refinement
from fastsoftmax._engine.solvers.curved_rows import CurvedRows
from fastsoftmax._engine.solvers.linearised_rows import (
    FLOAT64,
    Piece,
    gradients,
    logits_at,
    rounding_of_logits,
    totals,
    unpenalised_columns,
    unpenalised_sums,
    unpenalised_sums_and_hessian,
)
from fastsoftmax._engine.solvers.logit_rounding import logit_rounding
from fastsoftmax._engine.solvers.unpenalised_curvature import UnpenalisedCurvature
from fastsoftmax._engine.solvers.unseen import (
    Held,
    RowsAt,
    gain_of_dependence,
    is_cheap,
    unseen_gain,
)


@dataclass(frozen=True)
class CertificateRules:
    """What counts as rounding, and how what is not penalised is moved (0050 and 0064).

    Residuals are shares of Σ s|a - y||x| / S.
    """

    stationary: float = 1e-13  # a v that is 0 but for rounding
    unlikely: float = 1e-16  # summed over the classes: for those of hardly any probability
    residual: float = 1e-10  # of Newton's step, made anew: ten times what is left when it was made
    of_lasso: float = 0.1  # of λ: a residual that hides no weight that should enter
    hidden: float = 0.1  # of the tolerance: what rounding may add to a bound
    rounds: int = 8  # of moving what is not penalised: Newton's steps
    solved: float = 0.5  # of a v that is 0 but for rounding: what one of them may leave

    def rounding(self, magnitudes: NDArray[np.float64], size: float) -> NDArray[np.float64]:
        """What a v of 0 may be off by, (K, m), for targets of this size."""
        least = self.unlikely * (magnitudes.sum(axis=0) + 10 * size)
        return np.maximum(self.stationary * magnitudes, least)


USUAL = CertificateRules()


class Certificate(NamedTuple):
    """What is proved at a point θ."""

    bound: float  # at least F - F*; infinity without a penalty, as a rule
    value: float  # F at θ
    least_change: float  # the least relative change of a probability along d
    decrease: float  # of F along d, about; as a rule the bound if d were exactly Newton's step
    is_newton: bool  # whether d is that, but for rounding
    rounding: float  # what rounding alone makes of the bound
    theta: NDArray
    direction: NDArray  # d


def certify(
    objective: Objective,
    theta: NDArray,
    direction: NDArray,
    wanted: float,
    rules: CertificateRules = USUAL,
) -> Certificate:
    """The bound at θ from probabilities that are linearised along a direction.

    The Hessian is made where the rounding alone would be too much for the bound that is wanted, and
    the direction is refined where that does not suffice.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        linearised = Linearised(objective, theta, direction, rules=rules)
        certificate = linearised.certificate(wanted)
        certificate = refined(certificate, linearised, 1.0, wanted)
        if objective.l1 and certificate.bound > wanted:
            W, _ = objective.parameters.user(theta, FLOAT64)
            if objective.l1.value(W) <= rules.hidden * wanted:
                certificate = refined(certificate, linearised, 0.0, wanted)
        return certificate


def refined(
    certificate: Certificate, linearised: "Linearised", share: float, wanted: float
) -> Certificate:
    """A better one, along a direction that is closer to Newton's, as far as there is.

    The share is that of λ: 0 where λ adds next to nothing to F, so that probabilities with v = 0
    are as good as any.
    """
    o = linearised.objective
    if uses_float32(o) or o.data.is_distributed or not refinement.is_cheap(o):
        return certificate
    for _ in range(refinement.USUAL.rounds):
        if not certificate.decrease <= wanted < certificate.bound:
            break
        step = linearised.correction(share)
        if step is None:
            break
        direction = linearised.direction + step
        linearised = Linearised(o, certificate.theta, direction, rules=linearised.rules)
        other = linearised.certificate(wanted)
        if not other.decrease <= wanted:
            break
        if other.bound <= certificate.bound:
            kept = other.direction if share == 1 else certificate.direction
            certificate = other._replace(direction=kept)
    return certificate


def certify_at(
    objective: Objective, theta: NDArray, log_odds: NDArray, wanted: float
) -> tuple[Certificate, NDArray]:
    """The bound at θ from probabilities of one logit, given by their log-odds (n, 1); and ∇F."""
    with np.errstate(over="ignore", invalid="ignore"):
        linearised = Linearised(objective, theta, np.zeros_like(theta), log_odds=log_odds)
        return linearised.certificate(wanted), linearised.gradient()


class Linearised:
    """Probabilities of θ, linearised along a direction.

    Parameters
    ----------
    objective : Objective
    theta, direction : ndarray
    moved : ndarray, optional
        What is not penalised of the direction is changed by.
    log_odds : ndarray of shape (n, 1), optional
        Of probabilities of one logit, which are taken in place of linearised ones.
    rules : CertificateRules, optional
    """

    def __init__(
        self,
        objective: Objective,
        theta: NDArray,
        direction: NDArray,
        moved: NDArray | None = None,
        log_odds: NDArray | None = None,
        rules: CertificateRules = USUAL,
    ) -> None:
        self.objective, self._theta, self.direction = objective, theta, direction
        self.log_odds, self.rules = log_odds, rules
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
        self._unpenalised = UnpenalisedCurvature(objective, self.moved.shape)
        self._kept = None
        if n <= self._rows and not self._data.is_distributed:
            self._kept = [Piece(self, slice(0, n), self._data, objective.data)]

    def _pieces(self) -> Iterator[Piece]:
        """All rows, with their logits."""
        if self._kept is not None:
            yield from self._kept
            return
        for at, piece in some_rows(self._data, self._rows):
            yield Piece(self, at, piece, piece)

    def curved_rows(self, first: int) -> Iterator[CurvedRows]:
        """The rows from the first on, for products with the Hessian by what is not penalised: in
        the precision of the solver, as the direction is."""
        if self._kept is not None:
            yield from (piece.curved() for piece in self._kept if first == 0)
            return
        o, dtype = self.objective, self.objective.data.dtype
        model = o.parameters.user(self._theta, dtype)
        most = self._rows * FLOAT64.itemsize // dtype.itemsize
        for at, data in some_rows(o.data, most, first):
            weights = None if self.weights is None else as_dtype(self.weights[at], dtype)
            yield CurvedRows(
                logits_at(self, at, data, model), weights, unpenalised_columns(o, data)
            )

    def sum(self, of_piece: Callable[[Piece, NDArray, int], Any]) -> Any:
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
        (loss, divergence, least, residuals, v), stationary = self._stationary_totals()
        least, enough = min(0.0, *least), self.rules.hidden * wanted
        weights = o.penalised_weights(self._theta, v, self.direction)
        value = loss + weights.value
        magnitude = np.sqrt(residuals)  # times sizes, at least Σ s|a - y||x| / S
        gap = weights.gap(
            loss,
            lambda alpha: divergence if alpha == 1 else self._divergence(alpha),
            ROUNDING * (magnitude + self._size),
        )
        decrease = divergence + weights.decrease()
        bound, rounding = gap.bound if stationary else np.inf, gap.rounding
        near = decrease <= wanted
        # float32 may be all that the direction lacks, and more precision costs less than a Hessian
        asks = near and (o.terms.open_ended or (bound > wanted and not uses_float32(o)))
        asks = asks and not self._data.is_distributed
        if asks and is_cheap(o):
            rounding = self._unseen_gain(self._held(v), wanted)
            if rounding == np.inf and o.l1 and weights.of_lasso <= enough:
                # a λ that rounding hides is better left out: F without it is no greater
                rounding = self._unseen_gain(self._held(v, 0.0), wanted)
                decrease = divergence + squares(o.penalty, weights.step) + weights.of_lasso
            of_hessian = (np.sqrt(decrease) + np.sqrt(rounding)) ** 2
            # what a penalty proves holds as well
            bound = of_hessian if o.terms.open_ended else min(bound, of_hessian)
        if self._data.is_distributed:  # whose rows would all be needed
            is_newton = False
        elif near and bound > wanted and stationary and self._is_newton(weights, value, magnitude):
            # if the dependence of columns hides nothing
            held, rows = self._held(v), self._rows_at()
            gain = gain_of_dependence(o, rows, held, enough)
            is_newton = gain <= enough
        else:
            is_newton = False
        of_logits = logit_rounding(o, self._theta, lambda: self.sum(rounding_of_logits), wanted)
        bound, is_newton = raised(bound, of_logits), is_newton and of_logits <= enough
        if o.penalty or o.l1:
            bound = min(bound, value)  # as F* >= 0
        return Certificate(
            float(bound), value, least, decrease, is_newton, float(rounding), self._theta,
            self.direction,
        )  # fmt: skip

    def _is_newton(self, weights: PenalisedWeights, value: float, magnitude: float) -> bool:
        """Whether the direction is Newton's step, but for rounding."""
        if self.log_odds is not None:
            return False
        o = self.objective
        errors = ROUNDING * (magnitude + self._size) * weights.sizes()
        negligible = errors + self.rules.residual * magnitude * weights.variations()
        negligible = negligible + unseen_residual(o.penalty, value, weights.weights.size)
        if weights.lasso is not None:  # a residual like λ is no rounding: weights may have to enter
            negligible = np.minimum(negligible, errors + self.rules.of_lasso * weights.lasso)
        return bool((np.abs(weights.residual()) <= negligible).all())

    def gradient(self) -> NDArray[np.float64]:
        """∇F at θ."""
        return self.sum(gradients)

    def _rows_at(self) -> Iterator[RowsAt]:
        return (piece.at_point() for piece in self._pieces())

    def _unseen_gain(self, held: Held, wanted: float) -> float:
        enough = self.rules.hidden * wanted
        return unseen_gain(self.objective, self._rows_at, held, self._theta, enough)

    def _held(self, v: NDArray, share: float = 1.0) -> Held:
        """What the conditions of optimality leave, with a share of λ, v being the gradient of the
        loss at the linearised probabilities."""
        o, table = self.objective, self.objective.parameters.layout.table
        features = np.arange(o.shape[1])
        units = o.parameters.units(features)
        ridge = np.square(np.sqrt(o.penalty) * units)
        ridge[o.free] = 0
        v, there = table(v), table(self._theta) + table(self.direction)
        if o.l1 is None:
            nothing = np.zeros_like(v)
            return Held(v + ridge * there, nothing, ridge, nothing[0])
        lasso = share * units * o.l1.lambdas[features]
        pull, slack = o.l1.held(lasso, v, there)
        return Held(v + ridge * there - pull, slack, ridge, lasso)

    def correction(self, share: float) -> NDArray | None:
        """What makes the direction Newton's, but for rounding, with a share of λ."""
        (*_, v), _ = self._stationary_totals()
        held = self._held(v, share)
        rows = [piece.at_theta() for piece in self._pieces()]
        return refinement.correction(self.objective, rows, held, self._theta + self.direction)

    def _divergence(self, alpha: float) -> float:
        """That of y + α(a - y), mean of the rows."""
        n = self._data.shape[0]
        return sum(piece.dual_point(alpha).divergence / n for piece in self._pieces())

    def _stationary_totals(self) -> tuple[tuple[Any, ...], bool]:
        """The totals once what is not penalised is moved until its v is 0 but for rounding; and
        whether it is."""
        sums = self._unpenalised_sums()
        for _ in range(self.rules.rounds):
            if self._is_stationary(sums):
                break
            self._move(*sums / self.n)
            if self._kept is not None:
                sums = self.sum(unpenalised_sums)
                continue
            *found, sums = self.sum(totals)  # as a rule the move is enough
            if self._is_stationary(sums):
                return tuple(found), True
        *found, sums = self.sum(totals)
        return tuple(found), self._is_stationary(sums)

    def _unpenalised_sums(self) -> NDArray[np.float64]:
        """Of the residuals and of their magnitudes, by what is not penalised; with the Hessian
        where rows are not kept and would be gone through again for it."""
        if not self.moved.size:
            return np.zeros((2, *self.moved.shape))
        if self._kept is not None or not self._unpenalised.as_matrix:
            return self.sum(unpenalised_sums)
        sums, hessian = self.sum(unpenalised_sums_and_hessian)
        self._unpenalised.know(hessian)
        return sums

    def _is_stationary(self, sums: NDArray[np.float64]) -> bool:
        off, magnitudes = sums / self.n
        return bool((np.abs(off) <= self.rules.rounding(magnitudes, self._size)).all())

    def _move(self, off: NDArray[np.float64], magnitudes: NDArray[np.float64]) -> None:
        """Newton's step of what is not penalised, from its v."""
        enough = self.rules.solved * self.rules.rounding(magnitudes, self._size)
        step = self._unpenalised.step(self, off, enough)
        self.moved += step
        for piece in self._kept or ():
            piece.move(step)


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
