"""L-BFGS, plain or preconditioned (Nocedal 1980; Nocedal & Wright, Numerical Optimization, 7.2).

The preconditioner M is the identity for plain L-BFGS. The history is kept when M changes, unless M
is the joint Hessian; then the length of a step predicts that of the next.
"""

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.linalg import dot
from fastsoftmax._engine.line_search import Line, line_at
from fastsoftmax._engine.line_search.bracket import search
from fastsoftmax._engine.objective import Objective
from fastsoftmax._engine.objective.precision import uses_float32
from fastsoftmax._engine.solvers.base import ROUNDED, SLOW, Options, Result, Run, register
from fastsoftmax._engine.solvers.history import History
from fastsoftmax._engine.solvers.proof import LAST_PRODUCTS, PRODUCTS, Solve, prove

FIRST_CHANGE = 10.0  # of any logit by the first step, at most: the curvature is not known yet
FURTHER = 10.0  # times the first step, the subsample is followed at most: it may be separable
FEWEST = 3  # pairs, however short memory is
ROUGH = 1e-7  # of F, left to gain, down to which float32 shows the way
WAYS_BACK = [0.5**i for i in range(8)]  # 1, to where F was known, and shorter ones


class Preconditioner(Protocol):
    """M, near the Hessian and cheap to solve with."""

    since: int  # the iteration at which M was last renewed
    factor: float  # times ½|gᵀd| is within the tolerance when a proof is tried
    forgets: bool  # whether pairs of before go when it is renewed
    joint: bool  # whether M is the joint Hessian: then it needs neither γ nor pairs of before

    def update(self, line: Line, n_iter: int) -> bool: ...

    def solve(self, *vectors: NDArray) -> list[NDArray]: ...


class Identity:
    """No preconditioning."""

    factor = 100.0
    joint = forgets = False
    since = 0

    def update(self, line: Line, n_iter: int) -> bool:
        """Nothing to do."""
        return False

    def solve(self, *vectors: NDArray) -> list[NDArray]:
        return [vector.copy() for vector in vectors]


@register("lbfgs", needs=("smooth",))
def minimize_plain(objective: Objective, theta: NDArray, options: Options) -> Result:
    """L-BFGS of 30 pairs without preconditioning."""
    run = Run(objective, options)
    return finish(run, *descend(run, theta, Identity(), memory=30))


def descend(
    run: Run,
    theta: NDArray,
    preconditioner: Preconditioner,
    *,
    memory: int,
    slow: Callable[[int], bool] = lambda n_iter: False,
) -> tuple[Line, Solve]:
    """Minimise from θ until F is proved to fall by no more than tol * F, or a reason to stop.

    A proof is tried once ``factor * ½|gᵀd|`` is so little, d being the direction. That it is slow,
    after so many iterations, is a reason to stop. Returns the last point, with fresh logits, and
    the inverse Hessian that L-BFGS believes in.
    """
    objective, options = run.objective, run.options
    line = line_at(objective, theta)
    dtype, n_threads = objective.parameters.dtype, objective.data.n_threads
    that_fit = int(objective.memory.history / (2 * dtype.itemsize * objective.size))
    pairs = History(objective.size, dtype, max(FEWEST, min(memory, that_fit)), n_threads)
    t: float | None = None
    fresh = True  # whether the logits come straight from θ

    def inverse_hessian(vector: NDArray) -> NDArray:
        return -pairs.direction(vector, preconditioner.solve, not preconditioner.joint)

    while True:
        if not math.isfinite(line.value) and (precise := run.increase_precision(line)):
            line, fresh = precise, True
        if math.isfinite(line.value):
            if preconditioner.update(line, run.n_iter) and preconditioner.forgets:
                pairs.clear()
            direction = -inverse_hessian(line.gradient)
            slope = dot(line.gradient, direction)
            left = max(preconditioner.factor / 2 * abs(slope), run.trend(preconditioner.since))
            run.notify(line.theta, left)
            tolerance = run.tolerance(line.value)
            rough = uses_float32(objective) and (options.tol < ROUGH or not objective.penalty)
            enough = max(tolerance, ROUGH * line.value) if rough else tolerance
            if left <= enough and (pairs or run.n_iter == 0) and not run.result.halted:
                if rough:
                    line, fresh = run.increase_precision(line), True
                    continue
                # the logits of far rows drift by more than others
                if not line.complete or (not fresh and len(run.curvature.few_far)):
                    line.verify_logits()
                    fresh = undo_ascent(line, run)
                    continue
                most = min(PRODUCTS, options.max_iter)
                proof = prove(objective, line, direction, inverse_hessian, tolerance, most)
                if run.proves(proof.certificate):
                    break
                if proof.certificate is not None:  # it shows less than the estimate promised
                    if not fresh:
                        line.verify_logits()
                        fresh = undo_ascent(line, run)
                        continue
                    if precise := run.increase_precision(line):
                        line = precise
                        continue
                direction = proof.direction.astype(line.gradient.dtype, copy=False)
                slope = dot(line.gradient, direction)
        stop = run.stops(line) or (SLOW if slow(run.n_iter) else None)
        if stop:
            run.result.stop = stop
            break
        if line.update_active_rows():
            fresh = undo_ascent(line, run)
            continue
        before = line.gradient
        line.set_direction(direction)
        known = t if t and preconditioner.joint and pairs else 1.0
        first = first_step(line, slope, run.n_iter == 0, known, rounding=objective.rounding)
        t = search(line, line.value, slope, first, rounding=objective.rounding)
        if t is None:
            # nothing that float arithmetic can see goes down this way: is it the
            # subsample, the logits, or the history?
            if line.incremental_logits and not line.evaluation_is_free:
                line.step(0.0)
                fresh = False
            elif precise := run.increase_precision(line):
                line, fresh = precise, True
            elif not fresh:
                line.verify_logits()
                fresh = undo_ascent(line, run)
            elif pairs:
                pairs.clear()
            else:
                run.result.stop = ROUNDED
                break
            continue
        line.step(t)
        fresh = not line.incremental_logits
        pairs.push(t, direction, before, line.gradient)
        run.record(line.value, line.gradient)
    if not (run.result.converged or fresh) and math.isfinite(line.value):
        line.verify_logits()
        undo_ascent(line, run)
    return line, inverse_hessian


def finish(run: Run, line: Line, inverse_hessian: Solve) -> Result:
    """The result at the last point, with a bound if it is not proved to be the optimum."""
    if run.result.converged or not math.isfinite(line.value):
        return run.end(line)
    direction = -inverse_hessian(line.gradient)
    most = min(LAST_PRODUCTS, run.options.max_iter)
    proof = prove(run.objective, line, direction, inverse_hessian, 0.0, most, bound=True)
    return run.end(line, proof.certificate)


def undo_ascent(line: Line, run: Run) -> bool:
    """All rows have been evaluated: if F turns out to have risen, go back to where it is least.

    Whether the logits still come straight from θ.
    """
    ascent_detected = line.way_back is not None
    if ascent_detected:
        line.set_direction(line.way_back)
        line.step(min(WAYS_BACK, key=lambda t: line.evaluate(t).value))
    run.raise_history(line.value)
    return not ascent_detected


def first_step(line: Line, slope: float, is_first: bool, t: float, *, rounding: float) -> float:
    """The step to evaluate first: t, or the minimum of a subsample.

    Or less, where nothing is known of the curvature yet and logits would change by a lot.
    """
    if is_first:
        reach = line.reach()
        known = FIRST_CHANGE / max(reach, 1e-300) if np.isfinite(reach) else 0.0
        t = min(1.0, known or 1 / float(np.abs(line.gradient).sum()))
    subsample = line.subsample()
    if subsample is None:
        return t
    here = subsample.correct_slope(slope)
    newton = -slope / here.curvature if here.curvature > 0 else np.inf
    if np.isfinite(newton):
        t = min(t, newton) if is_first else newton
    found = search(subsample, here.value, slope, t, rounding=rounding) or t
    return min(found, FURTHER * t)
