"""How far any model is from the optimum, proved from the model and the data alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._engine import solvers
from fastsoftmax._engine.curvature import curvature_of
from fastsoftmax._engine.line_search import iterate_at
from fastsoftmax._engine.objective import Objective, has_minimiser, start_of
from fastsoftmax._engine.objective.precision import to_float64
from fastsoftmax._engine.objective.rounding import raised
from fastsoftmax._linear.problem.each_label import each_label
from fastsoftmax._linear.problem.problem import Problem, problem_of
from fastsoftmax._runtime.sklearn_compat import check_features_of_fit
from fastsoftmax._runtime.typing import MatrixLike
from fastsoftmax._validation import check
from fastsoftmax.blocks import Blocks
from fastsoftmax.partitions import Partitions

ITERATIONS = 1000  # at most: the default of the estimators
SEED = 0  # of rows that are drawn: the default of the estimators
TOL = 1e-6  # of the fit that bounds the gap of a model that is far off, at most


@dataclass(frozen=True)
class Certificate:
    """What `certify` proves of a model.

    Attributes
    ----------
    objective : float
        F of the model, computed in float64.
    gap_bound : float
        At least F - F*, F* being the least value of F; infinite where nothing is proved, for
        example where F is found to have no least value.
    grad_norm : float
        max |∇F|, of the subgradient of least norm with an L1 penalty.
    intercept_grad_norm : float
        max |∂F/∂b|.
    tol : float
    tolerance : float
        The largest gap that is certified: ``tol * objective``, but no less than
        ``1e-13 * tol * F(0)``, F(0) being the objective of zero logits. A ``tol`` below 1e-16
        counts as 1e-16.
    """

    objective: float
    gap_bound: float
    grad_norm: float
    intercept_grad_norm: float
    tol: float
    tolerance: float

    @property
    def certified(self) -> bool:
        """Whether the gap is proved to be at most ``tolerance``."""
        return bool(np.isfinite(self.objective) and self.gap_bound <= self.tolerance)

    def __str__(self) -> str:
        if not np.isfinite(self.gap_bound):
            return f"F = {self.objective:.10g}, of which nothing is proved"
        share = f"({self.gap_bound / self.objective:.1e} of it) " if self.objective else ""
        return (
            f"F = {self.objective:.10g}, proved to be at most {self.gap_bound:.1e} "
            f"{share}above the optimum"
        )


def certificate_of(
    estimator: Any,
    coef: ArrayLike,
    intercept: ArrayLike | None,
    X: MatrixLike | Blocks | Partitions,
    y: MatrixLike | None,
    sample_weight: ArrayLike | None,
    *,
    target: str = "auto",
    known: NDArray | None = None,
    several_labels: bool | None = None,
    offset: ArrayLike | None = None,
) -> Certificate:
    """The certificate of a model under an estimator's parameters.

    `known` are the classes of the model's rows, and `several_labels` whether it has several labels
    of a row; None where y is to tell.
    """
    C = check.number(getattr(estimator, "C_", None) or estimator.C, "C", above=0)
    problem = problem_of(
        estimator, X, y, sample_weight, max_iter=estimator.max_iter or ITERATIONS, Cs=[C],
        target=target, known=known, several_labels=several_labels, offset=offset,
    )  # fmt: skip
    if hasattr(estimator, "n_features_in_"):
        check_features_of_fit(estimator, problem.rows.given, reset=False)
    d = problem.rows.data.shape[1]
    coef, intercept = check.linear_model(coef, intercept, problem.targets.n_logits, d)
    check.no_intercept(intercept, problem.fit_intercept)
    with np.errstate(over="ignore", invalid="ignore"):
        proofs = [
            Proof(part, C, coef[rows], intercept[rows]).certificate()
            for rows, part in each_label(problem, estimator.class_weight)
        ]
    return of_all_labels(proofs)


def of_all_labels(proofs: list[Certificate]) -> Certificate:
    """The certificate of the sum of their objectives, which have nothing in common."""
    return Certificate(
        sum(each.objective for each in proofs),
        sum(each.gap_bound for each in proofs),
        max(each.grad_norm for each in proofs),
        max(each.intercept_grad_norm for each in proofs),
        proofs[0].tol,
        sum(each.tolerance for each in proofs),
    )


class Proof:
    """The proof for a model, (coef, intercept), of a problem."""

    def __init__(
        self, problem: Problem, C: float, coef: NDArray[np.float64], intercept: NDArray[np.float64]
    ) -> None:
        self._problem, self._C = problem, C
        self._objective = objective = problem.objective(C)
        if not objective.parameters.finite:
            problem.rows.require_finite()
        to_float64(objective)
        self._theta = objective.models.theta(coef, intercept)
        self._iterate = iterate_at(objective, self._theta)
        # weights that change no logit, as of constant features, are not in θ
        value, penalty = self._iterate.value, penalty_of(problem, objective, coef)
        inert = penalty - penalty_of(problem, objective, objective.models.of(self._theta)[0])
        self._inert = max(inert, 0.0) if np.isfinite(penalty) else 0.0
        check.logits_within_float64(value)
        self._value = value + self._inert if np.isfinite(penalty) else np.inf

    def certificate(self) -> Certificate:
        o, tol = self._objective, self._problem.options.tol
        rules = self._problem.options.proving
        wanted = solvers.Tolerance.of(tol, o.loss).at(self._value)
        gradient = self._iterate.gradient
        norms = o.grad_norm(gradient), o.intercept_grad_norm(gradient)
        bound = np.inf
        if np.isfinite(self._value):
            found = solvers.certificate_at(
                curvature_of(o), self._iterate, wanted, rules.products, SEED, bound=True,
                rules=rules,
            )  # fmt: skip
            rounding = o.models.rounding(self._theta, self._value)
            bound = raised(found.bound, rounding) + self._inert
            bound = np.inf if np.isnan(bound) else bound  # beyond float64
            if not bound <= wanted:
                bound = float(np.fmin(bound, self._bound_by_fit()))
            near = bound <= wanted and o.terms.open_ended
            if near and has_minimiser(o, self._theta, bound) is False:
                bound = np.inf  # F goes on falling, however little
        return Certificate(self._value, float(bound), *norms, tol, wanted)

    def _bound_by_fit(self) -> float:
        """The bound at the end of a fit from the model, plus the difference of the objectives."""
        objective = self._problem.objective(self._C)
        start = start_of(objective, *objective.models.of(self._theta))
        options = replace(self._problem.options, tol=min(self._problem.options.tol, TOL))
        result = solvers.find("auto", objective).minimize(objective, start, options)
        models, value = self._objective.models, self._value
        errors = models.rounding(self._theta, value) + models.logit_rounding(self._theta)
        # F is convex in the logits and positive: its slope is no more than √(2 L F), so that each
        # value is off by no more than 2 √(F errors) and the errors
        rounding = 8 * np.sqrt(value * errors)
        return max(value - result.value, 0.0) + rounding + result.gap_bound


def penalty_of(problem: Problem, objective: Objective, coef: NDArray) -> float:
    """The penalty of weights."""
    W = coef if problem.penalised.units is None else coef / problem.penalised.units
    ridge = 0.0
    if objective.penalty:
        W_penalised = np.delete(W, objective.free, axis=1)
        ridge = 0.5 * objective.penalty * float(np.sum(np.square(W_penalised)))
    return ridge + (objective.l1.value(W) if objective.l1 else 0.0)
