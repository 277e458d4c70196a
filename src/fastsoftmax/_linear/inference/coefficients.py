"""Estimated coefficients and their covariance: intervals, ratios, tests, the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._linear.inference import intervals
from fastsoftmax._linear.inference.facts import Facts, PseudoR2
from fastsoftmax._linear.inference.hypotheses import ChiSquared, wald
from fastsoftmax._linear.inference.sandwich import NONROBUST
from fastsoftmax._linear.inference.summary import (
    Group,
    Summary,
    columns_of,
    summarised,
    tests_of,
)
from fastsoftmax._validation import inference as check

INTERCEPT = "(Intercept)"  # as R has it


class Ratios(NamedTuple):
    """Odds ratios, or relative-risk ratios: exp of coefficients.

    Attributes
    ----------
    ratios : ndarray of shape (m, q)
    intervals : ndarray of shape (m, q, 2)
        exp of the ends of the coefficients' intervals.
    """

    ratios: NDArray[np.float64]
    intervals: NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Coefficients:
    """Coefficients of m classes against a reference, of q terms each.

    Attributes
    ----------
    reference_class : label
    compared : list of labels
        The m classes that are compared with it, all others.
    terms : list of str
        Names of the q terms, "(Intercept)" first if there is one.
    params : ndarray of shape (m, q)
        The coefficients: of two classes, too, they are of the log-odds against the reference.
    cov_type : str
        "nonrobust", "HC0", "HC1" or "cluster".
    """

    reference_class: object
    compared: list[object]
    terms: list[str]
    params: NDArray[np.float64]
    cov_type: str
    _covariance: NDArray[np.float64]
    _facts: Facts
    _sets: Mapping[str, Sequence[int]] = field(default_factory=dict)  # names of several terms

    @property
    def standard_errors(self) -> NDArray[np.float64]:
        """Standard errors of the coefficients, (m, q): roots of the diagonal of `cov_params`."""
        return np.sqrt(np.einsum("ii->i", self._covariance)).reshape(self.params.shape)

    @property
    def loglike(self) -> float:
        """The maximum of the log-likelihood, Σ sᵢ log p(yᵢ | xᵢ)."""
        return self._facts.loglike

    @property
    def n_observations(self) -> float:
        """The sum of the weights, which are frequencies; events count where y holds counts."""
        return self._facts.n_observations

    @property
    def aic(self) -> float:
        """Akaike's information criterion, 2 p - 2 log L, for p coefficients."""
        return self._facts.aic

    @property
    def bic(self) -> float:
        """Schwarz's information criterion, p log n - 2 log L, n being `n_observations`."""
        return self._facts.bic

    @property
    def pseudo_r2s(self) -> PseudoR2:
        """McFadden's, Cox and Snell's, and Nagelkerke's pseudo-R²."""
        return self._facts.pseudo_r2s

    def cov_params(self) -> NDArray[np.float64]:
        """Covariance matrix of the coefficients, by ``cov_type``.

        Returns
        -------
        ndarray of shape (m·q, m·q)
            In the order of ``params.ravel()``.
        """
        return self._covariance.copy()

    def conf_int(self, alpha: float = 0.05) -> NDArray[np.float64]:
        """Wald's confidence intervals of the coefficients.

        Parameters
        ----------
        alpha : float, default=0.05
            1 minus the coverage, > 0 and < 1.

        Returns
        -------
        ndarray of shape (m, q, 2)
            Lower and upper ends.
        """
        return intervals.wald(self.params, self.standard_errors, alpha)

    def ratios(self, alpha: float = 0.05) -> Ratios:
        """Odds ratios (of two classes) or relative-risk ratios (of more), with their intervals.

        Parameters
        ----------
        alpha : float, default=0.05
            1 minus the coverage, > 0 and < 1.

        Returns
        -------
        Ratios
            The factors by which the odds of a class against the reference change if a term grows by
            1: exp of ``params``, and of the ends of their intervals.
        """
        with np.errstate(over="ignore"):
            return Ratios(np.exp(self.params), np.exp(self.conf_int(alpha)))

    def wald_test(
        self, terms: str | Sequence[str] | ArrayLike, values: ArrayLike = 0.0
    ) -> ChiSquared:
        """Wald's test of a set of coefficients, or of linear restrictions.

        Parameters
        ----------
        terms : str, sequence of str, or array-like of shape (r, m·q)
            Names among ``terms``, or terms of the formula: the hypothesis is that their
            coefficients are ``values`` for all classes. Or a matrix of restrictions: the hypothesis
            is that the matrix times ``params.ravel()`` is ``values``.
        values : float or array-like of shape (r,), default=0.0

        Returns
        -------
        ChiSquared
            ``(statistic, df, p_value)``.

        Raises
        ------
        ValueError
            For names that are not among the terms, and for restrictions some of which follow from
            others.
        """
        size = self.params.size
        names = check.names_among(terms)
        if names:
            places = check.places(names, self._places(), "terms")
            chosen = np.zeros(self.params.shape, bool)
            chosen[:, places] = True
            R = np.eye(size)[chosen.ravel()]
        else:
            R = check.restrictions(terms, size)
        values = check.restricted_values(values, len(R))
        return wald(self.params.ravel(), self._covariance, R, values)

    def _places(self) -> dict[str, Sequence[int]]:
        """Of each name: a term's, or that of several."""
        return {**self._sets, **{name: [j] for j, name in enumerate(self.terms)}}

    def summary(self, alpha: float = 0.05, *, ratios: bool = False) -> Summary:
        """A table of the coefficients, as statistics packages print it.

        Parameters
        ----------
        alpha : float, default=0.05
            1 minus the coverage of the intervals, > 0 and < 1.
        ratios : bool, default=False
            Whether to give odds or relative-risk ratios, with their standard errors by the delta
            method, in place of coefficients. z and P>|z| are of the coefficients.

        Returns
        -------
        Summary
            A string, which an interactive session shows as it prints; its ``to_frame()`` is a
            pandas DataFrame of the numbers.
        """
        errors, ends = self.standard_errors, self.conf_int(alpha)
        groups = []
        for k, label in enumerate(self.compared):
            numbers = tests_of(self.params[k], errors[k], ends[k])
            if ratios:
                with np.errstate(over="ignore"):
                    numbers[:, 1] *= np.exp(numbers[:, 0])
                    numbers[:, [0, 4, 5]] = np.exp(numbers[:, [0, 4, 5]])
            title = f"{label} against {self.reference_class}"
            groups.append(Group(title, label, self.terms, numbers))
        kind = "Binary" if len(self.compared) == 1 else "Multinomial"
        facts = self._facts.shown()
        if self.cov_type != NONROBUST:
            facts["Covariance"] = self.cov_type
        return summarised(
            f"{kind} logistic regression, {self._facts.method}",
            facts,
            columns_of("ratio" if ratios else "coef", alpha),
            groups,
        )
