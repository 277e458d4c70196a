"""F along a line: φ, its evaluations, and the search for a step."""

from fastsoftmax._engine.line_search.line import Line
from fastsoftmax._engine.line_search.lines import line_at

__all__ = ["Line", "line_at"]
