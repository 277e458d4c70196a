"""Linear algebra that takes no X: vectors, Cholesky factors, low rank, workspaces."""

from fastsoftmax._engine.linalg.cholesky import ClassFactors
from fastsoftmax._engine.linalg.conjugate_gradients import conjugate_gradients
from fastsoftmax._engine.linalg.coordinate import WeightedColumns, descend_by_grams, subgradient
from fastsoftmax._engine.linalg.joint_hessian import assemble_joint_hessian
from fastsoftmax._engine.linalg.low_rank import LowRankFactors, low_rank_blocks, orthonormal_rows
from fastsoftmax._engine.linalg.memory import empty
from fastsoftmax._engine.linalg.vectors import (
    add,
    combine,
    dot,
    dots,
    largest,
    pair,
    products,
    substitute,
)
from fastsoftmax._engine.linalg.workspace import Workspace

__all__ = [
    "ClassFactors",
    "LowRankFactors",
    "WeightedColumns",
    "Workspace",
    "add",
    "assemble_joint_hessian",
    "combine",
    "conjugate_gradients",
    "descend_by_grams",
    "dot",
    "dots",
    "empty",
    "largest",
    "low_rank_blocks",
    "orthonormal_rows",
    "pair",
    "products",
    "subgradient",
    "substitute",
]
