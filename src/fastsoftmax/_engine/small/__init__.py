"""Small problems: all of a fit in one compiled call."""

from fastsoftmax._engine.small.newton import Small, is_small, minimize_small

__all__ = ["Small", "is_small", "minimize_small"]
