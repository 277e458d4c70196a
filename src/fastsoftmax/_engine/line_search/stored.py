"""An iterate whose logits are stored, and φ from these."""

from collections.abc import Iterator
from copy import copy
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import SparseData, StoredLogits, Variances
from fastsoftmax._engine.linalg import add, dot
from fastsoftmax._engine.line_search.iterate import Sample
from fastsoftmax._engine.line_search.phi import Path, Trial, parabola
from fastsoftmax._engine.line_search.rules import LineRules
from fastsoftmax._engine.line_search.shrinking import ActiveRows, Shrinking, Tangent
from fastsoftmax._engine.objective.objective import Objective
from fastsoftmax._engine.objective.rows import Part, Rows


class Seen(NamedTuple):
    """A point of a line where F is known on all rows."""

    t: float
    theta: NDArray
    value: float
    gradient: NDArray


class StoredLine:
    """φ from the logits and their change, without a pass."""

    def __init__(self, iterate: "StoredIterate", direction: NDArray, parabola: NDArray) -> None:
        self._iterate, self.direction = iterate, direction
        self._part, self._parabola = iterate.part, parabola
        self.near = iterate.rules.near_of_stored
        self._path = Path(self._part, parabola, self._scale, self.near)
        self.seen: Seen | None = None  # where `by_passes` was evaluated last

    @property
    def displaced(self) -> bool:
        return self._path.at != 0

    @property
    def _scale(self) -> float:
        return 1 / self._iterate.all_rows.logits.n

    def evaluate(self, t: float) -> Trial:
        return self._path.evaluate(t)

    def reach(self) -> float:
        return self._part.change.largest()

    def subsample(self) -> Path | None:
        """Where rows are many and features few: else φ costs little."""
        it, rules = self._iterate, self._iterate.rules
        every = self._part.logits.n // rules.subsample_rows
        few = every < 2 or self._part is not it.all_rows
        if few or it.objective.data.shape[1] > rules.few_features or it.subsample_is_unreliable:
            return None
        return Path(self._part, self._parabola, self._scale, rules.near_of_subsample, every)

    def by_passes(self) -> "ByPasses":
        return ByPasses(self, self._iterate.rules.near_of_pass)

    def subsample_was_unreliable(self) -> bool:
        """Whether the step to which the subsample led is a bad one on all rows."""
        it, seen = self._iterate, self.seen
        slope, steepest = dot(seen.gradient, self.direction), dot(it.gradient, self.direction)
        return not (seen.value <= it.value and abs(slope) <= it.rules.unreliable * abs(steepest))

    def point(self, t: float, theta: NDArray) -> tuple[NDArray, float, NDArray]:
        """θ, F and ∇F at t, in half a pass; the array is that of the iterate, or a copy."""
        if self.seen is not None and self.seen.t == t:
            return self.seen[1:]
        it = self._iterate
        add(theta, t, self.direction, it.objective.data.n_threads)
        moved = None if self.displaced else t
        if self.displaced:  # what a long step has added does not come off to all digits
            it.objective.store_logits(theta, self._part.logits)
        self._path.at = t
        return theta, *it.evaluate(theta, moved)

    def see(self, t: float) -> Seen:
        """The point at t, from which the iterate may step without a pass."""
        self.seen = Seen(t, *self.point(t, self._iterate.theta.copy()))
        return self.seen


class ByPasses:
    """φ of all rows where a subsample was searched: half a pass per evaluation."""

    def __init__(self, line: StoredLine, near: float) -> None:
        self._line, self.near = line, near

    def evaluate(self, t: float) -> Trial:
        seen = self._line.see(t)
        return Trial(seen.value, dot(seen.gradient, self._line.direction), np.nan)


class StoredIterate:
    """Half a pass for a line, whose evaluations take none, and half a pass for a step."""

    incremental_logits = True
    sample_step = 1
    line_type = StoredLine
    subsample_is_unreliable = False

    def __init__(self, objective: Objective, theta: NDArray, rules: LineRules) -> None:
        self.objective, self.rules = objective, rules
        self.all_rows = Part(objective.loss, objective.rows)
        self._shrinking = Shrinking(objective, theta, rules.shrinking)
        self.restart(theta.copy())

    def restart(self, theta: NDArray) -> None:
        self.part: Part = self.all_rows  # those that passes go over
        self._tangent: Tangent | None = None
        self.complete = True
        self.way_back: NDArray | None = None
        self.objective.store_logits(theta, self.all_rows.logits)
        self._arrive(theta, *self.evaluate(theta))
        self.fresh = True

    def evaluate(self, theta: NDArray, t: float | None = None) -> tuple[float, NDArray]:
        """F and ∇F at θ from the logits, once they are moved by t."""
        value, gradient = self.objective.value_and_grad(theta, self.part, t)
        if self._tangent is not None:
            value += self._tangent.evaluate(theta)
            gradient += self._tangent.gradient
        return value, gradient

    def _arrive(self, theta: NDArray, value: float, gradient: NDArray) -> None:
        self.theta, self.value, self.gradient = theta, value, gradient
        self._probabilities: StoredLogits | None = None

    def line(self, direction: NDArray) -> StoredLine:
        self._store_change(direction)
        known = parabola(self.objective, self.theta, direction)
        if self._tangent is not None:
            known += self._tangent.along(self.theta, direction)
        return self.line_type(self, direction, known)

    def _store_change(self, direction: NDArray) -> None:
        o, part = self.objective, self.part
        o.passes.count += 0.5 * part.logits.n / self.all_rows.logits.n
        part.rows.data.store_logits(*o.user(direction), part.change)

    def step(self, line: StoredLine, t: float) -> None:
        if line.seen is not None:
            self.subsample_is_unreliable = line.subsample_was_unreliable()
        self._arrive(*line.point(t, self.theta))
        self._shrinking.steps += 1
        self.fresh = False

    def verify_logits(self) -> None:
        if self._tangent is not None:
            self._shrinking.failed_checks += 1
        self._evaluate_all_rows()

    def update_active_rows(self) -> bool:
        if not self._shrinking.due:
            return False
        if self._tangent is not None:
            self._evaluate_all_rows()
            return True
        active = self._shrinking.choose(self.all_rows.logits)
        if active is not None:
            active.read(self.all_rows.logits)
            others = copy(self.all_rows)
            others.rows = active.others(self.objective)
            self._tangent = Tangent(
                self.theta, self.value, *self.objective.value_and_grad(self.theta, others)
            )
            self.part, self.complete = active, False
        return False

    def _evaluate_all_rows(self) -> None:
        before = self._tangent
        self.restart(self.theta)
        if before is not None and self.value > before.total:
            self.way_back = before.theta - self.theta
            self._shrinking.reactivate(self.all_rows.logits)

    def _catch_up(self) -> Part:
        """All rows; the logits of the inactive ones as they were."""
        if isinstance(self.part, ActiveRows):
            self.part.write(self.all_rows.logits)
        return self.all_rows

    def logits(self, rows: int) -> StoredLogits:
        logits = self._catch_up().logits
        return logits.some(rows) if rows else logits

    def samples(self) -> Iterator[Sample]:
        all_rows = self._catch_up()
        yield Sample(all_rows.logits, all_rows.change, slice(0, None, 1))

    def hessian_times(self, direction: NDArray) -> NDArray:
        """As in `Iterate`, in a pass."""
        self._catch_up()
        self._store_change(direction)
        o, curved = self.objective, self.curve(self.all_rows.change)
        o.passes.count += 0.5
        rows = Rows(o.data, None, None, o.penalty)
        return o.parameters.value_and_grad(direction, curved, rows)[1]

    def curve(self, change: StoredLogits) -> StoredLogits:
        """The Hessian of the losses by the logits times a change of these, in its place."""
        if self._probabilities is None:
            self._probabilities = self.all_rows.logits.probabilities()
        self._probabilities.curve(change, self.objective.weights)
        return change

    def variances(self) -> Variances:
        all_rows = self._catch_up()
        all_rows.logits.variances(self.objective.weights, all_rows.change)

        def tiles(data: SparseData, rows: slice, begin: int) -> Iterator[StoredLogits]:
            yield all_rows.change.part(slice(begin + rows.start, begin + rows.stop))

        return tiles
