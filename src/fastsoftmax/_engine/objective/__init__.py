"""Objective = data × loss × penalty: what a solver minimises."""

from fastsoftmax._engine.objective.blocks import Factors, blocks_for
from fastsoftmax._engine.objective.certificate import ROUNDING, Certificate, certify
from fastsoftmax._engine.objective.curvature import (
    HESSIAN_PARAMETERS,
    curvature_of,
    hessian,
    probabilities,
    warm_start_of,
)
from fastsoftmax._engine.objective.far_model import FarModel
from fastsoftmax._engine.objective.line import Line
from fastsoftmax._engine.objective.lines import line_at
from fastsoftmax._engine.objective.objective import Objective
from fastsoftmax._engine.objective.separation import has_minimiser, separates
from fastsoftmax._engine.objective.warm_start import WarmStart

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
    "curvature_of",
    "has_minimiser",
    "hessian",
    "line_at",
    "probabilities",
    "separates",
    "warm_start_of",
]
