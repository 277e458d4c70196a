"""Objective = data × loss × penalty: what a solver minimises."""

from fastsoftmax.objective.certificate import certify
from fastsoftmax.objective.line import Line, dot
from fastsoftmax.objective.objective import Objective

__all__ = ["Line", "Objective", "certify", "dot"]
