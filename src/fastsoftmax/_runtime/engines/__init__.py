"""Engines: who holds partitions, and works on them."""

from fastsoftmax._runtime.engines.current import current_engine, entered

__all__ = ["current_engine", "entered"]
