"""A start at which far rows are no hindrance.

A row a million deviations away has nearly all of the curvature of its features until it is
predicted confidently, and then none. Until then Newton's step is short for all other rows, and it
takes a dozen steps. So where far rows are few, we first minimise a model in which their losses are
exact and all others a parabola: Newton's method takes as many steps there, without a pass over X.
"""

from numpy.typing import NDArray

from fastsoftmax._engine.curvature import Curvature, FarModel, FarModelRules
from fastsoftmax._engine.linalg import dot
from fastsoftmax._engine.line_search.bracket import search

ROUNDING = 1e-14  # of the model's value, summed in float64: some dozens of its last place


def far_start(curvature: Curvature, theta: NDArray, rules: FarModelRules | None = None) -> NDArray:
    """Where to begin instead of θ, if it has no weights and there are few far rows; else θ."""
    o = curvature.objective
    if not o.penalty or o.parameters.split(theta)[0].any() or not len(curvature.few_far):
        return theta
    rules = rules or FarModelRules()
    model = FarModel(curvature, theta, rules)
    for _ in range(rules.steps):
        direction = model.newton()
        slope, path = dot(model.gradient, direction), model.along(direction)
        little = -slope / 2 <= rules.enough * model.value
        if little and model.least_change() >= rules.least_change:
            break
        t = search(path, model.value, slope, 1.0, rounding=ROUNDING)
        if t is None:
            break
        model.set_theta(model.theta + t * direction)
    return model.theta
