"""Objective = data × loss × penalty: what a solver minimises."""

from fastsoftmax.data import combine, dot, dots
from fastsoftmax.objective.blocks import Factors, blocks_for
from fastsoftmax.objective.certificate import certify
from fastsoftmax.objective.line import Line
from fastsoftmax.objective.objective import Objective

__all__ = ["Factors", "Line", "Objective", "blocks_for", "certify", "combine", "dot", "dots"]
