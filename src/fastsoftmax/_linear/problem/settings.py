"""The parameters of an estimator, checked before any work."""

import sys
from collections.abc import Collection
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine import solvers
from fastsoftmax._linear.problem.rows import GivenRows
from fastsoftmax._validation import check
from fastsoftmax._validation import groups as check_groups
from fastsoftmax._validation import partitions as check_partitions
from fastsoftmax._validation import targets as check_targets
from fastsoftmax._validation.columns import by_column


class Settings(NamedTuple):
    """What the parameters say without the rows."""

    options: solvers.Options
    solver: str
    l1_ratio: float
    fit_intercept: bool
    standardize: bool
    max_memory: int | None
    n_threads: int
    asked_threads: int | None  # as it was given: workers have their own
    label_smoothing: float
    feature_scale: object  # as it was given, for features that are not known here

    @classmethod
    def of(cls, estimator: Any, max_iter: object) -> Self:
        """Those of an estimator."""
        e = estimator
        l1_ratio = check.fraction(e.l1_ratio, "l1_ratio")
        tol = check.number(e.tol, "tol", least=0)
        max_iter = check.integer(max_iter, "max_iter", least=0)
        solver = solvers.known(e.solver)
        max_memory = e.max_memory
        if max_memory is not None:
            max_memory = check.integer(max_memory, "max_memory", least=1, most=sys.maxsize)
        seed = check.integer(e.random_state, "random_state", least=0)
        n_threads = check.threads(e.n_threads)
        fit_intercept = check.flag(e.fit_intercept, "fit_intercept")
        standardize = check.flag(e.standardize, "standardize")
        check.verbosity(e.verbose)
        smoothing = check_targets.smoothing(e.label_smoothing)
        return cls(
            solvers.Options(tol, max_iter, seed), solver, l1_ratio, fit_intercept, standardize,
            max_memory, n_threads, e.n_threads, smoothing, e.feature_scale,
        )  # fmt: skip


class PenaltyTerms(NamedTuple):
    """What the parameters say of the penalty, but for its strength and its share of L1."""

    factors: NDArray[np.float64] | None  # (D,)
    standardize: bool
    never: bool  # whether no strength that is asked for is above 0
    groups: NDArray[np.intp] | None  # of the weights, which an L1 penalty takes together

    @classmethod
    def of(
        cls,
        estimator: Any,
        settings: Settings,
        rows: GivenRows,
        n_logits: int,
        Cs: Collection[float],
    ) -> Self:
        """Those of an estimator, by the columns of X."""
        e, l1_ratio, d = estimator, settings.l1_ratio, rows.data.shape[1]
        factors = by_column(e.penalty_factor, rows.given, "penalty_factor")
        factors = check.penalty_factor(factors, d, min(Cs))
        if rows.data.is_distributed:
            check_partitions.supported(l1_ratio, max(Cs), factors)
        groups = by_column(getattr(e, "l1_group", None), rows.given, "l1_group")
        groups = check_groups.l1_group(groups, d, n_logits, factors)
        return cls(factors, settings.standardize, min(Cs) == np.inf, groups if l1_ratio else None)
