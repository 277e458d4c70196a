"""Which kind of iterate a fit has."""

from numpy.typing import NDArray

from fastsoftmax._engine.line_search.fused import FusedIterate
from fastsoftmax._engine.line_search.iterate import Iterate
from fastsoftmax._engine.line_search.penalised import PenalisedIterate
from fastsoftmax._engine.line_search.rules import LineRules
from fastsoftmax._engine.line_search.stored import StoredIterate
from fastsoftmax._engine.objective.objective import Objective
from fastsoftmax._engine.objective.precision import logits_bytes, spare_bytes


def iterate_at(objective: Objective, theta: NDArray, rules: LineRules | None = None) -> Iterate:
    """θ, its logits stored if there is room."""
    o, rules = objective, rules or LineRules()
    if o.l1:
        return PenalisedIterate(o, theta, rules)
    fits = logits_bytes(o) <= rules.stored_bytes and spare_bytes(o) >= 0
    if o.data.is_distributed:
        return FusedIterate(o, theta, rules)
    fits = fits or o.offset is not None  # which takes as much
    return (StoredIterate if fits else FusedIterate)(o, theta, rules)
