"""What estimators share that choose the strength of their penalty by cross-validation."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._linear.cv.folds import Fit
from fastsoftmax._linear.cv.leave_one_out import EachRow, suited
from fastsoftmax._linear.cv.scoring import OWN, labels_of, own_measure, scored
from fastsoftmax._linear.cv.search import Folds, Search, Split
from fastsoftmax._linear.model import LinearModel, warn_unconverged
from fastsoftmax._linear.problem.problem import Problem, problem_of
from fastsoftmax._linear.softmax_regression import SoftmaxRegression
from fastsoftmax._runtime.callbacks import FitState
from fastsoftmax._runtime.collections import is_collection
from fastsoftmax._runtime.sklearn_compat import metadata_router, routed, scorer_of
from fastsoftmax._runtime.typing import MatrixLike
from fastsoftmax._validation import check
from fastsoftmax._validation import folds as check_folds
from fastsoftmax._validation import networks as check_networks
from fastsoftmax.blocks import Blocks
from fastsoftmax.partitions import Partitions

LOOSEST = 1e-4  # a tolerance of folds, far below what they differ by,
LOOSER = 100.0  # and how many times that of the fit of all rows, unless one is given


def tolerance_of_folds(given: object, tol: float) -> float:
    """That of the fits of folds; where none is given, a small one of all rows reaches them."""
    if given is None:
        return min(LOOSEST, LOOSER * tol)
    return check.number(given, "fold_tol", least=0)


class CrossValidated(LinearModel):
    """The search for a C, and the fit of all rows."""

    def _search(
        self,
        native: Any,
        l1_ratios: Sequence[object],
        scoring: object,
        keep: Callable[[Fit, int], None],
        X: MatrixLike | Blocks,
        y: ArrayLike | None,
        sample_weight: ArrayLike | None,
        *,
        target: str,
        classes: ArrayLike | None,
        callback: Callable[[FitState], object] | None,
        params: dict[str, Any],
    ) -> tuple[list[Problem], Search]:
        """Fit and score every fold for every C and ratio, by parameters in this package's terms.

        `params` are scikit-learn's metadata for the splitter and the scorer.
        """
        check_networks.callback(callback)
        if isinstance(X, Partitions) or is_collection(X):
            check_folds.no_partitions(type(X).__name__)
        Cs = check_folds.strengths(self.Cs)
        problems = []
        for native.l1_ratio in l1_ratios:
            problem = problem_of(
                native, X, y, sample_weight, max_iter=native.max_iter, Cs=Cs.tolist(),
                target=target, classes=classes,
            )  # fmt: skip
            problems.append(problem)
        fold_tol = tolerance_of_folds(self.fold_tol, problems[0].options.tol)
        metadata = routed(self, "fit", sample_weight, params)
        split: Split
        if check_folds.is_leave_one_out(self.cv):
            problems = [suited(problem) for problem in problems]
            split = EachRow(problems[0], check_folds.of_rows(own_measure(scoring), scoring, OWN))
        else:
            split = self._folds(problems[0], scoring, X, metadata)
        search = Search(split, len(problems), Cs)
        search.run(problems, fold_tol, keep, callback, bool(self.verbose))
        return problems, search

    def _folds(
        self, problem: Problem, scoring: object, X: MatrixLike | Blocks, metadata: Any
    ) -> Folds:
        labels = labels_of(problem)
        # a splitter asks blocks for no more than their length
        rows = np.zeros((len(labels), 1)) if isinstance(X, Blocks) else X
        pairs = check_folds.folds(self.cv, labels, rows, metadata["splitter"])
        check_folds.enough(len(pairs), getattr(self, "selection", "best"))
        score = scored(
            scoring, problem, lambda *model: self._model_of(problem, *model), X, pairs,
            metadata["scorer"],
        )  # fmt: skip
        return Folds(pairs, score)

    def _refit(self, problem: Problem, C: float, start: tuple[NDArray, NDArray]) -> None:
        """Fit all rows."""
        objective = problem.objective(C)
        result = self._minimize(problem, C, objective, start, None)
        warn_unconverged(result, problem, C)
        self._forget()
        models = objective.models
        self._keep(problem, result, models.of(result.theta), models.grad_norm(result.gradient))

    def _model_of(self, problem: Problem, coef: NDArray, intercept: NDArray) -> SoftmaxRegression:
        """A fold's model, for a scorer."""
        model = SoftmaxRegression(n_threads=self._threads)
        model._keep_model(problem, coef, intercept)
        if problem.rows.scan is not None:  # rows of blocks come without names
            vars(model).pop("feature_names_in_", None)
        return model

    def _scorer(self) -> Any:
        """scikit-learn's scorer, or a function; None where logits are scored."""
        return None if own_measure(self._scoring()) else scorer_of(self._scoring())

    def _scoring(self) -> object:
        return self.scoring

    def get_metadata_routing(self) -> Any:
        """What metadata this estimator asks for, and hands on to its splitter and its scorer.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter
        """
        return metadata_router(self, self.cv, self._scorer())
