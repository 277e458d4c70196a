"""A point, and the objective along a line from it.

A solver sets a direction (`set_direction`), evaluates F at steps of any length (`evaluate`), takes
one of them (`step`).
"""

import math
from collections.abc import Iterator
from copy import copy
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import Data, SparseData, StoredLogits, Variances
from fastsoftmax._engine.linalg import add, dot
from fastsoftmax._engine.line_search.phi import (
    NEAR_OF_PASS,
    NEAR_OF_STORED,
    NEAR_OF_SUBSAMPLE,
    Path,
    Trial,
    parabola,
)
from fastsoftmax._engine.line_search.shrinking import ActiveRows, Shrinking, Tangent
from fastsoftmax._engine.objective.objective import Objective
from fastsoftmax._engine.objective.rows import Part, Rows


class Sample(NamedTuple):
    """Logits of every step-th row, and scratch of their size until the next `set_direction`."""

    logits: StoredLogits
    scratch: StoredLogits
    step: int


class Line(Protocol):
    """A point θ with F and ∇F there, and a direction."""

    theta: NDArray
    value: float
    gradient: NDArray
    incremental_logits: bool  # whether F and gradient are those of logits that steps update
    evaluation_is_free: bool  # whether `evaluate` costs no pass over X, and changes nothing
    near: float  # |φ'| at the end of a search, as a share of |φ'(0)|
    complete: bool  # whether F is that of all rows, rather than of some and a tangent
    way_back: NDArray | None  # the way to where F was lower, if it has risen since

    def set_direction(self, direction: NDArray) -> None: ...

    def reach(self) -> float: ...

    def subsample(self) -> "Path | None": ...

    def evaluate(self, t: float) -> Trial: ...

    def step(self, t: float) -> None: ...

    def update_active_rows(self) -> bool: ...

    def verify_logits(self) -> None: ...

    def restart(self, theta: NDArray) -> None: ...

    def hessian_times(self, direction: NDArray) -> NDArray: ...

    def logits(self, rows: int) -> StoredLogits: ...

    def sample(self) -> "Sample": ...

    def variances(self) -> Variances: ...


SUBSAMPLE_ROWS = 2048  # rows of the subsample, which is searched first if there are twice as many
UNRELIABLE = 0.3  # of the slope that is left where it is 0 on the subsample: that is not used again
FEW_FEATURES = 128  # features, up to which φ of all stored logits is expensive beside a pass


class StoredLine:
    """On stored logits: half a pass for a direction, none to evaluate φ, half a pass for a step.

    After a search on a subsample, evaluating φ takes the step, which is half a pass.
    """

    incremental_logits = True
    evaluation_is_free = True
    _subsample_is_unreliable = False
    _current_step = 0.0  # the step at which θ and logits are, from where the direction was set
    _probabilities: StoredLogits | None = None

    def __init__(self, objective: Objective, theta: NDArray) -> None:
        self._objective = objective
        self._all_rows = Part(objective.loss, objective.rows)
        self._shrinking = Shrinking(objective, theta)
        self.theta = theta.copy()
        self._from_theta()

    @property
    def complete(self) -> bool:
        return self._tangent is None

    def verify_logits(self) -> None:
        """All logits anew from θ: sums of many steps drift, and inactive rows may matter again."""
        if self._tangent is not None:
            self._shrinking.failed_checks += 1
        self._evaluate_all_rows()

    def restart(self, theta: NDArray) -> None:
        """Take another point, its logits computed from θ."""
        self.theta = theta
        self._from_theta()

    def update_active_rows(self) -> bool:
        """Choose the active rows, or evaluate all again, where it is time for either.

        Whether F and its gradient are others now.
        """
        if not self._shrinking.due:
            return False
        if self._tangent is not None:
            self._evaluate_all_rows()
            return True
        active = self._shrinking.choose(self._all_rows.logits)
        if active is not None:
            active.read(self._all_rows.logits)
            others = copy(self._all_rows)
            others.rows = active.others(self._objective)
            self._tangent = Tangent(
                self.theta, self.value, *self._objective.value_and_grad(self.theta, others)
            )
            self._part = active
        return False

    def _evaluate_all_rows(self) -> None:
        before = self._tangent
        self._from_theta()
        if before is not None and self.value > before.total:
            self.way_back = before.theta - self.theta
            self._shrinking.reactivate(self._all_rows.logits)

    def _from_theta(self) -> None:
        self._part: Part = self._all_rows
        self._tangent: Tangent | None = None
        self.way_back: NDArray | None = None
        self._objective.store_logits(self.theta, self._all_rows.logits)
        self._evaluate_gradient()

    def _store_change(self, direction: NDArray) -> None:
        o, part = self._objective, self._part
        o.passes.count += 0.5 * part.logits.n / self._all_rows.logits.n
        part.rows.data.store_logits(*o.user(direction), part.change)

    def _evaluate_gradient(self, t: float | None = None) -> None:
        """From the logits, once they are moved by t."""
        self._probabilities = None
        self.value, self.gradient = self._objective.value_and_grad(self.theta, self._part, t)
        if self._tangent is not None:
            self.value += self._tangent.evaluate(self.theta)
            self.gradient += self._tangent.gradient

    def set_direction(self, direction: NDArray) -> None:
        """Take a direction."""
        self._direction = direction
        self._store_change(direction)
        self._parabola = parabola(self._objective, self.theta, direction)
        if self._tangent is not None:
            self._parabola += self._tangent.along(self.theta, direction)
        self._path = Path(self._part, self._parabola, 1 / self._all_rows.logits.n, NEAR_OF_STORED)
        self.evaluation_is_free, self._current_step = True, 0.0

    def reach(self) -> float:
        """The most that a unit step changes any logit."""
        return self._part.change.largest()

    @property
    def near(self) -> float:
        return self._path.near if self.evaluation_is_free else NEAR_OF_PASS

    def subsample(self) -> Path | None:
        """φ of a subsample, where there are many rows."""
        logits = self._part.logits
        every = logits.n // SUBSAMPLE_ROWS
        few = every < 2 or self._part is not self._all_rows
        if few or self._objective.data.shape[1] > FEW_FEATURES or self._subsample_is_unreliable:
            return None
        self.evaluation_is_free, self._before = (
            False,
            (self.value, dot(self.gradient, self._direction)),
        )
        return Path(
            self._part, self._parabola, 1 / self._all_rows.logits.n, NEAR_OF_SUBSAMPLE, every
        )

    def evaluate(self, t: float) -> Trial:
        if self.evaluation_is_free:
            return self._path.evaluate(t)
        self._take_step(t)
        slope, (value, steepest) = dot(self.gradient, self._direction), self._before
        self._subsample_is_unreliable = not (
            self.value <= value and abs(slope) <= UNRELIABLE * abs(steepest)
        )
        return Trial(self.value, slope, np.nan)

    def step(self, t: float) -> None:
        if self.evaluation_is_free or t != self._current_step:
            self._take_step(t)
        self._shrinking.steps += 1

    def _take_step(self, t: float) -> None:
        o, part = self._objective, self._part
        if self._current_step:  # what a long step has added does not come off to all digits
            self.theta = self._begin.copy()
            add(self.theta, t, self._direction, o.data.n_threads)
            o.store_logits(self.theta, part.logits)
            self._evaluate_gradient()
        else:
            if not self.evaluation_is_free:
                self._begin, self.theta = self.theta, self.theta.copy()
            add(self.theta, t, self._direction, o.data.n_threads)
            self._evaluate_gradient(t)
        self._current_step = t

    def _catch_up(self) -> Part:
        """All rows; the logits of the inactive ones as they were."""
        if isinstance(self._part, ActiveRows):
            self._part.write(self._all_rows.logits)
        return self._all_rows

    def logits(self, rows: int) -> StoredLogits:
        """The present logits of about so many rows, evenly spread; of all of them for 0."""
        logits = self._catch_up().logits
        return logits.some(rows) if rows else logits

    def sample(self) -> "Sample":
        """The logits to draw rows from: all."""
        all_rows = self._catch_up()
        return Sample(all_rows.logits, all_rows.change, 1)

    def hessian_times(self, direction: NDArray) -> NDArray:
        """The Hessian of loss and ridge, of all rows, times a direction, in a pass.

        A direction has to be set anew after it.
        """
        self._catch_up()
        self._store_change(direction)
        o, curved = self._objective, self.curve(self._all_rows.change)
        o.passes.count += 0.5
        rows = Rows(o.data, None, None, o.penalty)
        return o.parameters.value_and_grad(direction, curved, rows)[1]

    def curve(self, change: StoredLogits) -> StoredLogits:
        """The Hessian of the losses by the logits times a change of these, in its place."""
        if self._probabilities is None:
            self._probabilities = self._all_rows.logits.probabilities()
        self._probabilities.curve(change, self._objective.weights)
        return change

    def variances(self) -> Variances:
        """Each row's weight times p(1 - p); until `set_direction`."""
        all_rows = self._catch_up()
        all_rows.logits.variances(self._objective.weights, all_rows.change)

        def tiles(data: SparseData, rows: slice, begin: int) -> Iterator[NDArray]:
            yield all_rows.change.part(slice(begin + rows.start, begin + rows.stop)).tiles

        return tiles


class FusedLine:
    """Nothing is kept between passes, and every evaluation of φ is one: logits would take too
    much."""

    incremental_logits = evaluation_is_free = False
    complete = True
    near = NEAR_OF_PASS
    way_back = None

    def __init__(self, objective: Objective, theta: NDArray) -> None:
        self._objective = objective
        self.theta = theta
        self.verify_logits()

    def verify_logits(self) -> None:
        self.value, self.gradient = self._objective.value_and_grad(self.theta)

    def restart(self, theta: NDArray) -> None:
        """Take another point."""
        self.theta = theta
        self.verify_logits()

    def set_direction(self, direction: NDArray) -> None:
        """Take a direction."""
        self._direction = direction
        self._seen: tuple[float, NDArray, float, NDArray] | None = None
        o = self._objective
        step = max(1, o.data.shape[0] // SUBSAMPLE_ROWS)
        weights = None if o.weights is None else np.ascontiguousarray(o.weights[::step])
        part = Part(
            o.loss,
            Rows(o.data.every(step), np.ascontiguousarray(o.targets[::step]), weights, o.penalty),
        )
        self._store(part.rows.data, self.theta, part.logits)
        self._store(part.rows.data, direction, part.change)
        self._path = Path(
            part, parabola(o, self.theta, direction), 1 / part.logits.n, NEAR_OF_SUBSAMPLE
        )

    def reach(self) -> float:
        """The most that a unit step changes a logit of the subsample."""
        return self._path.part.change.largest()

    def update_active_rows(self) -> bool:
        """Nothing is known of single rows."""
        return False

    def subsample(self) -> Path:
        """φ of a subsample: near that of all rows, for 1/100 of a pass."""
        return self._path

    def evaluate(self, t: float) -> Trial:
        theta = self.theta + t * self._direction
        value, gradient = self._objective.value_and_grad(theta)
        self._seen = t, theta, value, gradient
        return Trial(value, dot(gradient, self._direction), np.nan)

    def step(self, t: float) -> None:
        if self._seen is None or self._seen[0] != t:
            self.evaluate(t)
        _, self.theta, self.value, self.gradient = self._seen

    def logits(self, rows: int) -> StoredLogits:
        """The present logits of about so many rows, evenly spread; of all of them for 0."""
        step = max(1, self._objective.data.shape[0] // rows) if rows else 1
        return self._of_every(step, self.theta)

    def sample(self) -> "Sample":
        """Logits to draw rows from: of as many as there is room for."""
        data = self._objective.data
        size = StoredLogits.bytes(data.shape[0], self._objective.n_logits, data.dtype)
        step = math.ceil(size / (self._objective.memory.sample))
        logits = self._of_every(step, self.theta)
        return Sample(logits, logits.like(), step)

    def hessian_times(self, direction: NDArray) -> NDArray:
        """The Hessian of loss and ridge times a direction, some rows at a time, in 1.5 passes."""
        o, product = self._objective, np.zeros(self.theta.size)
        ridge, most = o.penalty, self._rows_at_a_time()
        for rows, data in o.data.pieces():
            for start in range(0, data.shape[0], most):
                part = data.rows(slice(start, min(start + most, data.shape[0])))
                at = slice(rows.start + start, rows.start + start + part.shape[0])
                weights = None if o.weights is None else o.weights[at]
                curved = self._curved(part, direction, weights)
                some = Rows(part, None, None, ridge)
                product += o.parameters.value_and_grad(direction, curved, some)[1]
                del curved  # before there are those of the next rows
                o.passes.count += 0.5 * part.shape[0] / o.data.shape[0]
                ridge = 0.0
        return product

    def _curved(self, part: Data, direction: NDArray, weights: NDArray | None) -> StoredLogits:
        """Of some rows the Hessian of each row's loss times the logits of the direction."""
        change, probabilities = self._of(part, direction), self._of(part, self.theta)
        probabilities.probabilities(probabilities).curve(change, weights)
        return change

    def _rows_at_a_time(self) -> int:
        o = self._objective
        tile = StoredLogits.bytes(1, o.n_logits, o.data.dtype)
        return max(1, int(o.memory.sample / tile)) * StoredLogits.tile_rows(o.data.dtype)

    def variances(self) -> Variances:
        """Each row's weight times p(1 - p), of as many rows at a time as there is room for."""
        o, most = self._objective, self._rows_at_a_time()

        def tiles(data: SparseData, rows: slice, begin: int) -> Iterator[NDArray]:
            for start in range(rows.start, rows.stop, most):
                end = min(start + most, rows.stop)
                logits = self._of(data.rows(slice(start, end)), self.theta)
                weights = None if o.weights is None else o.weights[begin + start : begin + end]
                logits.variances(weights, logits)
                yield logits.tiles

        return tiles

    def _of_every(self, step: int, theta: NDArray) -> StoredLogits:
        return self._of(self._objective.data.every(step), theta)

    def _of(self, data: Data, theta: NDArray) -> StoredLogits:
        """The logits of some rows at θ."""
        out = self._objective.loss.logits_of(data)
        self._store(data, theta, out)
        return out

    def _store(self, data: Data, theta: NDArray, out: StoredLogits) -> None:
        o = self._objective
        data.store_logits(*o.user(theta), out)
        o.passes.count += 0.5 * data.shape[0] / o.data.shape[0]
