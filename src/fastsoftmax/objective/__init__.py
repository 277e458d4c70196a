"""Objective = data × loss × penalty: what a solver minimises."""

from fastsoftmax.data import combine, dot, dots, empty, largest, pair
from fastsoftmax.objective.blocks import Factors, blocks_for
from fastsoftmax.objective.carry import Carry, carry_of
from fastsoftmax.objective.certificate import ROUNDING, Certificate, certify
from fastsoftmax.objective.curvature import HESSIAN_PARAMETERS, hessian, probabilities
from fastsoftmax.objective.far_model import FarModel
from fastsoftmax.objective.line import Line
from fastsoftmax.objective.objective import Objective
from fastsoftmax.objective.separation import has_minimiser, separates

__all__ = [
    "HESSIAN_PARAMETERS",
    "ROUNDING",
    "Carry",
    "Certificate",
    "Factors",
    "FarModel",
    "Line",
    "Objective",
    "blocks_for",
    "carry_of",
    "certify",
    "combine",
    "dot",
    "dots",
    "empty",
    "has_minimiser",
    "hessian",
    "largest",
    "pair",
    "probabilities",
    "separates",
]
