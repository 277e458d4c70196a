"""From an estimate that F is nearly least to a proof, or to a better step.

Conjugate gradients on exact Hessian products solve H d = -∇F from where a solver's own direction
leaves off, preconditioned by what the solver knows of H. After each product the quadratic model
says what `certify` would prove along d. Once that is enough `certify` is asked, which computes all
of it anew in float64; until then d is the better step, being nearly Newton's.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.linalg import dot
from fastsoftmax._engine.line_search import Iterate
from fastsoftmax._engine.objective import Objective
from fastsoftmax._engine.objective.penalised_weights import unseen_residual
from fastsoftmax._engine.objective.rounding import RESIDUAL, ROUNDING
from fastsoftmax._engine.solvers.certificate import USUAL as CERTAIN
from fastsoftmax._engine.solvers.certificate import Certificate, certify
from fastsoftmax._engine.solvers.rules import ProofRules

Solve = Callable[[NDArray], NDArray]
USUAL = ProofRules()


class Proof(NamedTuple):
    """How near to the optimum a point is proved to be, and a direction from it."""

    direction: NDArray
    certificate: Certificate | None  # None if none was tried


def prove(
    objective: Objective,
    it: Iterate,
    direction: NDArray,
    solve: Solve,
    tolerance: float,
    most: int,
    *,
    bound: bool = False,
    rules: ProofRules = USUAL,
) -> Proof:
    """Try to prove that F can fall by no more than the tolerance from the iterate.

    Parameters
    ----------
    direction : ndarray
        ``-solve(∇F)``.
    solve : callable
        A symmetric positive definite approximation of H⁻¹.
    most : int
        Products with the Hessian, at most.
    bound : bool, default=False
        Whether a bound is wanted in any case, whatever the tolerance.
    """
    gradient = it.gradient.astype(np.float64)
    system = Quadratic(objective, it.value, gradient)
    beyond = not system.rounding <= CERTAIN.hidden * tolerance
    step, p = np.zeros_like(gradient), direction.astype(np.float64, copy=False)
    size = first = -dot(gradient, p)
    largest = 0.0  # ‖H v‖ / ‖v‖
    for count in range(1, 1 + (most if size > 0 else 0)):
        product = it.hessian_times(p).astype(np.float64, copy=False)
        curvature, square = dot(p, product), dot(p, p)
        largest = max(largest, np.sqrt(dot(product, product) / square))
        if not curvature > objective.rounding * largest * square:
            break
        step = step + (size / curvature) * p
        system.residual = system.residual + (size / curvature) * product
        enough = max(rules.ready * tolerance, rules.tight * system.decrease(step) if bound else 0.0)
        if system.bound(step) <= enough or (beyond and system.is_newton()):
            break
        z = -solve(system.residual).astype(np.float64, copy=False)
        size, before = -dot(system.residual, z), size
        if not size > 0:
            break
        # no bound is below what F falls by along the step
        far = system.decrease(step) > rules.ready * tolerance and not bound
        if far and (size <= rules.forcing**2 * first or count >= rules.products_of_step):
            return Proof(step, None)
        p = z + (size / before) * p
    if bound or not size > 0 or system.bound(step) <= tolerance or system.is_newton():
        certificate = certify(objective, it.theta, step, tolerance)
        return Proof(certificate.direction, certificate)
    return Proof(step, None)


class Quadratic:
    """What the quadratic model of F says of a step d with the residual H d + ∇F."""

    def __init__(self, objective: Objective, value: float, gradient: NDArray) -> None:
        self._objective, self._gradient = objective, gradient
        self.residual = gradient
        residuals, p = np.sqrt(2 * max(value, 0.0)), objective.parameters
        self._magnitudes = residuals * p.sizes()
        self._negligible = ROUNDING * self._magnitudes + RESIDUAL * residuals * p.variations()
        self._negligible += unseen_residual(objective.penalty, value, len(gradient))

    def decrease(self, step: NDArray) -> float:
        """By how much F falls along the step."""
        return -0.5 * dot(self._gradient, step)

    @property
    def rounding(self) -> float:
        """What rounding alone makes of the bound."""
        mu = self._objective.penalty
        errors = ROUNDING * self._magnitudes
        return float(np.sum(np.square(errors))) / (2 * mu) if mu else np.inf

    def is_newton(self) -> bool:
        """Whether the step is Newton's, but for rounding."""
        residual = np.abs(self._objective.parameters.penalised_gradient(self.residual))
        return bool((residual <= self._negligible).all())

    def bound(self, step: NDArray) -> float:
        """About the bound that is proved along the step; infinity where the residual is too large
        for one."""
        p, mu = self._objective.parameters, self._objective.penalty
        of_loss = 0.5 * dot(step, self.residual - self._gradient)
        residual = p.penalised_gradient(self.residual)
        if not mu:
            return of_loss if self.is_newton() else np.inf
        W = p.penalised(step)
        of_loss -= 0.5 * mu * float(np.sum(np.square(W)))
        return of_loss + float(np.sum(np.square(residual - mu * W))) / (2 * mu)
