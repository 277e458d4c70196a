"""Objective = data × loss × penalty: what a solver minimises."""

from fastsoftmax.objective.objective import Objective

__all__ = ["Objective"]
