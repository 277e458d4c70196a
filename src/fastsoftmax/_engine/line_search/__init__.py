"""The iterate that a solver moves, and F along a line from it: φ and the search for a step."""

from fastsoftmax._engine.line_search.iterate import Iterate, Line
from fastsoftmax._engine.line_search.iterates import iterate_at

__all__ = ["Iterate", "Line", "iterate_at"]
