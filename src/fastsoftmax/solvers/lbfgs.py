"""L-BFGS (Nocedal 1980; Nocedal & Wright, Numerical Optimization, 2nd ed., algorithm 7.5)."""

import time
from collections import deque

import numpy as np
from numpy.typing import NDArray

from fastsoftmax.solvers.base import Differentiable, Iteration, Report, Result

CURVATURE = 0.9  # a step is taken once |φ'| has fallen to this share of |φ'(0)|
DECREASE = 1e-4  # and F by this share of what the slope at 0 promises
ROUNDING = 1e-7  # of F where the products are float32: no verdict on smaller differences
TRIALS = 30
# What is left to gain is estimated by the decrement ½·|gᵀd| of the direction d, times this. The
# history knows only the curvature it has met, so the decrement falls short: by 35 to 55 on MNIST
# (C = 1, the gap 1e-4 to 1e-6 of F).
DECREMENT_FACTOR = 100


def minimize_lbfgs(
    objective: Differentiable,
    theta: NDArray,
    *,
    tol: float,
    max_iter: int,
    memory: int = 30,
    report: Report = lambda iteration: None,
) -> Result:
    """Minimise a convex objective from θ.

    Stops where the estimate of what is left to gain (`DECREMENT_FACTOR`) is at most ``tol * F``.
    """
    began = time.perf_counter()
    value, gradient = objective.value_and_grad(theta)
    pairs: deque[tuple[NDArray, NDArray, float]] = deque(maxlen=memory)
    result = Result(theta, value, gradient, False, "max_iter reached")
    for n_iter in range(max_iter + 1):
        if not np.isfinite(value):
            result.message = "the objective is not finite: the features overflow"
            break
        direction = _two_loop(gradient, pairs)
        slope = _dot(gradient, direction)
        small = pairs and DECREMENT_FACTOR / 2 * abs(slope) <= tol * abs(value)
        # F* >= 0: no more than F is left to gain
        if small or value <= np.finfo(float).eps or not gradient.any():
            result.converged, result.message = True, "converged"
            break
        if n_iter == max_iter:
            break
        first = 1.0 if pairs else min(1.0, 1 / float(np.abs(gradient).sum()))
        step = _line_search(objective, theta, value, slope, direction, first)
        if step is None:
            # no descent is left that float arithmetic can see: drop what the history
            # believes, and if steepest descent fails as well, this is the end
            if not pairs:
                result.message = "no step decreases the objective beyond rounding"
                break
            pairs.clear()
            continue
        new_theta, value, new_gradient = step
        s, y = new_theta - theta, new_gradient - gradient
        theta, gradient = new_theta, new_gradient
        if (curvature := _dot(s, y)) > 0:
            pairs.append((s, y, curvature))
        result.theta, result.value, result.gradient = theta, value, gradient
        iteration = Iteration(
            value,
            objective.grad_norm(gradient),
            objective.n_passes,
            time.perf_counter() - began,
        )
        result.history.append(iteration)
        report(iteration)
    return result


def _dot(a: NDArray, b: NDArray) -> float:
    """aᵀb without BLAS, whose threads would go on spinning where the kernels' should run."""
    return float(np.einsum("i,i->", a, b))


def _two_loop(gradient: NDArray, pairs: deque) -> NDArray:
    """-H·gradient, H the inverse Hessian that the pairs (s, y, sᵀy) imply."""
    direction = -gradient
    shares = []
    for s, y, curvature in reversed(pairs):
        share = _dot(s, direction) / curvature
        direction -= share * y
        shares.append(share)
    if pairs:
        s, y, curvature = pairs[-1]
        direction *= curvature / _dot(y, y)
    for (s, y, curvature), share in zip(pairs, reversed(shares), strict=True):
        direction += (share - _dot(y, direction) / curvature) * s
    return direction


def _line_search(
    objective: Differentiable,
    theta: NDArray,
    value: float,
    slope: float,
    direction: NDArray,
    t: float,
) -> tuple[NDArray, float, NDArray] | None:
    """(θ, F, ∇F) at a step where the strong Wolfe conditions hold; None where there is none.

    The objective is convex, so the sign of φ'(t) tells on which side of the minimum t lies, and
    φ', unlike differences of F, is good to full precision near the minimum: a bracket shrinks by
    the secant of φ', kept away from its ends. F decides only where it can.
    """
    low, low_slope, high, high_slope = 0.0, slope, np.inf, np.nan
    for _ in range(TRIALS):
        trial = theta + t * direction
        new_value, gradient = objective.value_and_grad(trial)
        new_slope = _dot(gradient, direction)
        lowered = new_value <= value + DECREASE * t * slope + ROUNDING * abs(value)
        if lowered and abs(new_slope) <= CURVATURE * abs(slope):
            return trial, new_value, gradient
        if np.isfinite(new_slope) and new_slope < 0 and lowered:
            low, low_slope = t, new_slope
        else:
            high, high_slope = t, new_slope
        if np.isinf(high):
            t *= 4
        else:
            width = high - low
            rise = high_slope - low_slope
            t = low + 0.1 * width
            if np.isfinite(rise) and rise > 0:
                secant = low - low_slope * width / rise
                t = float(np.clip(secant, t, high - 0.1 * width))
    return None
