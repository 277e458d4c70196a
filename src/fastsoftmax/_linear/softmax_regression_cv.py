"""Softmax regression whose strength of the penalty is chosen by cross-validation."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._linear.cv.folds import Fit, fit_folds, masks_of
from fastsoftmax._linear.cv.scoring import scored
from fastsoftmax._linear.model import LinearModel, warn_unconverged
from fastsoftmax._linear.problem.problem import Problem, problem_of
from fastsoftmax._linear.softmax_regression import SoftmaxRegression
from fastsoftmax._runtime.progress import progress
from fastsoftmax._runtime.typing import MatrixLike
from fastsoftmax._validation import folds as check_folds
from fastsoftmax._validation import numbers as check
from fastsoftmax._validation import saved
from fastsoftmax.blocks import Blocks


@dataclass(eq=False, repr=False)
class SoftmaxRegressionCV(LinearModel):
    """Softmax regression with the C that does best in cross-validation.

    All strengths and folds are one job: a fold is a mask on the weights of the rows rather than a
    copy of them, so that what is learnt of X serves all; and each fit starts from those before it.

    Parameters
    ----------
    Cs : int or array-like of float, default=10
        Inverse strengths of the penalty, > 0; of a number so many from 1e-4 to 1e4, evenly spaced
        in their logarithm.
    cv : int, splitter or iterable, default=5
        Folds: so many stratified ones, the rows of a class staying in their order; what a
        scikit-learn splitter gives; or pairs of row numbers, to train on and to score.
    scoring : str or callable, default=None
        What the rows left out are scored by, the higher the better. None, "neg_log_loss": minus
        the mean cross-entropy. "accuracy"; any other name or ``scorer(estimator, X, y)`` of
        scikit-learn's.
    refit : bool, default=True
        Whether to fit all rows with the best C. Otherwise the coefficients are the mean of the
        folds'.
    fold_tol : float, default=1e-4
        As ``tol``, for the fits of folds, of which only the score is wanted: far below what the
        folds differ by.
    l1_ratio, fit_intercept, tol, max_iter, solver, max_memory, feature_scale, standardize, \
penalty_factor, class_weight, label_smoothing, reference_class, n_threads, random_state, verbose
        As of `SoftmaxRegression`. Standard deviations, and weights of classes that are to be
        balanced, are those of all rows.

    Attributes
    ----------
    C_ : float
        The C of the best mean score; of equal ones the smallest.
    Cs_ : ndarray of shape (n_Cs,)
        The strengths, as given.
    scores_ : ndarray of shape (n_folds, n_Cs)
        The score of each fold for each C.
    fold_objectives_ : ndarray of shape (n_folds, n_Cs)
        F of the rows trained on, where their fits ended.
    fold_iterations_ : ndarray of shape (n_folds, n_Cs)
        Iterations of these.
    classes_, coef_, intercept_, n_features_in_
        As of `SoftmaxRegression`.
    converged_, certified_, objective_, grad_norm_, gap_bound_, n_iter_, n_passes_, history_
        As of `SoftmaxRegression`, of the fit of all rows; none without ``refit``.

    See Also
    --------
    SoftmaxRegression : For one C.

    References
    ----------
    .. [1] Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, 2nd ed., Springer
       2009, section 7.10.

    Examples
    --------
    >>> from fastsoftmax import SoftmaxRegressionCV
    >>> from fastsoftmax.datasets import load_digits
    >>> X, y = load_digits()
    >>> model = SoftmaxRegressionCV(Cs=[1e-4, 1e-2, 1], cv=3).fit(X[:600], y[:600])
    >>> model.scores_.shape, model.C_
    ((3, 3), 0.01)
    """

    __module__ = "fastsoftmax"

    Cs: int | ArrayLike = 10
    _: KW_ONLY
    cv: Any = 5
    scoring: str | Callable[..., float] | None = None
    refit: bool = True
    fold_tol: float = 1e-4
    l1_ratio: float = 0.0
    fit_intercept: bool = True
    tol: float = 1e-6
    max_iter: int = 1000
    solver: str = "auto"
    max_memory: int | None = None
    feature_scale: ArrayLike | None = None
    standardize: bool = False
    penalty_factor: ArrayLike | None = None
    class_weight: Mapping[Hashable, float] | str | None = None
    label_smoothing: float = 0.0
    reference_class: Hashable = None
    n_threads: int | None = None
    random_state: int = 0
    verbose: bool = False

    _saved = LinearModel._saved.and_also(
        C_=saved.number,
        Cs_=saved.table("f", "S"),
        scores_=saved.table("f", "F", "S"),
        fold_objectives_=saved.table("f", "F", "S"),
        fold_iterations_=saved.table("i", "F", "S"),
    )

    def fit(
        self,
        X: MatrixLike | Blocks,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        target: str = "auto",
        classes: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Choose C and fit.

        Parameters
        ----------
        X : array-like or sparse matrix or array of shape (n, D), or Blocks
            As of `SoftmaxRegression.fit`.
        y : array-like of shape (n,) or (n, K)
            Labels, probabilities or counts, as of `SoftmaxRegression.fit`.
        sample_weight : array-like of shape (n,), optional
            Weights of the rows, >= 0, in fits and in the scores by cross-entropy and accuracy.
        target : {"auto", "labels", "probabilities", "counts"}, default="auto"
            What y holds.
        classes : array-like of shape (K,), optional
            Names of y's columns.
        groups : array-like of shape (n,), optional
            For a splitter that asks for them.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            For input or parameters out of range, naming the argument; for a fold without a class,
            naming it. What a scorer raises comes with the C and the fold.

        Warns
        -----
        ConvergenceWarning
            If the fit of all rows ended before its stopping rule was met.
        """
        Cs = check_folds.strengths(self.Cs)
        refit = check.flag(self.refit, "refit")
        fold_tol = check.number(self.fold_tol, "fold_tol", least=0)
        problem = problem_of(
            self, X, y, sample_weight, max_iter=self.max_iter, most_C=float(Cs.max()),
            target=target, classes=classes, offset=None,
        )  # fmt: skip
        targets = problem.targets
        labels = targets.plain if targets.plain.ndim == 1 else targets.plain.argmax(axis=1)
        # a splitter asks blocks for no more than their length
        given = (np.zeros((len(labels), 1)), labels) if isinstance(X, Blocks) else (X, y)
        folds = check_folds.folds(self.cv, labels, *given, groups)
        masks = masks_of(folds, problem)
        score = scored(
            self.scoring, problem, lambda *model: self._model_of(problem, *model), X, folds
        )

        shape = len(folds), len(Cs)
        scores, values = np.empty(shape), np.empty(shape)
        counts = np.empty(shape, int)
        means: dict[float, tuple[NDArray | float, NDArray | float]] = {}
        with np.errstate(over="ignore", invalid="ignore"), progress(bool(self.verbose)) as show:

            def done(fit: Fit) -> None:
                at = fit.fold, Cs == fit.C
                try:
                    scores[at] = score(fit, folds[fit.fold][1])
                except Exception as error:
                    error.add_note(f"scoring C = {fit.C:g}, fold {fit.fold}")
                    raise
                values[at], counts[at] = fit.value, fit.n_iter
                coef, intercept = means.get(fit.C, (0.0, 0.0))
                share = 1 / len(folds)
                means[fit.C] = coef + share * fit.coef, intercept + share * fit.intercept
                show(f"C = {fit.C:g}   fold {fit.fold}   score {scores[at][0]:.6g}")

            fit_folds(problem, Cs, masks, fold_tol, done)

        order = np.argsort(Cs, kind="stable")
        best = float(Cs[order][np.argmax(scores.mean(axis=0)[order])])
        coef, intercept = means[best]
        if refit:
            objective = problem.objective(best)
            result = self._minimize(problem, objective, (coef, intercept), None)
            warn_unconverged(result, problem, best, stacklevel=3)
            self._forget()
            self._keep(problem, objective.models, result, objective.models.of(result.theta))
        else:
            self._forget()
            self._keep_model(problem, coef, intercept)
        self.C_, self.Cs_ = best, Cs
        self.scores_, self.fold_objectives_, self.fold_iterations_ = scores, values, counts
        return self

    def _model_of(self, problem: Problem, coef: NDArray, intercept: NDArray) -> SoftmaxRegression:
        """A fold's model, for a scorer."""
        model = SoftmaxRegression(n_threads=self.n_threads)
        model._keep_model(problem, coef, intercept)
        return model
