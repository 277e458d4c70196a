"""F along a line: φ, its evaluations, and the search for a step."""

from fastsoftmax._engine.line_search.line import Line
from fastsoftmax._engine.line_search.lines import line_at
from fastsoftmax._engine.line_search.rules import LineRules, ShrinkingRules

__all__ = ["Line", "LineRules", "ShrinkingRules", "line_at"]
