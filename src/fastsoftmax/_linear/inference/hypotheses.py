"""Tests of sets of coefficients, and of one model within another."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._linear.inference.facts import LIKELIHOOD
from fastsoftmax._validation import inference as check


class ChiSquared(NamedTuple):
    """A test whose statistic has a χ² distribution for many rows, if the hypothesis holds.

    Attributes
    ----------
    statistic : float
    df : int
        Degrees of freedom: how many restrictions the hypothesis makes.
    p_value : float
        The probability of a larger statistic.
    """

    statistic: float
    df: int
    p_value: float


def chi_squared(statistic: float, df: int) -> ChiSquared:
    from scipy.special import chdtrc

    return ChiSquared(float(statistic), df, float(chdtrc(df, max(statistic, 0.0))))


def wald(
    coef: NDArray[np.float64],
    covariance: NDArray[np.float64],
    R: NDArray[np.float64],
    values: NDArray[np.float64],
) -> ChiSquared:
    """Of R c = values."""
    check.independent_restrictions(int(np.linalg.matrix_rank(R)), len(R))
    off, of_them = R @ coef - values, R @ covariance @ R.T
    scales = 1 / np.sqrt(np.maximum(np.einsum("ii->i", of_them), np.finfo(float).tiny))
    scaled = of_them * scales * scales[:, None]
    check.regular(int(np.linalg.matrix_rank(scaled, hermitian=True)), len(R))
    return chi_squared(off * scales @ np.linalg.solve(scaled, off * scales), len(R))


def compare(small: Any, large: Any) -> ChiSquared:
    """Likelihood-ratio test of a model within a larger one, both fitted to the same rows.

    Parameters
    ----------
    small, large : Results or SoftmaxRegression
        The hypothesis, and the model without it: terms of the one are among, or follow from, those
        of the other. Estimators were fitted with ``C=np.inf`` and a ``reference_class``.

    Returns
    -------
    ChiSquared
        2 (log L of the large model - log L of the small one), and the difference of the numbers of
        coefficients.

    Raises
    ------
    ValueError
        If the models have other classes, other rows as far as their number and the likelihood of
        intercepts alone tell, or if the first is not the smaller one.

    Examples
    --------
    >>> from fastsoftmax import SoftmaxRegression, inference
    >>> from fastsoftmax.datasets import load_digits
    >>> X, y = load_digits()
    >>> ink = X.reshape(-1, 2, 32).sum(axis=2)  # of the upper and of the lower half
    >>> one, both = (
    ...     SoftmaxRegression(C=float("inf"), reference_class=0).fit(some, y)
    ...     for some in (ink[:, :1], ink)
    ... )
    >>> test = inference.compare(one, both)
    >>> test.df, test.p_value < 0.001
    (9, True)
    """
    few, many = check.facts(small, "small"), check.facts(large, "large")
    check.by_likelihood({few.method, many.method} == {LIKELIHOOD})
    check.nested(few, many)
    return chi_squared(2 * (many.loglike - few.loglike), many.n_coefficients - few.n_coefficients)
