"""Objective = data × loss × penalty: what a solver minimises."""

from fastsoftmax.data import add, dot
from fastsoftmax.objective.certificate import certify
from fastsoftmax.objective.class_grams import ClassGrams
from fastsoftmax.objective.line import Line
from fastsoftmax.objective.low_rank import LowRankBlocks
from fastsoftmax.objective.objective import Objective

__all__ = ["ClassGrams", "Line", "LowRankBlocks", "Objective", "add", "certify", "dot"]
