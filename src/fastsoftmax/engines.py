"""Engines, on which fits of `fastsoftmax.Partitions` run within their contexts.

Dask's needs no name: where there is a current client of ``distributed``, its workers are it.
"""

from fastsoftmax._runtime.engines.processes import Processes
from fastsoftmax._runtime.engines.ray import Ray

__all__ = ["Processes", "Ray"]
