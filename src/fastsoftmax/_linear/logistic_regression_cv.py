"""Logistic regression whose penalty is chosen by cross-validation, as scikit-learn spells it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from fastsoftmax._linear.cv.estimator import CrossValidated
from fastsoftmax._linear.cv.folds import Fit
from fastsoftmax._linear.cv.paths import Paths
from fastsoftmax._linear.cv.scoring import average, both, own_measure
from fastsoftmax._linear.sklearn_spellings import SklearnSpellings
from fastsoftmax._linear.sparse_coefficients import SparseCoefficients
from fastsoftmax._runtime.atomic import atomic, of_one_fit
from fastsoftmax._runtime.callbacks import FitState
from fastsoftmax._runtime.sklearn_compat import (
    is_routing_enabled,
    routed,
    scorer_of,
    takes_weights,
)
from fastsoftmax._runtime.typing import MatrixLike
from fastsoftmax._validation import check, spellings
from fastsoftmax._validation import folds as check_folds
from fastsoftmax._validation import labels as check_labels
from fastsoftmax.blocks import Blocks


@spellings.naming_replacements
@dataclass(eq=False, repr=False)
class LogisticRegressionCV(SparseCoefficients, SklearnSpellings, CrossValidated):
    """Logistic regression whose C and l1_ratio are chosen by cross-validation.

    Parameters, warnings, attributes and scores are those of scikit-learn 1.9's class of this name;
    ``tol``, ``max_iter`` and ``solver`` are those of `LogisticRegression`. `SoftmaxRegressionCV` is
    the same search in this package's own terms. Two classes have one logit, more have a softmax.

    Parameters
    ----------
    Cs : int or array-like of float, default=10
        Inverse strengths of the penalty, > 0. A number means that many values from 1e-4 to 1e4,
        evenly spaced in their logarithm.
    l1_ratios : array-like of float, None or "warn", default="warn"
        Shares of the L1 norm in the penalty, from 0 to 1, each of which is tried with each C. None,
        which is deprecated, and "warn" mean 0 alone, and attributes without a dimension for it.
    fit_intercept : bool, default=True
        Whether to fit intercepts. They are not penalised.
    cv : int, splitter, iterable or None, default=None
        Folds, as in `SoftmaxRegressionCV`; None: 5.
    scoring : str, callable or None, default="warn"
        As in `SoftmaxRegressionCV`, except that None and "warn" mean "accuracy".
    refit : bool, default=True
        Whether to fit all rows with the best pair of C and l1_ratio. Otherwise the coefficients,
        ``C_`` and ``l1_ratio_`` are means over the folds, each with its own best pair.
    tol, max_iter : float, int, default=1e-6, 1000
        As in `LogisticRegression`.
    fold_tol : float or None, default=None
        The tolerance of the fits of the folds, whose coefficients are in ``coefs_paths_`` and,
        without ``refit``, in the model. None: the smaller of 1e-4 and 100 times ``tol``.
    solver, n_jobs, penalty, dual, intercept_scaling, random_state
        As in `LogisticRegression`, without "sgd".
    use_legacy_attributes : bool or "warn", default="warn"
        Whether attributes have the forms that scikit-learn 1.10 will drop: see below. "warn": True,
        with scikit-learn's warning.
    max_memory, feature_scale, standardize, penalty_factor, class_weight, n_threads, verbose
        As in `SoftmaxRegression`. The standard deviations of ``standardize`` and the class weights
        of "balanced" are computed from all rows.

    Attributes
    ----------
    C_, l1_ratio_ : float; with legacy attributes ndarray of shape (K,), or (1,) for two classes
        The pair with the best mean score; among equal scores the first.
    Cs_, l1_ratios_ : ndarray of shape (n_Cs,) and (n_l1_ratios,)
        The values that were tried.
    scores_ : ndarray of shape (n_folds, n_l1_ratios, n_Cs)
        The score of each fold. With legacy attributes a dict that has, for each class, or for the
        second of two, the same array of shape (n_folds, n_Cs, n_l1_ratios); if ``l1_ratios`` is
        None, it has no last axis.
    coefs_paths_ : ndarray of shape (n_folds, n_l1_ratios, n_Cs, K, D + 1)
        Coefficients of the folds, with the intercept, if there is one, last; K is 1 for two
        classes. With legacy attributes a dict of arrays of shape
        (n_folds, n_Cs, n_l1_ratios, D + 1).
    n_iter_ : ndarray of shape (n_folds, n_l1_ratios, n_Cs)
        Iterations of the folds. With legacy attributes (1, n_folds, n_Cs, n_l1_ratios).
    classes_, coef_, intercept_, n_features_in_
        As in `LogisticRegression`.
    converged_, certified_, objective_, grad_norm_, gap_bound_, n_passes_, history_
        As in `SoftmaxRegression`, of the fit of all rows; only with ``refit``.

    See Also
    --------
    SoftmaxRegressionCV : The same search, by cross-entropy.
    LogisticRegression : For one C.

    References
    ----------
    .. [1] Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, 2nd ed., Springer
       2009, section 7.10.

    Examples
    --------
    >>> from fastsoftmax import LogisticRegressionCV
    >>> from fastsoftmax.datasets import load_digits
    >>> X, y = load_digits()
    >>> model = LogisticRegressionCV(Cs=[1e-4, 1e-2, 1], l1_ratios=(0,), cv=3, scoring="accuracy",
    ...                              use_legacy_attributes=False).fit(X[:600], y[:600])
    >>> model.scores_.shape, model.C_
    ((3, 1, 3), 1.0)
    """

    Cs: int | ArrayLike = 10
    _: KW_ONLY
    l1_ratios: Sequence[float] | str | None = "warn"
    fit_intercept: bool = True
    cv: Any = None
    scoring: str | Callable[..., float] | None = "warn"
    refit: bool = True
    tol: float = 1e-6
    max_iter: int = 1000
    fold_tol: float | None = None
    solver: str = "auto"
    n_jobs: int | None = None
    penalty: str = spellings.DEPRECATED
    dual: bool = False
    intercept_scaling: float = 1
    random_state: Any = 0
    use_legacy_attributes: bool | str = "warn"
    max_memory: int | None = None
    feature_scale: ArrayLike | None = None
    standardize: bool = False
    penalty_factor: ArrayLike | None = None
    class_weight: Mapping[Hashable, float] | str | None = None
    n_threads: int | None = None
    verbose: bool = False

    _saved = CrossValidated._saved.without("n_iter_").and_also(**Paths.kinds())

    @atomic
    def fit(
        self,
        X: MatrixLike | Blocks,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        callback: Callable[[FitState], object] | None = None,
        **params: Any,
    ) -> Self:
        """Choose C and l1_ratio and fit.

        Parameters
        ----------
        X : array-like or sparse matrix or array of shape (n, D), or Blocks
            As in `SoftmaxRegression.fit`.
        y : array-like of shape (n,)
            Labels.
        sample_weight : array-like of shape (n,), optional
            Weights of the rows, >= 0, as in `SoftmaxRegressionCV.fit`.
        callback : callable, optional
            As in `SoftmaxRegressionCV.fit`.
        **params
            ``groups``, of shape (n,), for a splitter that needs them; and metadata for the splitter
            and the scorer, if scikit-learn's metadata routing is enabled.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            As in `SoftmaxRegressionCV.fit`.

        Warns
        -----
        FutureWarning
            As in scikit-learn 1.9: if ``penalty`` is given, or if ``l1_ratios``, ``scoring`` or
            ``use_legacy_attributes`` is not.
        ConvergenceWarning, UserWarning
            As in `SoftmaxRegressionCV.fit`.
        """
        refit = check.flag(self.refit, "refit")
        native = self._native()
        check_folds.models_of_folds(self.cv)
        ratios, given = spellings.l1_ratios(self.penalty, self.l1_ratios)
        legacy = spellings.legacy(self.use_legacy_attributes)
        spellings.warn_of_search(
            self.penalty, self.l1_ratios, self.scoring, self.use_legacy_attributes
        )
        fits: dict[tuple[int, int, float], Fit] = {}

        def keep(fit: Fit, ratio: int) -> None:
            fits[fit.fold, ratio, fit.C] = fit._replace(logits=None)

        problems, search = self._search(
            native, ratios, self._scoring(), keep, X, y, sample_weight,
            target="labels", classes=None, callback=callback, params=params,
        )  # fmt: skip
        paths = Paths.of(search, fits, ratios, given, self.fit_intercept, legacy)
        if refit:
            at = search.best(range(len(search.Cs)))
            paths = paths.choose(*at)
            mean = paths.mean_of(np.arange(len(search.scores)), *at)
            self._refit(problems[at[0]], paths.C, mean)
        else:
            paths, mean = paths.mean_of_best()
            self._forget()
            self._keep_model(problems[0], *mean)
        self._publish(paths)
        return self

    @of_one_fit
    def score(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        **params: Any,
    ) -> float:
        """Score of the predictions for X, by ``scoring``.

        Parameters
        ----------
        X : array-like or sparse matrix or array of shape (n, D)
        y : array-like of shape (n,)
            Labels.
        sample_weight : array-like of shape (n,), optional
            Weights of the rows.
        **params
            Metadata for the scorer, where scikit-learn's routing is enabled.

        Returns
        -------
        float
        """
        scorer, given = self._scorer(), routed(self, "score", sample_weight, params)["scorer"]
        if scorer is not None:
            if given is None:
                weighted = sample_weight is not None and takes_weights(scorer)
                given = {"sample_weight": sample_weight} if weighted else {}
            return float(scorer(self, X, y, **given))
        z = both(self._outputs(X))
        codes = check_labels.known_codes(y, self.classes_, len(z))
        weights = check.weights(sample_weight, len(z), np.dtype(np.float64))
        check.usable_sum(weights)
        return average(own_measure(self._scoring())(z, codes), weights)

    def _scorer(self) -> Any:
        """Under scikit-learn's routing even a measure of logits has to request its weights."""
        return scorer_of(self._scoring()) if is_routing_enabled() else super()._scorer()

    def _scoring(self) -> object:
        default = self.scoring is None or spellings.is_warn(self.scoring)
        return "accuracy" if default else self.scoring

    def _native(self) -> Any:
        native = super()._native()
        if hasattr(self, "_paths"):  # after a fit: the model's own
            native.C_, native.l1_ratio = self._paths.C, self._paths.l1_ratio
        return native

    def _publish(self, paths: Paths) -> None:
        self._paths = paths
        vars(self).update(paths.attributes(self.classes_))

    def _forget(self) -> None:
        super()._forget()
        vars(self).pop("_paths", None)

    def _attributes_to_save(self) -> dict[str, Any]:
        return super()._attributes_to_save() | self._paths.to_save()

    def _restore(self, attributes: dict[str, Any]) -> None:
        paths = Paths.restored(attributes)
        super()._restore(attributes)
        self._publish(paths)


LogisticRegressionCV.__module__ = "fastsoftmax"  # not earlier: dataclasses look KW_ONLY up there
