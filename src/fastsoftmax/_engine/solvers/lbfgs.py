"""L-BFGS, plain or preconditioned (Nocedal 1980; Nocedal & Wright, Numerical Optimization, 7.2).

The preconditioner M is the identity for plain L-BFGS. The history is kept when M changes, unless M
asks for it to be cleared (`forgets`). Where M is the joint Hessian, the length of a step predicts
that of the next.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.linalg import dot
from fastsoftmax._engine.line_search import Iterate, Line, iterate_at
from fastsoftmax._engine.line_search.bracket import search
from fastsoftmax._engine.objective import Objective
from fastsoftmax._engine.objective.precision import uses_float32
from fastsoftmax._engine.solvers.base import ROUNDED, SLOW, Options, Result, Run, Stop, register
from fastsoftmax._engine.solvers.history import History
from fastsoftmax._engine.solvers.proof import Solve, prove

WAYS_BACK = [0.5**i for i in range(8)]  # 1, to where F was known, and shorter ones


class Preconditioner(Protocol):
    """M, near the Hessian and cheap to solve with."""

    since: int  # the iteration at which M was last renewed
    factor: float  # times ½|gᵀd| is within the tolerance when a proof is tried
    forgets: bool  # whether pairs of before go when it is renewed
    joint: bool  # whether M is the joint Hessian: then it needs neither γ nor pairs of before

    def update(self, it: Iterate, n_iter: int) -> bool: ...

    def solve(self, *vectors: NDArray) -> list[NDArray]: ...


class Identity:
    """No preconditioning."""

    factor = 100.0
    joint = forgets = False
    since = 0

    def update(self, it: Iterate, n_iter: int) -> bool:
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
) -> tuple[Iterate, Solve]:
    """Minimise from θ until F is proved to fall by no more than tol * F, or a reason to stop.

    A proof is tried once ``factor * ½|gᵀd|`` is so little, d being the direction. That it is slow,
    after so many iterations, is a reason to stop. Returns the last iterate, with fresh logits, and
    the inverse Hessian that L-BFGS believes in.
    """
    it = iterate_at(run.objective, theta, run.options.line)
    history, t = history_of(run, memory), None

    def inverse_hessian(vector: NDArray) -> NDArray:
        return -history.direction(vector, preconditioner.solve, not preconditioner.joint)

    for _ in range(run.options.lbfgs.rounds * (run.options.max_iter + 1)):
        it = finite(run, it)
        if not np.isfinite(it.value):
            return stopped(run, it, run.stops(it)), inverse_hessian
        if preconditioner.update(it, run.n_iter) and preconditioner.forgets:
            history.clear()
        direction = -inverse_hessian(it.gradient)
        decrease = preconditioner.factor / 2 * abs(dot(it.gradient, direction))
        left = max(decrease, run.trend(preconditioner.since))
        run.notify(it.theta, left)
        if left <= nearly(run, it) and (history or run.n_iter == 0) and not run.result.halted:
            it, direction = verify(run, it, direction, inverse_hessian)
            if run.result.converged:
                return it, inverse_hessian
            if direction is None:
                continue
        if reason := run.stops(it) or (SLOW if slow(run.n_iter) else None):
            return stopped(run, it, reason), inverse_hessian
        if it.update_active_rows():
            undo_ascent(run, it)
            continue
        line = it.line(direction)
        t = search_along(run, it, line, direction, t if preconditioner.joint and history else None)
        if t is None:
            recovered = recover(run, it, line, history)
            if recovered is None:
                return stopped(run, it, ROUNDED), inverse_hessian
            it = recovered
            continue
        before = it.gradient
        it.step(line, t)
        history.push(t, direction, before, it.gradient)
        run.record(it.value, it.gradient)
        if is_lost(run):
            it = run.increase_precision(it) or it
    return stopped(run, it, ROUNDED), inverse_hessian


def stopped(run: Run, it: Iterate, reason: Stop | None) -> Iterate:
    """The iterate at which a run ends without a proof, with fresh logits."""
    run.result.stop = reason
    return it if it.fresh or not np.isfinite(it.value) else refresh(run, it)


def history_of(run: Run, pairs: int) -> History:
    """An empty one, of so many pairs or as many as there is memory for."""
    objective, fewest = run.objective, run.options.lbfgs.fewest_pairs
    dtype, size = objective.parameters.dtype, objective.size
    that_fit = int(objective.memory.history / (2 * dtype.itemsize * size))
    return History(size, dtype, max(fewest, min(pairs, that_fit)), objective.data.n_threads)


def finite(run: Run, it: Iterate) -> Iterate:
    """The iterate, or the same in float64 where float32 overflows."""
    return it if np.isfinite(it.value) else run.increase_precision(it) or it


def is_rough(run: Run) -> bool:
    """Whether float32 shows the way but not the end."""
    o, options = run.objective, run.options
    return uses_float32(o) and (options.tol < options.lbfgs.rough or not o.penalty)


def is_lost(run: Run) -> bool:
    """Whether F has fallen by no more than its rounding of late, though more is left to gain."""
    lately = run.result.history[-1 - run.options.lbfgs.lost :]
    fallen = lately[0].objective - lately[-1].objective
    return (
        len(lately) > run.options.lbfgs.lost
        and fallen <= run.objective.rounding * lately[-1].objective
    )


def nearly(run: Run, it: Iterate) -> float:
    """What may be left to gain when a proof, or more precision, is called for."""
    tolerance = run.tolerance(it.value)
    return max(tolerance, run.options.lbfgs.rough * it.value) if is_rough(run) else tolerance


def verify(
    run: Run, it: Iterate, direction: NDArray, inverse_hessian: Solve
) -> tuple[Iterate, NDArray | None]:
    """Prove that the iterate is optimal, so that the run has converged.

    Else where to go on: in a better direction, or, without one, at an iterate that is known more
    accurately.
    """
    if is_rough(run):
        return run.increase_precision(it), None
    # the logits of far rows drift by more than others
    if not it.complete or (not it.fresh and len(run.curvature.few_far)):
        return refresh(run, it), None
    rules, tolerance = run.options.proving, run.tolerance(it.value)
    most = min(rules.products, run.options.max_iter)
    proof = prove(run.objective, it, direction, inverse_hessian, tolerance, most, rules=rules)
    shows_less = proof.certificate is not None and not run.proves(proof.certificate)
    if shows_less and not it.fresh:
        return refresh(run, it), None
    if shows_less and (precise := run.increase_precision(it)):
        return precise, None
    return it, proof.direction.astype(it.gradient.dtype, copy=False)


def recover(run: Run, it: Iterate, line: Line, history: History) -> Iterate | None:
    """Where to go on if nothing that float arithmetic can see goes down the line.

    Is it the subsample, the precision, the logits, or the history? None if it is none of these.
    """
    if line.displaced:
        it.step(line, 0.0)
        return it
    if precise := run.increase_precision(it):
        return precise
    if not it.fresh:
        return refresh(run, it)
    if history:
        history.clear()
        return it
    return None


def refresh(run: Run, it: Iterate) -> Iterate:
    """The iterate with fresh logits of all rows, from where F is least as these have it."""
    it.verify_logits()
    undo_ascent(run, it)
    return it


def undo_ascent(run: Run, it: Iterate) -> None:
    """All rows have been evaluated: if F turns out to have risen, go back to where it is least."""
    if it.way_back is not None:
        line = it.line(it.way_back)
        it.step(line, min(WAYS_BACK, key=lambda t: line.evaluate(t).value))
    run.raise_history(it.value)


def search_along(
    run: Run, it: Iterate, line: Line, direction: NDArray, last: float | None
) -> float | None:
    """A step that lowers F, near the least along the line; None if none is seen to.

    It begins at the last step, where that predicts this one, or at 1; at the minimum of a subsample
    where there are many rows; and with less where nothing is known of the curvature yet and logits
    would change by a lot.
    """
    slope, rounding = dot(it.gradient, direction), run.objective.rounding
    rules = run.options.lbfgs
    t, is_first = last or 1.0, run.n_iter == 0
    if is_first:
        reach = line.reach()
        known = rules.first_change / max(reach, 1e-300) if np.isfinite(reach) else 0.0
        t = min(1.0, known or 1 / float(np.abs(it.gradient).sum()))
    subsample = line.subsample()
    if subsample is None:
        return search(line, it.value, slope, t, rounding=rounding)
    here = subsample.correct_slope(slope)
    newton = -slope / here.curvature if here.curvature > 0 else np.inf
    if np.isfinite(newton):
        t = min(t, newton) if is_first else newton
    found = search(subsample, here.value, slope, t, rounding=rounding) or t
    farthest = rules.further * t
    return search(line.by_passes(), it.value, slope, min(found, farthest), rounding=rounding)


def finish(run: Run, it: Iterate, inverse_hessian: Solve) -> Result:
    """The result at the last iterate, with a bound if it is not proved to be the optimum."""
    if run.result.converged or not np.isfinite(it.value):
        return run.end(it)
    direction = -inverse_hessian(it.gradient)
    rules, wanted = run.options.proving, run.tolerance(it.value)
    most = min(rules.last_products, run.options.max_iter)
    proof = prove(
        run.objective, it, direction, inverse_hessian, wanted, most, bound=True, rules=rules
    )
    return run.end(it, proof.certificate)
