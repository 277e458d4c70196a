"""The former name of `shrinking.py`, for `certificate.py` until that imports from there."""

from fastsoftmax._engine.objective.shrinking import Rows

__all__ = ["Rows"]
