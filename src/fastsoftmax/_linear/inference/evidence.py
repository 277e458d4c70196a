"""What the end of a fit keeps for inference, since X is not kept.

A fit with C = inf and a reference class says that inference is wanted; any other remembers why
there is none.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.curvature import HESSIAN_PARAMETERS
from fastsoftmax._engine.data import DenseData
from fastsoftmax._engine.solvers import Result
from fastsoftmax._linear.inference.facts import Facts
from fastsoftmax._linear.inference.likelihood import NoMaximum, Sample, maximum
from fastsoftmax._linear.problem.problem import Problem
from fastsoftmax._linear.problem.targets import referred
from fastsoftmax._validation import inference as check


@dataclass(frozen=True)
class Evidence:
    """What a fit knows of its likelihood."""

    loglike: float
    null_loglike: float  # of the model without features
    n_observations: float  # the sum of the weights
    covariance: NDArray[np.float64]
    free: NDArray[np.bool_]  # of the logits: all but the reference's
    reference: int  # the code of the class that the others are compared with

    def facts(self, classes: NDArray) -> Facts:
        """As a whole."""
        return Facts(
            self.loglike, self.null_loglike, self.n_observations, len(self.covariance),
            tuple(classes.tolist()),
        )  # fmt: skip


Model = tuple[NDArray, NDArray]  # coef and intercept


def evidence_of(
    estimator: Any, problem: Problem, result: Result, model: Model
) -> tuple[Evidence | NoMaximum | str, Model]:
    """What the end of a fit knows of the likelihood, or why nothing; and its model.

    That is the maximum of the likelihood where it is known.
    """
    model = referred(*model, problem.reference)
    sample = sample_of(problem, problem.reference)
    if reason := not_asked(estimator, sample, problem, result):
        return reason, model
    try:
        best = maximum(sample, *model)
        null, n = null_likelihood(sample)
    except NoMaximum as why:
        return why.with_traceback(None), model
    coef, intercept = model[0].copy(), model[1].copy()
    free, first = sample.free, int(sample.fit_intercept)
    coef[free] = best.table[:, first:]
    if sample.fit_intercept:
        intercept[free] = best.table[:, 0]
    evidence = Evidence(best.value, null, n, best.covariance, free, sample.reference)
    return evidence, (coef, intercept)


def keep_evidence(estimator: Any, evidence: Evidence | NoMaximum | str, model: Model) -> None:
    """Set what `evidence_of` gives; F is then that of the maximum, not of where the fit ended."""
    estimator._evidence, (estimator.coef_, estimator.intercept_) = evidence, model
    if isinstance(evidence, Evidence):
        estimator.objective_ = -evidence.loglike / evidence.n_observations


def sample_of(problem: Problem, reference: int | None) -> Sample:
    targets = problem.targets
    return Sample(
        problem.rows.data, targets.values, targets.weights, problem.offset, targets.n_logits,
        reference, problem.fit_intercept,
    )  # fmt: skip


def not_asked(estimator: Any, sample: Sample, problem: Problem, result: Result) -> str | None:
    """Why the likelihood's maximum is not looked for; None if it is."""
    if sample.reference is None and not np.isfinite(float(estimator.C)):
        return check.NO_REFERENCE
    if reason := unsuited(estimator, sample, problem):
        return reason
    if not result.converged and (result.halted or len(result.history) == problem.options.max_iter):
        return check.NOT_CONVERGED
    return None


def unsuited(estimator: Any, sample: Sample, problem: Problem) -> str | None:
    """Why a model, by its parameters, or its rows have no maximum that can be looked for."""
    if np.isfinite(C := float(estimator.C)):
        return check.penalised(C)
    if estimator.label_smoothing:
        return check.smoothed(estimator.label_smoothing)
    if estimator.class_weight is not None:
        return check.CLASS_WEIGHTS
    if empty := np.flatnonzero(class_totals(sample) == 0).tolist():
        return check.no_rows([str(problem.targets.classes[k]) for k in empty])
    size = int(sample.free.sum()) * (sample.data.shape[1] + sample.fit_intercept)
    return check.too_many(size, HESSIAN_PARAMETERS) if size > HESSIAN_PARAMETERS else None


def class_totals(sample: Sample) -> NDArray[np.float64]:
    """The weight of the rows of each class."""
    weights = np.ones(sample.data.shape[0]) if sample.weights is None else sample.weights
    if sample.targets.ndim == 1:
        return np.bincount(sample.targets, weights, max(2, sample.n_logits))
    totals = np.einsum("n,nk->k", weights, sample.targets, dtype=np.float64)
    return np.append(weights.sum() - totals, totals) if len(totals) == 1 else totals


def null_likelihood(sample: Sample) -> tuple[float, float]:
    """The log-likelihood of intercepts alone, and the number of observations."""
    counts = class_totals(sample)
    n = float(counts.sum())
    share = counts / n
    if sample.offset is None:
        return float(n * (share @ np.log(share))), n
    zeros = np.zeros((sample.n_logits, 1))
    return maximum(intercepts_alone(sample), zeros, zeros[:, 0]).value, n


def intercepts_alone(sample: Sample) -> Sample:
    """The same rows with a feature of ones in place of all."""
    ones = DenseData(np.ones((sample.data.shape[0], 1)), sample.data.n_threads)
    return sample._replace(data=ones, fit_intercept=False)
