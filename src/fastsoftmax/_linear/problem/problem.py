"""What a linear model is given to fit: parameters, rows and targets, checked before any work."""

from collections.abc import Collection
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._engine import solvers
from fastsoftmax._engine.data import RowSpace
from fastsoftmax._engine.objective import (
    Objective,
    Observations,
    Penalised,
    Penalty,
    WarmStart,
)
from fastsoftmax._engine.small import Small, is_small
from fastsoftmax._linear.problem.collections import from_collections
from fastsoftmax._linear.problem.partitioned import read_partitions
from fastsoftmax._linear.problem.penalty import column_space_of, penalised_units, row_space_of
from fastsoftmax._linear.problem.rows import GivenRows, rows_of
from fastsoftmax._linear.problem.settings import PenaltyTerms, Settings
from fastsoftmax._linear.problem.targets import Encoding, Targets, targets_of
from fastsoftmax._runtime.memory_budget import MemoryBudget
from fastsoftmax._runtime.typing import MatrixLike
from fastsoftmax._validation import check
from fastsoftmax._validation import networks as check_networks
from fastsoftmax._validation import partitions as check_partitions
from fastsoftmax._validation import targets as check_targets
from fastsoftmax.blocks import Blocks
from fastsoftmax.partitions import Partitions


class Problem(NamedTuple):
    """All but the strength of the penalty."""

    rows: GivenRows
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
        data, targets = self.rows.data, self.targets
        weights = targets.weights if only is None else only
        if only is not None and targets.weights is not None:
            weights = only * targets.weights
        rows = Observations(data, targets.values, targets.n_logits, weights, self.offset)
        check.penalty(C, rows.total_weight)
        return Objective(
            rows, Penalty(C, self.l1_ratio, self.penalised), fit_intercept=self.fit_intercept,
            row_space=self.row_space, memory=self.memory, warm_start=warm_start, like=like,
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
        rows = Observations(data, targets.values, targets.n_logits, targets.weights)
        total = rows.total_weight
        check.penalty(C, total)
        rows = rows.of_mean_weight_1(total)
        units = None if self.row_space is not None else units
        return Small(
            data.as_array(units), rows.targets, rows.weights, rows.loss, 1 / (C * total),
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
    target: str = "auto",
    classes: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    known: NDArray | None = None,
    several_labels: bool | None = None,
) -> Problem:
    """What an estimator, by its parameters, is to fit for some C.

    `known` and `several_labels` are the classes of a model and the kind of its labels, where y is
    to have those.
    """
    e = estimator
    X, y, sample_weight, offset = from_collections(X, y, sample_weight, offset)
    settings = Settings.of(e, max_iter)
    encoding = Encoding(
        target, classes, known, several_labels, e._indicators, e.class_weight,
        settings.label_smoothing,
    )  # fmt: skip
    if isinstance(X, Partitions):
        check_partitions.bring_all(y=y, sample_weight=sample_weight, offset=offset)
        rows, targets, kind, offset = read_partitions(X, settings, encoding)
    else:
        rows, targets, kind = read_rows(X, y, sample_weight, settings, encoding)
        offset = check.offset(offset, rows.data.shape[0], targets.n_logits, rows.data.dtype)
    terms = PenaltyTerms.of(e, settings, rows, targets.n_logits, Cs)
    problem = Problem(
        rows, targets, kind == "indicators",
        check_targets.reference(e.reference_class, targets.classes),
        settings.options, settings.solver, settings.l1_ratio, settings.fit_intercept,
        MemoryBudget.of(settings.max_memory, rows.data.nbytes), terms, offset,
    )  # fmt: skip
    return problem.with_targets(targets)


def read_rows(
    X: MatrixLike | Blocks,
    y: MatrixLike | None,
    sample_weight: ArrayLike | None,
    settings: Settings,
    encoding: Encoding,
) -> tuple[GivenRows, Targets, str]:
    """Rows and targets of arrays or blocks, and what kind of targets these are."""
    rows = rows_of(X, y, sample_weight, settings.n_threads, settings.feature_scale)
    kind = encoding.kind_of(rows.y)
    targets = targets_of(rows.y, rows.weights, rows.data.shape[0], kind, encoding)
    if kind == "labels":
        check_networks.warn_of_column(y)
    return rows, targets, kind
