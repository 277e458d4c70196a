"""A bound at any point, whichever solver led there, or none."""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.curvature import Curvature
from fastsoftmax._engine.line_search import Iterate
from fastsoftmax._engine.solvers.block_preconditioner import BlockPreconditioner
from fastsoftmax._engine.solvers.certificate import Certificate
from fastsoftmax._engine.solvers.proof import USUAL, prove
from fastsoftmax._engine.solvers.proximal_newton import certificate_at as certificate_with_l1
from fastsoftmax._engine.solvers.rules import ProofRules


def certificate_at(
    curvature: Curvature,
    it: Iterate,
    tolerance: float,
    most: int,
    seed: int,
    *,
    bound: bool,
    rules: ProofRules = USUAL,
) -> Certificate | None:
    """What at most so many conjugate gradients, preconditioned by blocks of the Hessian, show.

    None where a proof is not worth trying and no bound is wanted.
    """
    if not np.isfinite(it.value):
        return None
    objective = curvature.objective
    if objective.l1:
        return certificate_with_l1(curvature, it, tolerance, seed)
    preconditioner = BlockPreconditioner(curvature, seed)
    preconditioner.build(it)

    def solve(vector: NDArray) -> NDArray:
        return preconditioner.solve(vector)[0]

    direction = -solve(it.gradient)
    proof = prove(objective, it, direction, solve, tolerance, most, bound=bound, rules=rules)
    return proof.certificate
