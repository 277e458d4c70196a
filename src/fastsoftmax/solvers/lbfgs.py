"""L-BFGS, plain or preconditioned (Nocedal 1980; Nocedal & Wright, Numerical Optimization, 7.2).

The initial inverse Hessian of the two-loop recursion is γM⁻¹, with γ = sᵀy / yᵀM⁻¹y of the last pair and
M the preconditioner's: the identity, for plain L-BFGS. The history is kept when M changes.
"""

import time
from collections import deque
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastsoftmax.objective import Objective
from fastsoftmax.objective.line import Line, dot
from fastsoftmax.solvers.base import Iteration, Options, Result, register
from fastsoftmax.solvers.line_search import search

FIRST_CHANGE = 10.0  # of any logit by the first step, at most: nothing is known of the curvature yet
SEPARATED = 1e-5  # of the loss of a model blind to X: an unpenalised loss this low goes on to 0
RECHECKS = 5  # of the logits from θ that may end in other than convergence


class Pair(NamedTuple):
    """A step and what the gradient changed by."""

    s: NDArray
    y: NDArray
    curvature: float  # sᵀy


class Preconditioner(Protocol):
    """M, near the Hessian and cheap to solve with."""

    factor: float  # by which ½|gᵀd| at most falls short of what is left to gain, in experience

    def update(self, line: Line, n_iter: int) -> None: ...

    def solve(self, *vectors: NDArray) -> list[NDArray]: ...


class Identity:
    """No preconditioning."""

    factor = 100.0

    def update(self, line: Line, n_iter: int) -> None:
        """Nothing to do."""

    def solve(self, *vectors: NDArray) -> list[NDArray]:
        return [vector.copy() for vector in vectors]


@register("lbfgs")
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
    began = time.perf_counter()
    line = objective.line(theta)
    result = Result(line.theta, line.value, line.gradient)
    pairs: deque[Pair] = deque(maxlen=memory)
    fresh, rechecks = True, 0  # whether the logits come straight from θ
    n_iter = 0
    while True:
        if not np.isfinite(line.value):
            result.message = "the objective is not finite: the features overflow"
            break
        preconditioner.update(line, n_iter)
        direction = two_loop(line.gradient, pairs, preconditioner)
        slope = dot(line.gradient, direction)
        # F* >= 0: no more than F is left to gain
        tiny = line.value <= np.finfo(float).eps or not line.gradient.any()
        estimate = preconditioner.factor / 2 * abs(slope)
        if tiny or ((pairs or n_iter == 0) and estimate <= options.tol * abs(line.value)):
            if fresh or tiny or rechecks == RECHECKS:
                result.converged, result.message = True, "converged"
                break
            line.recompute()
            fresh, rechecks = True, rechecks + 1
            continue
        if not objective.penalty and line.value <= SEPARATED * objective.blind_loss:
            result.message = "the classes are separable, without a penalty there is no optimum,"
            break
        if n_iter == options.max_iter:
            break
        reach = line.aim(direction)
        if n_iter:
            first = 1.0
        elif np.isfinite(reach):
            first = min(1.0, FIRST_CHANGE / max(reach, 1e-300))
        else:
            first = min(1.0, 1 / float(np.abs(line.gradient).sum()))
        t = search(line, slope, first, rounding=objective.rounding)
        if t is None:
            # nothing that float arithmetic can see goes down this way: is it the logits, or
            # what the history believes?
            if not fresh:
                line.recompute()
                fresh = True
            elif pairs:
                pairs.clear()
            else:
                result.message = "no step decreases the objective beyond rounding"
                break
            continue
        before = line.gradient
        line.move(t)
        fresh = not line.cheap
        pair = Pair(t * direction, line.gradient - before, 0.0)
        if (curvature := dot(pair.s, pair.y)) > 0:
            pairs.append(pair._replace(curvature=curvature))
        n_iter += 1
        iteration = Iteration(
            line.value,
            objective.grad_norm(line.gradient),
            objective.n_passes,
            time.perf_counter() - began,
        )
        result.history.append(iteration)
        options.report(iteration)
    if not fresh:
        line.recompute()
    result.theta, result.value, result.gradient = line.theta, line.value, line.gradient
    return result


def two_loop(gradient: NDArray, pairs: deque[Pair], preconditioner: Preconditioner) -> NDArray:
    """-H·gradient, H the inverse Hessian that the pairs and the preconditioner imply."""
    q = -gradient
    shares = []
    for s, y, curvature in reversed(pairs):
        share = dot(s, q) / curvature
        q -= share * y
        shares.append(share)
    if pairs:
        _, y, curvature = pairs[-1]
        direction, solved = preconditioner.solve(q, y)
        direction *= curvature / dot(y, solved)
    else:
        (direction,) = preconditioner.solve(q)
    for (s, y, curvature), share in zip(pairs, reversed(shares), strict=True):
        direction += (share - dot(y, direction) / curvature) * s
    return direction
