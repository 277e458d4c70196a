"""How far to go: Newton on φ', kept within a bracket.

F is convex, so the sign of φ'(t) tells on which side of the minimum t lies, and φ', unlike
differences of F, is good to full precision near the minimum. F decides only where it can: beyond
rounding it may not rise.
"""

from dataclasses import dataclass
from math import inf, isfinite, nan

from fastsoftmax._engine.line_search.phi import LineFunction


@dataclass(frozen=True)
class SearchRules:
    """How a bracket is narrowed and widened (docs/experiments/0071-rules.md)."""

    trials: int = 40  # at most: as many halvings take a bracket to 1e-12 of itself
    # from 0, at most: far rows bend φ' where t is small, and secants from there hardly get nearer
    secants: int = 5
    stretch: float = 10.0  # a step grows by this much at most from one evaluation to the next
    margin: float = 0.02  # of a bracket, that a step keeps from its ends: it shrinks by as much


def search(
    path: LineFunction,
    value: float,
    slope: float,
    t: float,
    *,
    rounding: float,
    near: float | None = None,
    rules: SearchRules | None = None,
) -> float | None:
    """A step along the path, from its φ(0) and φ'(0), beginning at t; None if none goes down.

    It ends where |φ'| is no more than the share `near` of |φ'(0)|, or the path's.
    """
    rules = rules or SearchRules()
    target = (path.near if near is None else near) * abs(slope)
    ceiling = value + rounding * abs(value)
    low, low_slope, high, high_slope = 0.0, slope, inf, nan
    for trial in range(rules.trials):
        value, derivative, curvature = path.evaluate(t)
        lowered = value <= ceiling
        if lowered and abs(derivative) <= target:
            return t
        if lowered and derivative < 0:
            low, low_slope = t, derivative
        else:
            high, high_slope = t, derivative
        if not high > low:  # no number lies between
            break
        if unknown := not isfinite(curvature):
            rise = high_slope - low_slope
            curvature = rise / (high - low) if isfinite(rise) else nan
            at, derivative = low, low_slope
        else:
            at = t
        newton = at - derivative / curvature if curvature > 0 else nan
        width = high - low
        if high == inf:
            t = min(max(newton, 1.1 * t), rules.stretch * t) if newton == newton else 4 * t
        elif low < newton < high and (low or trial < rules.secants or not unknown):
            margin = rules.margin * width
            t = min(max(newton, low + margin), high - margin)
        else:
            t = low + 0.5 * width if low else 0.1 * high
    return low or None
