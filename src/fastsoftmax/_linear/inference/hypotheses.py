"""Tests of sets of coefficients, and of one model within another."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._linear.inference.facts import LIKELIHOOD
from fastsoftmax._linear.inference.marginal_effects import Points
from fastsoftmax._validation import inference as check

SPANNED = 1e-7  # of what varies of a column: more is no combination of others
ROUNDING = 1e-13  # of a column: what QR decompositions leave of one that is


class ChiSquared(NamedTuple):
    """A test whose statistic has, for many rows, a χ² distribution if the hypothesis is true.

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


def not_spanned(
    small: Callable[[], Iterable[Points]], large: Callable[[], Iterable[Points]]
) -> list[int]:
    """Terms of the small model whose columns are no combinations of those of the large one."""
    R, width = np.zeros((0, 0)), 0
    for wide, few in in_step(large(), small()):
        width, rows = wide.shape[1], np.column_stack([wide, few])
        R = np.linalg.qr(np.vstack([R, rows]) if len(R) else rows, mode="r")
    first = R[:, width:]
    left = np.linalg.norm(first[width:], axis=0)
    varying = np.linalg.norm(first[1:], axis=0)  # beyond the large one's first column, of ones
    norms = np.linalg.norm(first, axis=0)
    return np.flatnonzero(left > SPANNED * varying + ROUNDING * norms).tolist()


def in_step(
    large: Iterable[Points], small: Iterable[Points]
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Terms of both models in the same rows of positive weight, some rows at a time."""
    others, rest = iter(small), None
    for points in large:
        wanted = len(points.U)
        while rest is None or len(rest) < wanted:
            some = next(others).U
            rest = some if rest is None else np.vstack([rest, some])
        counted = points.weights > 0
        yield points.U[counted], rest[:wanted][counted]
        rest = rest[wanted:]


def compare(small: Any, large: Any) -> ChiSquared:
    """Likelihood-ratio test of a model within a larger one, both fitted to the same rows.

    Parameters
    ----------
    small, large : Results or SoftmaxRegression
        The model under the hypothesis, and the larger one. The terms of the smaller model are among
        those of the larger one, or linear combinations of them. Estimators must be fitted with
        ``C=np.inf`` and a ``reference_class``.

    Returns
    -------
    ChiSquared
        2 (log L of the large model - log L of the small one), and the difference of the numbers of
        coefficients.

    Raises
    ------
    ValueError
        If the models have different classes; if they have different rows, as far as the number of
        rows and the likelihood of intercepts alone show; if the first is not the smaller one, or
        has terms that the other lacks.

    Notes
    -----
    For two results, which hold their rows, it is an error if a column of the small model is not a
    linear combination of those of the large one. For estimators that were fitted to frames, each
    feature must be one of the large model's. For estimators that were fitted to arrays nothing is
    checked.

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
    check.same_rows(few, many)
    if hasattr(small, "_fitted") and hasattr(large, "_fitted"):
        outside = [small.terms[j] for j in not_spanned(small._fitted.points, large._fitted.points)]
        check.among(outside, "which no combination of terms of the large one gives in its rows")
    elif None not in (names := [check.known_names(model) for model in (small, large)]):
        outside = [name for name in names[0] if name not in set(names[1])]
        check.among(outside, "not in the large one; results of inference know what follows from it")
    check.larger(few, many)
    return chi_squared(2 * (many.loglike - few.loglike), many.n_coefficients - few.n_coefficients)
