"""Estimates with Firth's penalty: for few rows, and where features separate classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Never

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._linear.inference.evidence import (
    class_totals,
    intercepts_alone,
    sample_of,
    unsuited,
)
from fastsoftmax._linear.inference.hypotheses import ChiSquared, chi_squared
from fastsoftmax._linear.inference.inference import why_not
from fastsoftmax._linear.inference.likelihood import Likelihood, NoMaximum
from fastsoftmax._linear.inference.penalised_likelihood import PenalisedLikelihood, Point
from fastsoftmax._linear.inference.results import Fitted, Results, made_of
from fastsoftmax._linear.problem.problem import problem_of
from fastsoftmax._linear.softmax_regression import SoftmaxRegression
from fastsoftmax._runtime.typing import MatrixLike, Target
from fastsoftmax._validation import inference as check
from fastsoftmax.blocks import Blocks

METHOD = "Firth's penalised likelihood"
PROFILE, WALD = "profile", "wald"
FARTHEST = 60  # doublings of the distance in which an end of an interval is looked for
DIGITS = 1e-10  # of the standard error, to which ends are found


@dataclass(frozen=True, eq=False, repr=False)
class FirthResults(Results):
    """Coefficients that maximise the likelihood with Firth's penalty.

    Likelihoods are penalised ones, log L + ½ log |I|, in `aic`, `bic` and `pseudo_r2s`, too.

    Attributes
    ----------
    model : SoftmaxRegression
        An estimator with these coefficients, for predictions. Its ``fit`` does not have Firth's
        penalty.
    reference_class, compared, terms, params
        As in `Results`.
    cov_type : str
        "nonrobust": the inverse of the information.

    See Also
    --------
    firth : What makes them.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsoftmax import inference
    >>> found = inference.firth([[1.0], [2.0], [3.0], [4.0]], [0, 0, 1, 1])  # separated
    >>> found.params.round(3).tolist()
    [[-3.275, 1.31]]
    """

    def conf_int(
        self, alpha: float = 0.05, *, method: Literal["profile", "wald"] | None = None
    ) -> NDArray[np.float64]:
        """Confidence intervals of the coefficients.

        Parameters
        ----------
        alpha : float, default=0.05
            1 minus the coverage, > 0 and < 1.
        method : {"profile", "wald"}, default=None
            "profile": the values that the penalised likelihood-ratio test does not reject, which
            takes a few fits for each coefficient. "wald": intervals from standard errors, which are
            useless for separated classes. None: "profile" for two classes, and otherwise "wald".

        Returns
        -------
        ndarray of shape (m, q, 2)
            Lower and upper ends.
        """
        if method is None:
            method = PROFILE if len(self.compared) == 1 else WALD
        check.one_of(method, (PROFILE, WALD), "method")
        if method == WALD:
            return super().conf_int(alpha)
        from scipy.special import chdtri

        allowed = float(chdtri(1, check.alpha(alpha)))
        profile = Profile(self._fitted)
        ends = [profile.ends(i, allowed) for i in range(self.params.size)]
        ends = np.reshape(ends, (*self.params.shape, 2)) * self._fitted.sign
        return np.sort(ends, axis=2)

    def likelihood_ratio_test(self, terms: str | Sequence[str]) -> ChiSquared:
        """Test of a set of coefficients by the penalised likelihood ratio.

        Parameters
        ----------
        terms : str or sequence of str
            Names among ``terms``. The hypothesis is that their coefficients are 0 for all classes.
            The penalty remains that of all terms.

        Returns
        -------
        ChiSquared
            ``(statistic, df, p_value)``.
        """
        places = check.places(check.some_names(terms), self._places(), "terms")
        chosen = np.zeros(self.params.shape, bool)
        chosen[:, places] = True
        rows = np.flatnonzero(chosen.ravel())
        return chi_squared(Profile(self._fitted).deviance(rows, np.zeros(len(rows))), len(rows))

    def robust(self, cov_type: str, groups: ArrayLike | None = None) -> Never:
        """Raise an error: these estimates have no robust covariance.

        Parameters
        ----------
        cov_type, groups
            As in `Results.robust`.

        Raises
        ------
        ValueError
            Always: robust covariances are those of the scores of the likelihood without a penalty.
        """
        check.no_robust(METHOD)


class Profile:
    """The penalised likelihood where some coefficients have given values."""

    def __init__(self, fitted: Fitted) -> None:
        best = fitted.best
        self._likelihood = PenalisedLikelihood(best.likelihood)
        zeros = np.zeros(best.standardised.size)
        self._top = Point(best.standardised, best.value, zeros, best.inverse)
        m = len(best.standardised)
        self._to_user = np.kron(np.eye(m), best.likelihood.to_user)

    def deviance(self, rows: Sequence[int] | NDArray, values: NDArray) -> float:
        """2 (the maximum - that where coefficients of the logits have these values)."""
        found = self._likelihood.maximum_where(self._top, self._to_user[rows], values)
        return 2 * (self._top.value - found.value)

    def ends(self, i: int, allowed: float) -> list[float]:
        """Where the deviance of a coefficient is as large as is allowed, on either side."""
        from scipy.optimize import brentq

        a = self._to_user[i]
        top = float(a @ self._top.table.ravel())
        error = float(np.sqrt(a @ self._top.inverse @ a))

        def excess(distance: float) -> float:
            return self.deviance([i], np.array([top + distance])) - allowed

        ends = []
        for side in (-1, 1):
            near, far = 0.0, side * error * np.sqrt(allowed)
            for _ in range(FARTHEST):
                if excess(far) >= 0:
                    break
                near, far = far, 2 * far
            ends.append(top + float(brentq(excess, near, far, xtol=DIGITS * error)))
        return ends


def firth(
    X: MatrixLike | Blocks,
    y: MatrixLike | None = None,
    sample_weight: ArrayLike | None = None,
    *,
    offset: ArrayLike | None = None,
    target: Target = "auto",
    reference_class: object = None,
    fit_intercept: bool = True,
    n_threads: int | None = None,
) -> FirthResults:
    """Fit a binary or multinomial logit model with Firth's penalty.

    It maximises log L + ½ log |I|, I being the information. With few rows the estimates are less
    biased than those of maximum likelihood, and they are finite even if features separate the
    classes.

    Parameters
    ----------
    X, y, sample_weight, offset, target
        As in `SoftmaxRegression.fit`; weights are frequencies.
    reference_class : label, default=None
        The class that the others are compared with; None: the first one.
    fit_intercept : bool, default=True
        Whether to fit intercepts, which are part of I.
    n_threads : int or None, default=None
        As in `SoftmaxRegression`.

    Returns
    -------
    FirthResults

    Raises
    ------
    ValueError
        If features are constant or linearly dependent.

    References
    ----------
    .. [1] Firth, Bias reduction of maximum likelihood estimates, Biometrika 80, 1993.
    .. [2] Heinze & Schemper, A solution to the problem of separation in logistic regression,
       Statistics in Medicine 21, 2002.

    Examples
    --------
    >>> from fastsoftmax import inference
    >>> found = inference.firth([[1.0], [2.0], [3.0], [4.0]], [0, 0, 1, 1])  # separated
    >>> found.conf_int().round(2).tolist()
    [[[-17.34, 1.23], [-0.35, 6.7]]]
    """
    model = SoftmaxRegression(
        C=np.inf, fit_intercept=fit_intercept, reference_class=reference_class, n_threads=n_threads
    )
    problem = problem_of(
        model, X, y, sample_weight, max_iter=1, Cs=[np.inf], target=target, offset=offset
    )  # fmt: skip
    targets, sample = problem.targets, sample_of(problem, problem.reference or 0)
    if reason := unsuited(model, sample, problem):
        check.refuse(reason)
    coef = np.zeros((targets.n_logits, sample.data.shape[1]))
    intercept = np.zeros(targets.n_logits)
    model._keep_model(problem, coef, intercept)
    try:
        likelihood = PenalisedLikelihood(Likelihood(sample))
        best = likelihood.as_maximum(likelihood.maximum())
    except NoMaximum as why:
        check.refuse(why_not(why, targets.classes, check.names_of(model)))
    free, first, table = sample.free, int(sample.fit_intercept), best.table
    coef[free] = table[:, first:]
    if first:
        intercept[free] = table[:, 0]
    model._keep_model(problem, coef, intercept)
    null = PenalisedLikelihood(Likelihood(intercepts_alone(sample))).maximum().value
    n = float(class_totals(sample).sum())
    return made_of(FirthResults, model, problem, best, target, null, n, METHOD)
