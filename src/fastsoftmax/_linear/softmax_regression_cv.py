"""Softmax regression whose strength of the penalty is chosen by cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._linear.cv.estimator import CrossValidated
from fastsoftmax._linear.cv.folds import Fit
from fastsoftmax._linear.model import LinearModel
from fastsoftmax._runtime.atomic import atomic
from fastsoftmax._runtime.callbacks import FitState
from fastsoftmax._runtime.typing import MatrixLike, Solver, Target
from fastsoftmax._validation import check, saved, spellings
from fastsoftmax._validation.folds import is_leave_one_out
from fastsoftmax.blocks import Blocks

SELECTIONS = ("best", "1se")


@spellings.naming_replacements
@dataclass(eq=False, repr=False)
class SoftmaxRegressionCV(CrossValidated):
    """Softmax regression with the C that does best in cross-validation.

    All values of C and all folds are fitted as one job: each fold is a mask of rows, X is not
    copied, and each fit starts from those before it.

    Parameters
    ----------
    Cs : int or array-like of float, default=10
        Inverse strengths of the penalty, > 0. A number means that many values from 1e-4 to 1e4,
        evenly spaced in their logarithm.
    cv : int, None, splitter, iterable or "loo", default=5
        A number of stratified folds, in which the rows of a class keep their order, with a warning
        if a class has fewer rows, None meaning 5; a splitter of scikit-learn; or pairs of arrays of
        row numbers, to train on and to score. "loo": leave-one-out, with a fold for each row, from
        one fit per C (see Notes).
    selection : {"best", "1se"}, default="best"
        Which C is chosen. "best": the one with the best mean score. "1se": the smallest whose mean
        score is within one standard error of the best, a simpler model that does about as well
        [1]_. The standard error is the standard deviation of the best C's scores divided by the
        square root of the number of folds.
    scoring : str or callable, default=None
        The score of the rows left out; higher is better. None or "neg_log_loss": the negative mean
        cross-entropy. "accuracy". Or another name of a scorer of scikit-learn, or a function
        ``scorer(estimator, X, y)``: where y holds probabilities or counts, these get the labels of
        the most probable classes. Metrics that take ``labels`` get all classes, of which the rows
        of a fold may lack some; of two classes the second is the positive one. With ``cv="loo"``
        only the two names are accepted.
    refit : bool, default=True
        Whether to fit all rows with the chosen C. Otherwise the coefficients are the mean of those
        of the folds or, with ``cv="loo"``, those that the search found for all rows.
    fold_tol : float or None, default=None
        The tolerance of the fits of the folds, of which ``refit`` uses only the scores.
        None: the smaller of 1e-4, far below the differences between folds, and 100 times ``tol``.
        Not used with ``cv="loo"``.
    l1_ratio, l1_group, fit_intercept, tol, max_iter, solver, max_memory, feature_scale, \
standardize, penalty_factor, \
class_weight, label_smoothing, reference_class, n_threads, random_state, verbose
        As in `SoftmaxRegression`. The standard deviations of ``standardize`` and the class weights
        of "balanced" are computed from all rows.

    Attributes
    ----------
    C_ : float
        The C that was chosen; among equal scores the smallest.
    Cs_ : ndarray of shape (n_Cs,)
        The values of C that were tried.
    scores_ : ndarray of shape (n_folds, n_Cs)
        The score of each fold for each C. With ``cv="loo"`` n_folds is the number of rows;
        ``sample_weight`` then weights the mean, not the scores.
    fold_objectives_ : ndarray of shape (n_folds, n_Cs)
        F of the rows that were trained on, at the end of each fit.
    fold_iterations_ : ndarray of shape (n_folds, n_Cs)
        Iterations of these fits; with ``cv="loo"`` 0 for rows that were not left out by a fit of
        their own.
    n_refits_ : ndarray of shape (n_Cs,), int
        With ``cv="loo"``, how many rows were left out by a fit of their own.
    classes_, coef_, intercept_, n_features_in_
        As in `SoftmaxRegression`.
    converged_, certified_, objective_, grad_norm_, gap_bound_, n_iter_, n_passes_, history_
        As in `SoftmaxRegression`, of the fit of all rows; only with ``refit``.

    See Also
    --------
    SoftmaxRegression : For one C.

    Notes
    -----
    With ``cv="loo"``, one step of Newton's method, with the exact Hessian at the optimum of all
    rows, leads to the optimum without one of them [2]_. A fit without the row follows from there if
    the range (largest less smallest) of the change of the row's own logits, times the largest such
    range of any row, is more than 0.1. The mean cross-entropy is usually within 0.5 % of that of n
    fits. The standard deviations of ``standardize`` and the class weights of "balanced" are
    computed from all rows. A row of counts is left out with all of its events. The number of logits
    times that of the features, or of the rows if there are fewer, may be at most 4096. L1 penalties
    are refused.

    References
    ----------
    .. [1] Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, 2nd ed., Springer
       2009, section 7.10.
    .. [2] Rad & Maleki, A scalable estimate of the out-of-sample prediction error via approximate
       leave-one-out cross-validation, J. R. Stat. Soc. B 82, 2020.

    Examples
    --------
    >>> from fastsoftmax import SoftmaxRegressionCV
    >>> from fastsoftmax.datasets import load_digits
    >>> X, y = load_digits()
    >>> model = SoftmaxRegressionCV(Cs=[1e-4, 1e-2, 1], cv=3).fit(X[:600], y[:600])
    >>> model.scores_.shape, model.C_
    ((3, 3), 0.01)
    """

    Cs: int | ArrayLike = 10
    _: KW_ONLY
    cv: Any = 5
    selection: Literal["best", "1se"] = "best"
    scoring: str | Callable[..., float] | None = None
    refit: bool = True
    fold_tol: float | None = None
    l1_ratio: float = 0.0
    l1_group: ArrayLike | Literal["classes"] | None = None
    fit_intercept: bool = True
    tol: float = 1e-6
    max_iter: int = 1000
    solver: Solver = "auto"
    max_memory: int | None = None
    feature_scale: ArrayLike | None = None
    standardize: bool = False
    penalty_factor: ArrayLike | None = None
    class_weight: Mapping[Hashable, float] | Literal["balanced"] | None = None
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
        n_refits_=saved.table("i", "S"),
    )

    @property
    def penalty(self) -> str | None:
        """The penalty by scikit-learn's name, by which `SelectFromModel` knows of L1."""
        return spellings.name_of(self.l1_ratio)

    @atomic
    def fit(
        self,
        X: MatrixLike | Blocks,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        target: Target = "auto",
        classes: ArrayLike | None = None,
        callback: Callable[[FitState], object] | None = None,
        **params: Any,
    ) -> Self:
        """Choose C and fit.

        Parameters
        ----------
        X : array-like or sparse matrix or array of shape (n, D), or Blocks
            As in `SoftmaxRegression.fit`.
        y : array-like of shape (n,) or (n, K)
            Labels, probabilities or counts, as in `SoftmaxRegression.fit`.
        sample_weight : array-like of shape (n,), optional
            Weights of the rows, >= 0, in fits and in scores by cross-entropy and accuracy. A scorer
            gets them by scikit-learn's metadata routing or, where that is not enabled, if it
            accepts ``sample_weight``.
        target : {"auto", "labels", "probabilities", "counts"}, default="auto"
            What y holds.
        classes : array-like of shape (K,), optional
            Names of y's columns.
        callback : callable, optional
            Called with a `FitState` after the fit of each fold for each C: its ``n_iter``,
            ``history``, ``C``, ``l1_ratio``, ``fold``, ``score``, ``objective``, ``iterations`` and
            ``seconds``, and ``coef`` and ``intercept`` of that fit. If it returns a true value, the
            search ends; fits that are left out have a score of NaN, and a warning says so. With
            ``cv="loo"`` it is called once for each C, with ``fold`` -1, means over the rows, and
            the model of all rows.
        **params
            ``groups``, of shape (n,), for a splitter that needs them; and metadata for the splitter
            and the scorer, if scikit-learn's metadata routing is enabled.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            For input or parameters out of range, naming the argument; for a fold without rows of a
            class to train on, naming both. An exception of a scorer has a note with the C and the
            fold.

        Warns
        -----
        ConvergenceWarning
            If the fit of all rows ended before its stopping rule was met.
        UserWarning
            If scores are NaN, saying in how many folds: a C with such a score ranks last. And if a
            class has fewer rows than there are folds.
        """
        refit = check.flag(self.refit, "refit")
        check.one_of(self.selection, SELECTIONS, "selection")
        means: dict[float, tuple[int, NDArray | float, NDArray | float]] = {}
        refits: dict[float, int] = {}

        def keep(fit: Fit, ratio: int) -> None:
            refits[fit.C] = fit.n_refits
            n, coef, intercept = means.get(fit.C, (0, 0.0, 0.0))
            share = 1 / (n + 1)
            means[fit.C] = (
                n + 1,
                coef + share * (fit.coef - coef),
                intercept + share * (fit.intercept - intercept),
            )

        (problem,), search = self._search(
            self._native(), [self.l1_ratio], self.scoring, keep, X, y, sample_weight,
            target=target, classes=classes, callback=callback, params=params,
        )  # fmt: skip
        order = np.argsort(search.Cs, kind="stable")
        _, best = search.best(order) if self.selection == "best" else search.simplest(order)
        C = float(search.Cs[best])
        _, *mean = means[C]
        if refit:
            self._refit(problem, C, tuple(mean))
        else:
            self._forget()
            self._keep_model(problem, *mean)
        self.C_, self.Cs_ = C, search.Cs
        self.scores_, self.fold_objectives_ = search.scores[:, 0], search.objectives[:, 0]
        self.fold_iterations_ = search.iterations[:, 0]
        if is_leave_one_out(self.cv):
            self.n_refits_ = np.array([refits.get(C, 0) for C in search.Cs.tolist()])
        return self


SoftmaxRegressionCV.__module__ = "fastsoftmax"  # not earlier: dataclasses look KW_ONLY up there
