"""An iterate of data whose logits take too much memory: nothing is kept between passes."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import Curved, Data, SparseData, StoredLogits, Variances
from fastsoftmax._engine.linalg import dot
from fastsoftmax._engine.line_search.iterate import Sample
from fastsoftmax._engine.line_search.phi import Path, Trial, parabola
from fastsoftmax._engine.line_search.rules import LineRules
from fastsoftmax._engine.objective.objective import Objective
from fastsoftmax._engine.objective.rows import Part, Rows


class FusedIterate:
    """Every evaluation of φ is a pass, from which a step costs nothing."""

    incremental_logits = False
    complete = fresh = True
    way_back = None

    def __init__(self, objective: Objective, theta: NDArray, rules: LineRules) -> None:
        self._objective, self._rules, data = objective, rules, objective.data
        size = StoredLogits.bytes(data.shape[0], objective.n_logits, data.dtype)
        # of a sample that there is room for
        self._step = max(math.ceil(size / objective.memory.sample), data.sample_step)
        self.sample_step = 1 if data.has_views else self._step
        self.restart(theta)

    def restart(self, theta: NDArray) -> None:
        self._arrive(theta, *self._objective.value_and_grad(theta))

    def _arrive(self, theta: NDArray, value: float, gradient: NDArray) -> None:
        self.theta, self.value, self.gradient = theta, value, gradient
        self._probabilities: dict[int, StoredLogits] = {}  # of products, by their first row

    def verify_logits(self) -> None:
        self.restart(self.theta)

    def line(self, direction: NDArray) -> "FusedLine":
        o = self._objective
        rows, data = o.data.line_sample(o.n_logits, self._rules.subsample_rows)
        weights = None if o.weights is None else np.ascontiguousarray(o.weights[rows])
        targets = np.ascontiguousarray(o.targets[rows])
        part = Part(o.loss, Rows(data, targets, weights, o.penalty))
        self._of(part.rows.data, self.theta, part.logits)
        self._add_offset(part.logits, rows)
        self._of(part.rows.data, direction, part.change)
        along = parabola(o, self.theta, direction)
        path = Path(part, along, 1 / part.logits.n, self._rules.near_of_subsample)
        return FusedLine(o, self.theta, direction, path, self._rules.near_of_pass)

    def step(self, line: "FusedLine", t: float) -> None:
        self._arrive(*line.point(t))

    def update_active_rows(self) -> bool:
        """Nothing is known of single rows."""
        return False

    def logits(self, rows: int) -> StoredLogits:
        return self._of_some(slice(0, None, self._objective.data.step_of(rows) if rows else 1))

    def samples(self) -> Iterator[Sample]:
        """As in `Iterate`: of all rows, one after another, where each is a view; else one."""
        parts = self._step // self.sample_step
        for start in range(min(parts, self._objective.data.shape[0])):
            rows = slice(start, None, self._step)
            logits = self._of_some(rows)
            yield Sample(logits, logits, rows)

    def hessian_times(self, direction: NDArray) -> NDArray:
        """As in `Iterate`, some rows at a time: in a pass for those whose probabilities there is
        room to keep, and in 1.5 for the others."""
        o, product = self._objective, np.zeros(self.theta.size)
        if o.data.is_distributed:
            curved = Curved(o.user(self.theta), o.user(direction), o.weights)
            o.passes.count += 1.5
            rows = Rows(o.data, None, None, o.penalty)
            return o.parameters.value_and_grad(direction, curved, rows)[1]
        ridge, most = o.penalty, self._rows_at_a_time()
        for rows, data in o.data.pieces():
            for start in range(0, data.shape[0], most):
                part = data.rows(slice(start, min(start + most, data.shape[0])))
                at = slice(rows.start + start, rows.start + start + part.shape[0])
                weights = None if o.weights is None else o.weights[at]
                curved = self._curved(part, at.start, direction, weights)
                some = Rows(part, None, None, ridge)
                product += o.parameters.value_and_grad(direction, curved, some)[1]
                del curved  # before there are those of the next rows
                o.passes.count += 0.5 * part.shape[0] / o.data.shape[0]
                ridge = 0.0
        return product

    def _curved(
        self, part: Data, start: int, direction: NDArray, weights: NDArray | None
    ) -> StoredLogits:
        """For some rows the Hessian of each row's loss times the logits of the direction."""
        change, probabilities = self._of(part, direction), self._probabilities.get(start)
        if probabilities is None:
            probabilities = self._of(part, self.theta)
            probabilities.probabilities(probabilities)
            kept = sum(each.tiles.nbytes for each in self._probabilities.values())
            if kept + probabilities.tiles.nbytes <= self._objective.memory.stored_logits:
                self._probabilities[start] = probabilities
        probabilities.curve(change, weights)
        return change

    def _rows_at_a_time(self) -> int:
        o = self._objective
        tile = StoredLogits.bytes(1, o.n_logits, o.data.dtype)
        return max(1, int(o.memory.sample / tile)) * StoredLogits.tile_rows(o.data.dtype)

    def variances(self) -> Variances:
        """As in `Iterate`, of as many rows at a time as there is memory for."""
        o, most = self._objective, self._rows_at_a_time()
        if o.data.is_distributed:
            return o.user(self.theta), o.weights

        def tiles(data: SparseData, rows: slice, begin: int) -> Iterator[StoredLogits]:
            for start in range(rows.start, rows.stop, most):
                end = min(start + most, rows.stop)
                logits = self._of(data.rows(slice(start, end)), self.theta)
                weights = None if o.weights is None else o.weights[begin + start : begin + end]
                logits.variances(weights, logits)
                yield logits

        return tiles

    def _of_some(self, rows: slice) -> StoredLogits:
        """The logits of every which row, from the first on or from another."""
        data = self._objective.data
        logits = self._of(data.rows(rows) if rows.start else data.every(rows.step), self.theta)
        self._add_offset(logits, rows)
        return logits

    def _add_offset(self, logits: StoredLogits, rows: slice) -> None:
        """Add the offset to the logits of some rows."""
        offset = self._objective.given[2]
        if offset is not None:
            logits.put(logits.table() + offset[rows])

    def _of(self, data: Data, theta: NDArray, out: StoredLogits | None = None) -> StoredLogits:
        """The logits of some rows at θ."""
        o = self._objective
        out = o.loss.logits_of(data) if out is None else out
        data.store_logits(*o.user(theta), out)
        o.passes.count += 0.5 * data.shape[0] / o.data.shape[0]
        return out


class FusedLine:
    """φ of all rows, in a pass per evaluation, and of a subsample."""

    displaced = False

    def __init__(
        self,
        objective: Objective,
        theta: NDArray,
        direction: NDArray,
        subsample: Path,
        near: float,
    ) -> None:
        self._objective, self._theta, self._direction = objective, theta, direction
        self._subsample, self.near = subsample, near
        self._seen: tuple[float, tuple[NDArray, float, NDArray]] | None = None

    def point(self, t: float) -> tuple[NDArray, float, NDArray]:
        """θ, F and ∇F at t."""
        if self._seen is None or self._seen[0] != t:
            theta = self._theta + t * self._direction
            self._seen = t, (theta, *self._objective.value_and_grad(theta))
        return self._seen[1]

    def evaluate(self, t: float) -> Trial:
        _, value, gradient = self.point(t)
        return Trial(value, dot(gradient, self._direction), np.nan)

    def reach(self) -> float:
        """The most that a unit step changes a logit of the subsample."""
        return self._subsample.part.change.largest()

    def subsample(self) -> Path:
        """φ of the subsample, for 1/100 of a pass per evaluation."""
        return self._subsample

    def by_passes(self) -> "FusedLine":
        return self
