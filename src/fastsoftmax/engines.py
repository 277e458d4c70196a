"""Engines: within the context of one, fits of `fastsoftmax.Partitions` run on its workers.

Dask needs no engine of its own: if ``distributed`` has a current client, fits run on its workers.
"""

from fastsoftmax._runtime.engines.processes import Processes
from fastsoftmax._runtime.engines.ray import Ray

__all__ = ["Processes", "Ray"]
