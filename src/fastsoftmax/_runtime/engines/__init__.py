"""Engines hold partitions and compute with them."""

from fastsoftmax._runtime.engines.current import current_engine, entered

__all__ = ["current_engine", "entered"]
