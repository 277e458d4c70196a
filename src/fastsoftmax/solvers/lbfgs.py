"""L-BFGS, plain or preconditioned (Nocedal 1980; Nocedal & Wright, Numerical Optimization, 7.2).

The preconditioner M is the identity for plain L-BFGS. The history is kept when M changes, unless M
is all of the Hessian; of that one step tells the length of the next.
"""

import math
import sys
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fastsoftmax.objective import Line, Objective, dot, largest
from fastsoftmax.solvers.base import Options, Result, Run, register
from fastsoftmax.solvers.history import History
from fastsoftmax.solvers.line_search import search

FIRST_CHANGE = (
    10.0  # of any logit by the first step, at most: nothing is known of the curvature yet
)
FURTHER = 10.0  # than where they are asked first, some rows are believed: they may be separable
ROUGH = 1e-7  # of F, left to gain, down to which float32 shows the way
WAYS_BACK = [0.5**i for i in range(8)]  # 1, to where F was known, and shorter ones
RECHECKS = 5  # of the logits from θ that may end in other than convergence


class Preconditioner(Protocol):
    """M, near the Hessian and cheap to solve with."""

    since: int  # the iteration at which M was last renewed
    factor: float  # by which ½|gᵀd| at most falls short of what is left to gain, in experience
    forgets: bool  # whether pairs of before go when it is renewed
    whole: bool  # whether M is all of the Hessian: then it needs neither γ nor pairs of before

    def update(self, line: Line, n_iter: int) -> bool: ...

    def solve(self, *vectors: NDArray) -> list[NDArray]: ...


class Identity:
    """No preconditioning."""

    factor = 100.0
    whole = forgets = False
    since = 0

    def update(self, line: Line, n_iter: int) -> bool:
        """Nothing to do."""
        return False

    def solve(self, *vectors: NDArray) -> list[NDArray]:
        return [vector.copy() for vector in vectors]


@register("lbfgs", needs=("smooth",))
def minimize_plain(objective: Objective, theta: NDArray, options: Options) -> Result:
    """L-BFGS of 30 pairs without preconditioning."""
    return minimize(objective, theta, options, Identity(), memory=30)


def minimize(
    objective: Objective,
    theta: NDArray,
    options: Options,
    preconditioner: Preconditioner,
    *,
    memory: int,
) -> Result:
    """Minimise from θ until ``factor * ½|gᵀd| <= tol * F``, d being the direction."""
    run = Run(objective, theta, options)
    line = objective.line(theta)
    pairs = History(objective, objective.vectors(2 * memory) // 2)
    fresh, rechecks = True, 0  # whether the logits come straight from θ
    t: float | None = None
    while True:
        if not math.isfinite(line.value):
            run.refine(line)
        # F* >= 0: no more than F is left to gain
        steepest = largest(line.gradient, objective.data.n_threads)
        if 0 <= line.value <= sys.float_info.epsilon or steepest == 0:
            if run.refine(line):
                continue
            run.tell(line.theta, 0.0)
            run.converge()
            break
        if math.isfinite(line.value):
            if preconditioner.update(line, run.n_iter) and preconditioner.forgets:
                pairs.clear()
            direction = pairs.direction(
                line.gradient, preconditioner.solve, not preconditioner.whole
            )
            slope = dot(line.gradient, direction)
            left = max(preconditioner.factor / 2 * abs(slope), run.trend(preconditioner.since))
            run.tell(line.theta, left)
            enough = max(options.tol, ROUGH) if objective.narrowed else options.tol
            believed = pairs or run.n_iter == 0
            if left <= enough * line.value and believed:
                if run.refine(line):
                    fresh = True
                    continue
                fresh = fresh or line.holds()
                if fresh or rechecks == RECHECKS:
                    run.converge()
                    break
                line.recompute()
                fresh, rechecks = look(line, run), rechecks + 1
                continue
        if message := run.stops(line):
            run.result.message = message
            break
        if line.settle():
            fresh = look(line, run)
            continue
        before = line.gradient
        line.aim(direction)
        known = t if t and preconditioner.whole and pairs else 1.0
        first = first_step(line, slope, run.n_iter == 0, known, rounding=objective.rounding)
        t = search(line, line.value, slope, first, rounding=objective.rounding)
        if t is None:
            # nothing that float arithmetic can see goes down this way: is it the rows that were
            # asked, the logits, or what the history believes?
            if line.drifts and not line.cheap:
                line.move(0.0)
                fresh = False
            elif run.refine(line):
                fresh = True
            elif not fresh:
                line.recompute()
                fresh = look(line, run)
            elif pairs:
                pairs.clear()
            else:
                run.result.message = "no step decreases the objective beyond rounding"
                break
            continue
        line.move(t)
        fresh = not line.drifts
        pairs.push(t, direction, before, line.gradient)
        run.note(line.value, line.gradient)
    if not run.refine(line) and not fresh and math.isfinite(line.value):
        line.recompute()
        look(line, run)
    return run.end(line)


def look(line: Line, run: Run) -> bool:
    """All rows have been looked at: if F turns out to have risen, go back to where it is least.

    Whether the logits still come straight from θ.
    """
    risen = line.risen is not None
    if risen:
        line.aim(line.risen)
        line.move(min(WAYS_BACK, key=lambda t: line.at(t).value))
    run.lift(line.value)
    return not risen


def first_step(line: Line, slope: float, blind: bool, t: float, *, rounding: float) -> float:
    """The step to look at first: t, or what some rows say.

    Or less, where nothing is known of the curvature yet and logits would change by a lot.
    """
    if blind:
        reach = line.reach()
        known = FIRST_CHANGE / max(reach, 1e-300) if np.isfinite(reach) else 0.0
        t = min(1.0, known or 1 / float(np.abs(line.gradient).sum()))
    scout = line.scout()
    if scout is None:
        return t
    here = scout.tilt(slope)
    newton = -slope / here.curvature if here.curvature > 0 else np.inf
    if np.isfinite(newton):
        t = min(t, newton) if blind else newton
    found = search(scout, here.value, slope, t, rounding=rounding) or t
    return min(found, FURTHER * t)
