"""How a linear model is fitted: what was given is checked, wired to a solver, and kept."""

import warnings
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax import _validation as check
from fastsoftmax import _validation_targets as check_targets
from fastsoftmax import solvers
from fastsoftmax._progress import progress
from fastsoftmax._sklearn import (
    BaseEstimator,
    ClassifierMixin,
    ConvergenceWarning,
    DataConversionWarning,
    check_features_of_fit,
)
from fastsoftmax.blocks import Blocks
from fastsoftmax.linear._online import PartialFit
from fastsoftmax.linear._penalty import penalised_units
from fastsoftmax.linear._predict import Probabilities
from fastsoftmax.linear._rows import rows_of
from fastsoftmax.linear._targets import referred, targets_of
from fastsoftmax.objective import Carry, Objective, carry_of


class LinearModel(PartialFit, Probabilities, ClassifierMixin, BaseEstimator):
    """What softmax and logistic regression share: all but what y may be."""

    class_weight: object = None
    label_smoothing: float = 0.0
    reference_class: object = None
    _indicators = False  # whether several columns of y are labels of their own
    _carry: Carry | None = None  # from a fit to the next, with warm_start

    def _fit(
        self,
        X: ArrayLike | Blocks,
        y: ArrayLike | None,
        sample_weight: ArrayLike | None,
        *,
        max_iter: int,
        target: str = "auto",
        classes: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        callback: Callable[[solvers.State], object] | None = None,
    ) -> Self:
        C = check.number(self.C, "C", above=0)
        l1_ratio = check.fraction(self.l1_ratio, "l1_ratio")
        tol = check.number(self.tol, "tol", least=0)
        max_iter = check.integer(max_iter, "max_iter", least=1)
        solver_name = solvers.known(self.solver)
        max_memory = self.max_memory
        if max_memory is not None:
            max_memory = check.integer(max_memory, "max_memory", least=1)
        seed = check.integer(self.random_state, "random_state", least=0)
        n_threads = check.threads(self.n_threads)
        smoothing = check_targets.smoothing(self.label_smoothing)
        rows = rows_of(X, y, sample_weight, n_threads, self.feature_scale)
        n, d = rows.data.shape
        kind = check_targets.kind_of(rows.y, target, self._indicators)
        targets = targets_of(
            rows.y, rows.weights, n, rows.data.dtype, kind=kind, classes=classes,
            class_weight=self.class_weight, label_smoothing=smoothing,
        )  # fmt: skip
        if kind == "labels" and getattr(y, "ndim", 1) == 2:
            warnings.warn(
                "A column-vector y was passed when a 1d array was expected: use y.ravel().",
                DataConversionWarning,
                stacklevel=3,
            )
        reference = check_targets.reference(self.reference_class, targets.classes)

        known = check.offset(offset, n, targets.n_logits)
        factors = check.penalty_factor(self.penalty_factor, d, C)
        units, l1_factors = penalised_units(
            rows.data, targets.weights, factors, bool(self.standardize)
        )
        objective = Objective(
            rows.data, targets.values, targets.n_logits, weights=targets.weights, C=C,
            l1_ratio=l1_ratio, fit_intercept=bool(self.fit_intercept), max_memory=max_memory,
            carry=self._carry if self.warm_start else None, units=units, l1_factors=l1_factors,
            offset=known,
        )  # fmt: skip
        solver = solvers.find(solver_name, objective)
        if not objective.parameters.finite:
            rows.require_finite()
        start = objective.start(
            *self._previous((targets.n_logits, d), targets.classes, kind == "indicators")
        )
        # overflow shows in the objective
        quiet = np.errstate(over="ignore", invalid="ignore")
        with quiet, progress(bool(self.verbose)) as show:

            def report(state: solvers.State) -> object:
                show(f"{state}   {n * state.n_passes / max(state.seconds, 1e-9):.2g} rows/s")
                return callback is not None and callback(state)

            options = solvers.Options(tol, max_iter, seed, report)
            result = solver.minimize(objective, start, options)

        self._forget()
        if self.warm_start:
            self._carry = carry_of(objective)
        self.classes_ = targets.classes
        self._feature_scale = rows.feature_scale
        self._several_labels = kind == "indicators"
        self.coef_, self.intercept_ = referred(*objective.model(result.theta), reference)
        check_features_of_fit(self, rows.given, reset=True)
        self.converged_ = result.converged
        self.objective_ = float(result.value)
        self.grad_norm_ = objective.grad_norm(result.gradient)
        self.gap_bound_ = result.gap_bound
        self.n_iter_ = len(result.history)
        self.n_passes_ = objective.n_passes
        objective.close()
        self.history_ = result.history
        if not (result.converged or result.halted):
            warnings.warn(
                f"The fit did not converge: {result.message} after {self.n_iter_} iterations, "
                f"max |gradient| {self.grad_norm_:.1e}. Increase max_iter (now {max_iter}) or tol "
                f"(now {tol:g}), scale the features, or decrease C (now {C:g}).",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_carry"}

    def _previous(
        self, shape: tuple[int, int], classes: NDArray, several_labels: bool
    ) -> tuple[Any, ...]:
        """(coef, intercept) to start from, if a warm start is wanted and there is one that fits."""
        if not self.warm_start or not hasattr(self, "coef_"):
            return ()
        if self.coef_.shape != shape or not np.array_equal(self.classes_, classes):
            raise ValueError(
                f"warm_start: expected the classes and features of the previous fit "
                f"({len(self.classes_)} classes, {self.n_features_in_} features), got "
                f"{len(classes)} classes, {shape[1]} features"
            )
        if several_labels != self._several_labels:
            kinds = "one label", "several labels"
            raise ValueError(
                f"warm_start: expected {kinds[self._several_labels]} a row, as in the previous "
                f"fit, got {kinds[several_labels]}"
            )
        return self.coef_, self.intercept_
