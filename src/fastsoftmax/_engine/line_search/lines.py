"""Which line a solver follows."""

from numpy.typing import NDArray

from fastsoftmax._engine.line_search.line import FusedLine, Line, StoredLine
from fastsoftmax._engine.line_search.penalised_line import PenalisedLine
from fastsoftmax._engine.line_search.rules import LineRules
from fastsoftmax._engine.objective.objective import Objective


def line_at(objective: Objective, theta: NDArray, rules: LineRules | None = None) -> Line:
    """θ and the directions a solver takes from it, on stored logits if there is room."""
    o, rules = objective, rules or LineRules()
    if o.l1:
        return PenalisedLine(o, theta, rules)
    fits = o.logits_bytes() <= rules.stored_bytes and o.spare >= 0
    fits = fits or o.offset is not None  # which takes as much
    return (StoredLine if fits else FusedLine)(o, theta, rules)
