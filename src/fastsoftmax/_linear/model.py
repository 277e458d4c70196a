"""How a linear model is fitted: what was given is checked, wired to a solver, and kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._engine import small, solvers
from fastsoftmax._engine.curvature import warm_start_of
from fastsoftmax._engine.objective import Models, Objective, WarmStart, start_of
from fastsoftmax._linear.calibration import temperature_of
from fastsoftmax._linear.inference.evidence import evidence_of, keep_evidence
from fastsoftmax._linear.predict import Probabilities
from fastsoftmax._linear.problem.certificate import Certificate, certificate_of
from fastsoftmax._linear.problem.each_label import Optimum, each_label, together
from fastsoftmax._linear.problem.far_offsets import start_beside
from fastsoftmax._linear.problem.problem import Problem, problem_of
from fastsoftmax._linear.problem.targets import referred
from fastsoftmax._linear.to_sklearn import ToSklearn
from fastsoftmax._neural import Epoch
from fastsoftmax._neural.labels import dense
from fastsoftmax._runtime import caller
from fastsoftmax._runtime.atomic import of_one_fit
from fastsoftmax._runtime.callbacks import FitState
from fastsoftmax._runtime.progress import progress
from fastsoftmax._runtime.sklearn_compat import (
    BaseEstimator,
    ClassifierMixin,
    ConvergenceWarning,
    check_features_of_fit,
    require_fit,
)
from fastsoftmax._runtime.typing import MatrixLike
from fastsoftmax._saving import Saved
from fastsoftmax._validation import check, saved
from fastsoftmax._validation import labels as check_labels
from fastsoftmax._validation import networks as check_networks
from fastsoftmax._validation.columns import named_columns
from fastsoftmax.blocks import Blocks
from fastsoftmax.partitions import Partitions

OF_A_FIT = ("coef_", "intercept_")
# attributes that hold for the model of a fit alone
OF_FIT = (
    *("converged_", "certified_", "objective_", "grad_norm_", "gap_bound_", "n_iter_"),
    *("n_passes_", "history_", "temperature_", "_warm_start_state", "_evidence", "_weight"),
)


class LinearModel(Probabilities, ToSklearn, Saved, ClassifierMixin, BaseEstimator):
    """What softmax and logistic regression share: all but what y may be."""

    class_weight: object = None
    label_smoothing: float = 0.0
    reference_class: object = None
    _indicators = False  # whether several columns of y are labels of their own
    _warm_start_state: WarmStart | None = None  # from a fit to the next, with warm_start
    _saved = saved.Attributes(
        {
            "n_features_in_": saved.size("D"),
            "classes_": saved.labels("K"),
            "coef_": saved.floats("L", "D"),
            "intercept_": saved.floats("L"),
        },
        {
            "feature_names_in_": saved.names("D"),
            "_feature_scale": saved.optional(saved.floats("D")),
            "_several_labels": saved.flag,
            "_weight": saved.positive,
            "converged_": saved.flag,
            "certified_": saved.flag,
            "objective_": saved.number,
            "grad_norm_": saved.number,
            "gap_bound_": saved.number,
            "n_iter_": saved.count,
            "n_passes_": saved.number,
            "temperature_": saved.positive,
            "history_": saved.listed(saved.record(solvers.Iteration, Epoch)),
        },
    )

    def _fit(
        self,
        X: MatrixLike | Blocks | Partitions,
        y: MatrixLike | None,
        sample_weight: ArrayLike | None,
        *,
        max_iter: int,
        target: str = "auto",
        classes: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        callback: Callable[[FitState], object] | None = None,
        calibrate: object = None,
    ) -> Self:
        native = self._native()
        C = check.number(native.C, "C", above=0)
        check_networks.callback(callback)
        warm_starts = check.flag(self.warm_start, "warm_start")
        problem = problem_of(
            native, X, y, sample_weight, max_iter=max_iter, Cs=[C], target=target,
            classes=classes, offset=offset,
        )  # fmt: skip
        parts = each_label(problem, native.class_weight)
        previous = self._previous(problem) if warm_starts else ()
        state = self._warm_start_state if warm_starts and len(parts) == 1 else None
        callback = None if callback is None else ending_once(callback)
        fits = [
            self._optimum(part, C, tuple(each[rows] for each in previous), state, callback)
            for rows, part in parts
        ]
        result, model, grad_norm = together(fits)
        evidence, best = evidence_of(native, problem, result, model)
        temperature = None if calibrate is None else temperature_of(problem, C, calibrate)
        warm_start = warm_start_of(result.curvature) if warm_starts and result.curvature else None
        for fit, (_, part) in zip(fits, parts, strict=True):
            warn_unconverged(fit.result, part, C)
        self._forget()
        if warm_start is not None:
            self._warm_start_state = warm_start
        self._keep(problem, result, model, grad_norm)
        keep_evidence(self, evidence, best)
        if temperature is not None:
            self.temperature_ = temperature
        return self

    def _optimum(
        self,
        problem: Problem,
        C: float,
        previous: tuple[NDArray, ...],
        state: WarmStart | None,
        callback: Callable[[FitState], object] | None,
    ) -> Optimum:
        """The optimum, in one call where the problem is small and nothing is to be seen of it."""
        fitted = None
        if callback is None and not self.warm_start:
            fitted = minimize_small(problem, C, bool(self.verbose))
        if fitted is None:
            objective = problem.objective(C, warm_start=state)
            result = self._minimize(problem, C, objective, previous, callback)
            fitted = result, objective.models
        result, models = fitted
        return Optimum(result, models.of(result.theta), models.grad_norm(result.gradient))

    def _minimize(
        self,
        problem: Problem,
        C: float,
        objective: Objective,
        previous: tuple[Any, ...],
        callback: Callable[[FitState], object] | None,
    ) -> solvers.Result:
        """The optimum, from a model if there is one, progress being shown on the way."""
        solver = solvers.find(problem.solver, objective)
        if not objective.parameters.finite:
            problem.rows.require_spread(*objective.parameters.moments)
        n, start = objective.data.shape[0], start_of(objective, *previous)
        # overflow shows in the objective
        quiet = np.errstate(over="ignore", invalid="ignore")
        with quiet, progress(bool(self.verbose)) as show:

            def report(state: FitState) -> object:
                if self.verbose:
                    show(f"{state}   {n * state.n_passes / max(state.seconds, 1e-9):.2g} rows/s")
                return callback is not None and callback(state)

            if not previous:
                start = start_beside(problem, C, objective, start)
            result = solver.minimize(objective, start, replace(problem.options, report=report))
        if not (result.converged or result.halted):  # rows of weight 0 may hold anything but that
            problem.rows.require_finite()
        return result

    def _keep(
        self,
        problem: Problem,
        result: solvers.Result,
        model: tuple[NDArray, NDArray],
        grad_norm: float,
    ) -> None:
        """Set the attributes of a fit that has ended."""
        self._keep_model(problem, *model)
        self.converged_, self.certified_ = result.converged, result.certified
        self.objective_ = float(result.value)
        self.grad_norm_ = grad_norm
        self.gap_bound_ = result.gap_bound
        self.n_iter_ = self._counted(len(result.history))
        self.n_passes_ = result.n_passes
        self.history_ = result.history

    def _native(self) -> Any:
        """The parameters of a fit, in this package's terms."""
        return self

    def _forget_fit(self) -> None:
        """Leave nothing that holds for the model of a fit alone: the model is another now."""
        for name in OF_FIT:
            vars(self).pop(name, None)

    def _keep_model(self, problem: Problem, coef: NDArray, intercept: NDArray) -> None:
        self.classes_ = problem.targets.classes
        self._feature_scale = problem.rows.feature_scale
        self._several_labels = problem.several_labels
        weights = problem.targets.weights
        self._weight = float(problem.rows.data.shape[0] if weights is None else weights.sum())
        self.coef_, self.intercept_ = referred(coef, intercept, problem.reference)
        check_features_of_fit(self, problem.rows.given, reset=True)

    @of_one_fit
    def certify(
        self,
        X: MatrixLike | Blocks | Partitions,
        y: MatrixLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        target: str = "auto",
        offset: ArrayLike | None = None,
    ) -> Certificate:
        """Prove how far the model is from the optimum for some rows, from its coefficients alone.

        Parameters
        ----------
        X, y, sample_weight, target, offset
            As in `SoftmaxRegression.fit`. Labels are those of ``classes_``, of which some may be
            missing; the columns of y are in the order of ``classes_``.

        Returns
        -------
        Certificate
            As in `fastsoftmax.certify`, under the parameters of this estimator.

        Raises
        ------
        ValueError, TypeError
            As in `fit`, and if the rows have other classes or features than the model.
        """
        require_fit(self, "coef_")
        coef, intercept = dense(self.coef_), self.intercept_
        if len(coef) > 1 and self.reference_class is not None:  # as the penalty had them
            coef, intercept = coef - coef.mean(axis=0), intercept - intercept.mean()
        return certificate_of(
            self._native(), coef, intercept, X, y, sample_weight, known=self.classes_,
            several_labels=self._several_labels, target=target, offset=offset,
        )  # fmt: skip

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_warm_start_state"}

    def _restore(self, attributes: dict[str, Any]) -> None:
        several_labels = attributes.get("_several_labels", False)
        saved.of_linear_model(attributes["classes_"], attributes["coef_"], several_labels)
        super()._restore(attributes)

    def _previous(self, problem: Problem) -> tuple[Any, ...]:
        """(coef, intercept) to start from, if a warm start is wanted and there is one that fits."""
        if not self.warm_start or not hasattr(self, "coef_"):
            return ()
        classes, n_features = problem.targets.classes, problem.rows.data.shape[1]
        if problem.several_labels != self._several_labels:
            kinds = "one label", "several labels"
            raise ValueError(
                f"warm_start: expected {kinds[self._several_labels]} per row, as in the previous "
                f"fit, got {kinds[problem.several_labels]}"
            )
        if n_features != self.n_features_in_:
            raise ValueError(
                f"warm_start: expected {self.n_features_in_} features as in the previous fit, got "
                f"{n_features}"
            )
        check_labels.not_other_classes(classes, self.classes_, "warm_start")
        return check.linear_model(
            dense(self.coef_),
            self.intercept_,
            problem.targets.n_logits,
            n_features,
            names=OF_A_FIT,
        )


def minimize_small(
    problem: Problem, C: float, verbose: bool
) -> tuple[solvers.Result, Models] | None:
    """The optimum of a small problem, in one call; None if it is not small, or that fails."""
    given = problem.small(C)
    if given is None:
        return None
    units = problem.penalised.units
    found = small.minimize_small(given, problem.options, units, problem.row_space)
    if verbose and found and found[0].history:
        with progress(True) as show:
            show(str(found[0].history[-1]), len(found[0].history))
    return found


def ending_once(callback: Callable[[FitState], object]) -> Callable[[FitState], bool]:
    """A callback for several fits: once it ends one, it ends those that follow unasked."""
    ended = False

    def report(state: FitState) -> bool:
        nonlocal ended
        ended = ended or bool(callback(state))
        return ended

    return report


def warn_unconverged(
    result: solvers.Result, problem: Problem, C: float, fit: str = "The fit"
) -> None:
    """Warn of a fit, by this name, that did not converge."""
    if result.stop and not result.halted:
        caller.warn(unconverged(result, problem, C, fit), ConvergenceWarning)


def unconverged(result: solvers.Result, problem: Problem, C: float, fit: str) -> str:
    """What a fit that did not converge says."""
    options, left = problem.options, ""
    if np.isfinite(result.gap_bound):
        left = f", at most {result.gap_bound:.1e} above the optimum"
    remedy = result.stop.remedy.format(max_iter=options.max_iter, tol=options.tol, C=C)
    factors = problem.terms.factors
    if result.stop == solvers.SEPARABLE and np.isfinite(C) and factors is not None:
        free = named_columns(problem.rows.given, np.flatnonzero(factors == 0))
        remedy = f"Give those a penalty_factor > 0 that separate them, of the free ones: {free}"
    return (
        f"{fit} did not converge: {result.stop.reason}. It ended after {len(result.history)} "
        f"iterations with an objective of {result.value:.6g}{left}. {remedy}."
    )
