"""Which line a solver follows."""

from numpy.typing import NDArray

from fastsoftmax._engine.line_search.line import FusedLine, Line, StoredLine
from fastsoftmax._engine.line_search.penalised_line import PenalisedLine
from fastsoftmax._engine.objective.objective import Objective
from fastsoftmax._engine.objective.precision import logits_bytes, spare_bytes

STORED_BYTES = 256 << 20  # of logits and of their change along a line, each, at most


def line_at(objective: Objective, theta: NDArray) -> Line:
    """θ and the directions a solver takes from it, on stored logits if there is room."""
    o = objective
    if o.l1:
        return PenalisedLine(o, theta)
    fits = logits_bytes(o) <= STORED_BYTES and spare_bytes(o) >= 0
    fits = fits or o.offset is not None  # which takes as much
    return (StoredLine if fits else FusedLine)(o, theta)
