"""What a solver may know of the Hessian: all of it, or blocks from sampled rows."""

from fastsoftmax._engine.curvature.blocks import BlockRules, Factors, blocks_for
from fastsoftmax._engine.curvature.far_model import FarModel, FarModelRules
from fastsoftmax._engine.curvature.hessian import (
    HESSIAN_PARAMETERS,
    Curvature,
    GramCurvature,
    curvature_of,
    hessian_bytes,
    warm_start_of,
)
from fastsoftmax._engine.curvature.leave_one_out import LeaveOneOut, features_of, leave_one_out

__all__ = [
    "HESSIAN_PARAMETERS",
    "BlockRules",
    "Curvature",
    "Factors",
    "FarModel",
    "FarModelRules",
    "GramCurvature",
    "LeaveOneOut",
    "blocks_for",
    "curvature_of",
    "features_of",
    "hessian_bytes",
    "leave_one_out",
    "warm_start_of",
]
