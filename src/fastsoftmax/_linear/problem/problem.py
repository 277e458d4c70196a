"""What a linear model is given to fit: parameters, rows and targets, checked before any work."""

import sys
from collections.abc import Collection
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._engine import solvers
from fastsoftmax._engine.data import RowSpace
from fastsoftmax._engine.objective import Objective, WarmStart, loss_of
from fastsoftmax._engine.small import Small, is_small
from fastsoftmax._linear.problem.collections import from_collections
from fastsoftmax._linear.problem.partitioned import (
    meaning_of,
    prepared,
    rows_of_partitions,
    telling,
)
from fastsoftmax._linear.problem.penalty import (
    Penalised,
    column_space_of,
    penalised_units,
    row_space_of,
)
from fastsoftmax._linear.problem.rows import Rows, rows_of
from fastsoftmax._linear.problem.targets import Targets, targets_of
from fastsoftmax._runtime import caller
from fastsoftmax._runtime.memory_budget import MemoryBudget
from fastsoftmax._runtime.sklearn_compat import DataConversionWarning
from fastsoftmax._runtime.typing import MatrixLike
from fastsoftmax._validation import blocks as check_blocks
from fastsoftmax._validation import groups as check_groups
from fastsoftmax._validation import numbers as check
from fastsoftmax._validation import partitions as check_partitions
from fastsoftmax._validation import targets as check_targets
from fastsoftmax._validation.columns import by_column
from fastsoftmax.blocks import Blocks
from fastsoftmax.partitions import Partitions


class PenaltyTerms(NamedTuple):
    """What the parameters say of the penalty, but for its strength and its share of L1."""

    factors: NDArray[np.float64] | None  # (D,)
    standardize: bool
    never: bool  # whether no strength that is asked for is above 0
    groups: NDArray[np.intp] | None  # of the weights, which an L1 penalty takes together


class Problem(NamedTuple):
    """All but the strength of the penalty."""

    rows: Rows
    targets: Targets
    several_labels: bool
    reference: int | None
    options: solvers.Options
    solver: str
    l1_ratio: float
    fit_intercept: bool
    memory: MemoryBudget
    terms: PenaltyTerms
    offset: NDArray | None
    penalised: Penalised = Penalised()
    row_space: RowSpace | None = None

    def with_targets(self, targets: Targets) -> Self:
        """The same rows with these targets, by whose weights features are standardised and a basis
        of the rows is found."""
        data, terms = self.rows.data, self.terms
        penalised = penalised_units(
            data, targets.weights, terms.factors, terms.standardize, self.l1_ratio > 0,
            self.rows.require_spread,
        )  # fmt: skip
        penalised = penalised._replace(groups=terms.groups)
        space, free = None, np.ones(data.shape[1], bool) if terms.never else penalised.free
        if free is not None:
            space = column_space_of(
                data, targets, penalised, np.flatnonzero(free), self.fit_intercept, self.memory
            )
        if space is None and not (self.l1_ratio or data.is_distributed):
            space = row_space_of(data, targets, penalised, self.fit_intercept, self.memory)
        return self._replace(targets=targets, penalised=penalised, row_space=space)

    def objective(
        self,
        C: float,
        *,
        only: NDArray[np.float64] | None = None,
        warm_start: WarmStart | None = None,
        like: Objective | None = None,
    ) -> Objective:
        """F for this C, the weights of the rows times `only`."""
        targets = self.targets
        weights = targets.weights if only is None else only
        if only is not None and targets.weights is not None:
            weights = only * targets.weights
        rows = self.rows.data.shape[0] if weights is None else float(weights.sum())
        check.penalty(C, rows)
        return Objective(
            self.rows.data, targets.values, targets.n_logits, weights=weights, C=C,
            l1_ratio=self.l1_ratio, fit_intercept=self.fit_intercept, memory=self.memory,
            warm_start=warm_start, offset=self.offset, row_space=self.row_space, like=like,
            **self.penalised._asdict(),
        )  # fmt: skip

    def small(self, C: float) -> Small | None:
        """The same of an L2 penalty, if it is small; None if it is not, or has an offset or
        features that are not penalised."""
        targets, units = self.targets, self.penalised.units
        data = self.rows.data if self.row_space is None else self.row_space.rows
        suited = self.solver == "auto" and np.isfinite(C) and not self.l1_ratio
        if not (suited and self.penalised.free is None and self.offset is None):
            return None
        if self.several_labels or not is_small(data, targets.n_logits):
            return None
        n, weights = data.shape[0], targets.weights
        total = n if weights is None else float(weights.sum())
        check.penalty(C, total)
        if weights is not None:
            weights = weights / (total / n)
        units = None if self.row_space is not None else units
        loss = loss_of(targets.values, targets.n_logits)
        return Small(
            data.as_array(units), targets.values, weights, loss, 1 / (C * total),
            self.fit_intercept, data.n_threads,
        )  # fmt: skip


def problem_of(
    estimator: Any,
    X: MatrixLike | Blocks | Partitions,
    y: MatrixLike | None,
    sample_weight: ArrayLike | None,
    *,
    max_iter: object,
    Cs: Collection[float],
    target: str,
    classes: ArrayLike | None,
    offset: ArrayLike | None,
    known: NDArray | None = None,
    several_labels: bool | None = None,
) -> Problem:
    """What an estimator, by its parameters, is to fit for some C.

    `known` and `several_labels` are the classes of a model and the kind of its labels, where y is
    to have those.
    """
    e = estimator
    graph = "__dask_graph__"  # asked for here: calls are what a small fit takes time for
    if hasattr(X, graph) or hasattr(y, graph) or hasattr(sample_weight, graph):
        X, y, sample_weight, offset = from_collections(X, y, sample_weight, offset)
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
    of_y = {
        "classes": classes, "known": known, "class_weight": e.class_weight,
        "label_smoothing": smoothing,
    }  # fmt: skip
    if isinstance(X, Partitions):
        for name, value in (("y", y), ("sample_weight", sample_weight), ("offset", offset)):
            check_blocks.nothing_else(value, name, "Partitions")
        held, described, scale = rows_of_partitions(X, e.feature_scale)
        tells = telling(described)
    else:
        rows = rows_of(X, y, sample_weight, n_threads, e.feature_scale)
        tells = rows.y
    kind = check_targets.kind_of(tells, target, e._indicators)
    if several_labels is not None:
        check_targets.same_kind(kind == "indicators", several_labels)
    if isinstance(X, Partitions):
        meaning = meaning_of(held, tells, kind, **of_y)
        rows, targets, offset = prepared(held, described, meaning, scale, e.n_threads, n_threads)
        n, d = rows.data.shape
    else:
        n, d = rows.data.shape
        targets = targets_of(rows.y, rows.weights, n, kind=kind, **of_y)
    memory = MemoryBudget.of(max_memory, rows.data.nbytes)
    if kind == "labels" and getattr(y, "ndim", 1) == 2:
        caller.warn(
            "A column-vector y was passed when a 1d array was expected: use y.ravel().",
            DataConversionWarning,
        )
    reference = check_targets.reference(e.reference_class, targets.classes)
    factors = by_column(e.penalty_factor, rows.given, "penalty_factor")
    factors = check.penalty_factor(factors, d, max(Cs))
    if isinstance(X, Partitions):
        check_partitions.supported(l1_ratio, max(Cs), factors)
    elif offset is not None:
        offset = check.offset(offset, n, targets.n_logits, rows.data.dtype)
    groups = by_column(getattr(e, "l1_group", None), rows.given, "l1_group")
    groups = check_groups.l1_group(groups, d, targets.n_logits, factors)
    terms = PenaltyTerms(factors, standardize, min(Cs) == np.inf, groups if l1_ratio else None)
    problem = Problem(
        rows, targets, kind == "indicators", reference, solvers.Options(tol, max_iter, seed),
        solver, l1_ratio, fit_intercept, memory, terms, offset,
    )  # fmt: skip
    return problem.with_targets(targets)
