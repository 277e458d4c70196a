"""Objective = data × loss × penalty: what a solver minimises."""

from fastsoftmax._engine.objective.blocks import Factors, blocks_for
from fastsoftmax._engine.objective.certificate import ROUNDING, Certificate, certify
from fastsoftmax._engine.objective.curvature import HESSIAN_PARAMETERS, hessian, probabilities
from fastsoftmax._engine.objective.far_model import FarModel
from fastsoftmax._engine.objective.line import Line
from fastsoftmax._engine.objective.objective import Objective
from fastsoftmax._engine.objective.separation import has_minimiser, separates
from fastsoftmax._engine.objective.warm_start import WarmStart, warm_start_of

__all__ = [
    "HESSIAN_PARAMETERS",
    "ROUNDING",
    "Certificate",
    "Factors",
    "FarModel",
    "Line",
    "Objective",
    "WarmStart",
    "blocks_for",
    "certify",
    "has_minimiser",
    "hessian",
    "probabilities",
    "separates",
    "warm_start_of",
]
