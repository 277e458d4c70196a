"""The iterate that a solver moves, and F along a line from it: φ and the search for a step."""

from fastsoftmax._engine.line_search.iterate import Iterate, Line
from fastsoftmax._engine.line_search.iterates import iterate_at
from fastsoftmax._engine.line_search.rules import LineRules, ShrinkingRules

__all__ = ["Iterate", "Line", "LineRules", "ShrinkingRules", "iterate_at"]
