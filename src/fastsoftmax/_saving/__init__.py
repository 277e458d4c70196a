"""Fitted models in files, without pickle: arrays and JSON, in which nothing can be executed."""

from fastsoftmax._saving.model import Saved, read

__all__ = ["Saved", "read"]
