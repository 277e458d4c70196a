"""Objective = data × loss × penalty: what a solver minimises."""

from fastsoftmax._engine.objective.objective import Objective
from fastsoftmax._engine.objective.separation import has_minimiser, separates
from fastsoftmax._engine.objective.warm_start import WarmStart

__all__ = ["Objective", "WarmStart", "has_minimiser", "separates"]
