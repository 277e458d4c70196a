"""Dual coordinate ascent for two classes of a sparse X (Yu, Huang & Lin 2011).

Rows are taken one at a time, in an order that the seed draws anew for each epoch. An epoch takes as
long as a pass or two, and where the penalty holds each row's own probability about as much as all
other rows do, a few epochs suffice.

The intercept is not penalised. The method of multipliers (Hestenes 1969; Powell 1969) holds it: a
constant feature, whose weight is penalised as the distance of the intercept from a centre, and the
centre moves to the intercept once that distance is most of what is left to gain.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import DualRows
from fastsoftmax._engine.data.column_sums import add_weighted_sums
from fastsoftmax._engine.linalg import dot
from fastsoftmax._engine.line_search import LineRules, iterate_at
from fastsoftmax._engine.objective import Objective
from fastsoftmax._engine.objective.loss import MISSING
from fastsoftmax._engine.solvers import preconditioned
from fastsoftmax._engine.solvers.base import Options, Result, Run, register
from fastsoftmax._engine.solvers.certificate import certify_at

SURE = 1e4  # log-odds of a label


@dataclass(frozen=True)
class AscentRules:
    """When a proof is tried, L-BFGS goes on, and the centre moves (0065)."""

    ready: float = 0.5  # of the tolerance: what seems left to gain when a proof is tried
    epochs: int = 30  # after which, or where more seem to be needed, L-BFGS goes on
    known: int = 3  # epochs after which that can be told
    share: float = 0.3  # of the change of a row's probability, by which the intercept moves at once
    little: float = 0.1  # of the tolerance and of what is left: what the distance may add to F
    near: float = 0.3  # of F: where no more seemed left, L-BFGS goes on, else it begins anew
    steepest: float = 0.05  # times what an epoch gained, at least, the next may gain
    rounded: float = 0.01  # of a bound: if what seems left is less, rounding is the rest


USUAL = AscentRules()


class Point(NamedTuple):
    """θ, and what is known there."""

    theta: NDArray
    value: float
    gradient: NDArray | None = None


@register("dual-ascent", needs=("smooth", "dual"))
def minimize_dual_ascent(objective: Objective, theta: NDArray, options: Options) -> Result:
    """Dual coordinate ascent, and L-BFGS where that takes many epochs."""
    run, ascent, start = Run(objective, options), Ascent(objective, theta, options.seed), theta
    outlook = Outlook()
    while not outlook.is_poor:
        gain, value = ascent.epoch(), ascent.value()
        run.record(value, None)
        tolerance = run.tolerance(value)
        left = outlook.left(gain, tolerance)
        run.notify(ascent.theta, left if outlook.is_known else math.inf)
        if ascent.of_distance() > USUAL.little * max(tolerance, left):
            ascent.move_centre()
        elif outlook.is_known and left <= USUAL.ready * tolerance:
            theta = ascent.theta.astype(np.float64)
            certificate, gradient = certify_at(objective, theta, ascent.log_odds, tolerance)
            if run.proves(certificate):
                return run.end(Point(theta, certificate.value, gradient))
            outlook.correct(certificate.bound)
        if run.stops(Point(ascent.theta, value)):
            break
    if gain <= USUAL.near * value:
        start = better(objective, ascent.theta.astype(np.float64), start)
    return preconditioned.go_on(run, start)


def better(objective: Objective, theta: NDArray, start: NDArray) -> NDArray:
    """The one of two points where F is less: after a few epochs it may be far above the start."""
    ours, at_start = (iterate_at(objective, point, LineRules()).value for point in (theta, start))
    return theta if ours <= at_start else start


class Outlook:
    """What seems left to gain, by what epochs have gained, and whether more are worth it."""

    def __init__(self) -> None:
        self._gains: list[float] = []
        self._factor = 1.0
        self._left = math.inf
        self.is_poor = False

    @property
    def is_known(self) -> bool:
        """Not at first: what an epoch gains says nothing of rows that it met for the first time."""
        return len(self._gains) >= USUAL.known

    def left(self, gain: float, tolerance: float) -> float:
        """After an epoch that gained so much."""
        self._gains.append(gain)
        # whatever the gains say: where they are rounding, moves of the centre would have no end
        self.is_poor = len(self._gains) >= USUAL.epochs
        if not (self.is_known and gain > 0):
            return gain
        before = self._gains[-2]
        rate = min(max(gain / before, USUAL.steepest), 1.0) if before > 0 else 1.0
        self._left = self._factor * rate * gain
        if len(self._gains) > USUAL.known and self._left > tolerance:
            more = math.log(tolerance / gain) / math.log(rate) if rate < 1 else math.inf
            self.is_poor |= len(self._gains) + more > USUAL.epochs
        return self._left

    def correct(self, bound: float) -> None:
        """By the bound that was proved in place of what seemed left."""
        self.is_poor |= self._left <= USUAL.rounded * bound
        self._factor *= bound / max(self._left, USUAL.rounded * bound)


class Ascent:
    """The probabilities of the dual problem, and the θ that they stand for.

    Parameters
    ----------
    objective : Objective
        Of one logit and a sparse X.
    theta : ndarray
        Where to begin.
    seed : int
        Of the orders of the rows.
    """

    def __init__(self, objective: Objective, theta: NDArray, seed: int) -> None:
        self._objective = o = objective
        self._rng = np.random.default_rng(seed)
        (n, d), dtype = o.data.shape, o.data.dtype
        self._targets = o.targets.reshape(n).astype(dtype)
        self._scales = np.full(n, 1 / (o.penalty * n), dtype)
        if o.weights is not None:
            self._scales *= o.weights
        if o.targets.dtype == np.uint8:
            self._scales[self._targets == MISSING] = 0
        self._constant = USUAL.share * o.penalty * n if o.fit_intercept else 0.0
        offset = None if o.offset is None else o.offset.table()[:, 0]
        self._rows = DualRows(o.data, self._scales, self._constant, offset)
        self.theta = theta.astype(dtype)
        self._weights, b = self.theta[:d], self.theta[d:]
        self._intercept = b if o.fit_intercept else np.zeros(1, dtype)
        self._centre = float(self._intercept[0])
        self._logits = o.loss.logits_of(o.data)  # scratch
        self._start(theta)

    def _start(self, theta: NDArray) -> None:
        """At probabilities that are the targets; or between these and the model's, from weights."""
        a = self._targets
        if self._weights.any():
            a = self._between(theta)
        with np.errstate(divide="ignore"):
            log_odds = np.log(a) - np.log1p(-a)
        self.log_odds[:, 0] = np.clip(log_odds, -SURE, SURE)

    def _between(self, theta: NDArray) -> NDArray:
        """Probabilities between the targets, which stand for weights of 0, and the model's: those
        whose weights are nearest to the model's. θ becomes what they stand for."""
        o, targets = self._objective, self._targets
        logits = self._logits
        o.store_logits(theta, logits)
        difference = logits.probabilities().table()[:, 0] - targets
        logits.put((self._scales * difference)[:, None])
        weights = np.zeros((len(self._weights), 1))
        totals = add_weighted_sums(o.data, logits, weights)
        o.passes.count += 0.5
        weights = -weights[:, 0]
        square, product = dot(weights, weights), dot(weights, theta[: len(weights)])
        share = min(max(product / square, 0.0), 1.0) if square else 0.0
        self._weights[:] = share * weights
        self._centre += self._constant * share * float(totals[0])
        return targets + share * np.where(self._scales > 0, difference, 0)

    @property
    def log_odds(self) -> NDArray:
        """Of the probabilities, (n, 1)."""
        return self._rows.log_odds

    def epoch(self) -> float:
        """Take every row once; about what F - F* was on the way."""
        o = self._objective
        o.passes.count += 1
        return o.penalty * self._rows.epoch(self._rng, self._weights, self._intercept)

    def value(self) -> float:
        """About F: each logit is nearly the log-odds that were made of it."""
        o, w = self._objective, self._weights
        logits = self._logits
        logits.put(self.log_odds)
        loss = logits.along(logits, 0.0, o.targets, o.weights, 1 / logits.n)[0]
        return float(loss + 0.5 * o.penalty * dot(w, w))

    @property
    def _distance(self) -> float:
        """Of the intercept from the centre."""
        return float(self._intercept[0]) - self._centre

    def of_distance(self) -> float:
        """What the distance adds to F as it is minimised."""
        return 0.5 * self._objective.penalty * self._distance**2 / (self._constant or 1.0)

    def move_centre(self) -> None:
        """To the intercept: the same probabilities then stand for one further on."""
        distance = self._distance
        self._centre += distance
        self._intercept[0] += distance
