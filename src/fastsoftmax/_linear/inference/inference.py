"""Inference from an unpenalised fit: standard errors, intervals, information criteria.

Wald's, from the inverse of the information at the maximum of the likelihood (McCullagh & Nelder,
Generalized Linear Models, 2nd ed., Chapman & Hall 1989, chapter 5).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._linear.inference.coefficients import INTERCEPT, Coefficients
from fastsoftmax._linear.inference.evidence import Evidence
from fastsoftmax._linear.inference.facts import Facts
from fastsoftmax._linear.inference.intervals import wald
from fastsoftmax._linear.inference.likelihood import NoMaximum
from fastsoftmax._linear.inference.sandwich import NONROBUST
from fastsoftmax._linear.inference.summary import Summary
from fastsoftmax._runtime.atomic import of_one_fit
from fastsoftmax._runtime.sklearn_compat import require_fit
from fastsoftmax._validation import inference as check


class Estimates(NamedTuple):
    """Numbers in the layout of the coefficients.

    Attributes
    ----------
    coef : ndarray of shape (K, D), or (1, D) for two classes
    intercept : ndarray of shape (K,) or (1,)
        Of intervals, both have a further axis for their two ends.
    """

    coef: NDArray[np.float64]
    intercept: NDArray[np.float64]


class Inference:
    """What statisticians ask of a fit without penalty, ``C=np.inf``, with a reference class.

    All of it raises a ValueError that says why, for any other fit, and where the likelihood has no
    single maximum.
    """

    _evidence: Evidence | NoMaximum | str = check.NOT_OF_A_FIT

    def _known(self) -> Evidence:
        """The evidence of the fit; raises the reason if there is none."""
        require_fit(self, "coef_")
        evidence = self._evidence
        if isinstance(evidence, Evidence):
            return evidence
        if isinstance(evidence, NoMaximum):
            evidence = why_not(evidence, self.classes_, check.names_of(self))
        check.refuse(evidence)

    @property
    def _facts(self) -> Facts:
        return self._known().facts(self.classes_)

    def _laid_out(self, table: NDArray[np.float64], free: NDArray[np.bool_]) -> Estimates:
        """Of a table (m, q, ...), the intercept's column first."""
        first = table.shape[1] - self.n_features_in_
        coef = np.zeros((len(free), self.n_features_in_, *table.shape[2:]))
        intercept = np.zeros((len(free), *table.shape[2:]))
        coef[free] = table[:, first:]
        if first:
            intercept[free] = table[:, 0]
        return Estimates(coef, intercept)

    def _table(self, evidence: Evidence) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coefficients (m, q) and their standard errors, the intercept first."""
        m = int(evidence.free.sum())
        errors = np.sqrt(np.einsum("ii->i", evidence.covariance)).reshape(m, -1)
        table = self.coef_[evidence.free]
        if errors.shape[1] > self.n_features_in_:
            table = np.column_stack([self.intercept_[evidence.free], table])
        return table, errors

    @property
    @of_one_fit
    def standard_errors_(self) -> Estimates:
        """Standard errors of the coefficients: ``coef`` and ``intercept``, in their layout.

        The square roots of the diagonal of `cov_params`; 0 for the reference class, and for
        intercepts that are not fitted.
        """
        evidence = self._known()
        return self._laid_out(self._table(evidence)[1], evidence.free)

    @property
    @of_one_fit
    def loglike(self) -> float:
        """The maximum of the log-likelihood, Σ sᵢ log p(yᵢ | xᵢ): R's ``logLik``."""
        return self._facts.loglike

    @property
    @of_one_fit
    def aic(self) -> float:
        """Akaike's information criterion, 2 p - 2 log L, for p coefficients."""
        return self._facts.aic

    @property
    @of_one_fit
    def bic(self) -> float:
        """Schwarz's information criterion, p log n - 2 log L, n being the sum of the weights."""
        return self._facts.bic

    @property
    @of_one_fit
    def pseudo_r2(self) -> float:
        """McFadden's 1 - log L / log L₀, L₀ being that of the best model of intercepts alone."""
        return self._facts.pseudo_r2s.mcfadden

    @of_one_fit
    def cov_params(self) -> NDArray[np.float64]:
        """Covariance matrix of the coefficients, the inverse of the information.

        Sample weights count as frequencies: a row of weight 3 as three rows.

        Returns
        -------
        ndarray of shape (p, p)
            For each class but the reference, in the order of ``classes_``, its intercept, if there
            is one, and then its coefficients: the order of R's ``vcov`` of ``multinom``, and of
            statsmodels' ``MNLogit`` with the constant first. Two classes have one logit.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If the fit was penalised (``C`` finite) or without ``reference_class``, had not
            converged, or has more than 2048 coefficients; and where the likelihood has no single
            maximum: if features are constant or linearly dependent, or separate the classes. The
            message says which.

        Examples
        --------
        >>> import numpy as np
        >>> from fastsoftmax import SoftmaxRegression
        >>> X, y = [[0.0], [1.0]], ["no", "yes"]
        >>> model = SoftmaxRegression(C=np.inf, reference_class="no")
        >>> _ = model.fit(np.repeat(X, 4, axis=0), np.array(y)[[0, 0, 0, 1, 0, 1, 1, 1]])
        >>> model.cov_params().round(4).tolist()  # 1/3 + 1/1 is the variance of a log-odds
        [[1.3333, -1.3333], [-1.3333, 2.6667]]
        """
        return self._known().covariance.copy()

    @of_one_fit
    def conf_int(self, alpha: float = 0.05) -> Estimates:
        """Wald confidence intervals of the coefficients.

        Parameters
        ----------
        alpha : float, default=0.05
            1 minus the coverage, > 0 and < 1.

        Returns
        -------
        Estimates
            ``coef`` of shape (K, D, 2), or (1, D, 2) for two classes, and ``intercept`` of shape
            (K, 2) or (1, 2): lower and upper ends, both 0 for the reference class.

        Raises
        ------
        NotFittedError, ValueError
            As in `cov_params`; if ``alpha`` is out of range.

        Examples
        --------
        >>> import numpy as np
        >>> from fastsoftmax import SoftmaxRegression
        >>> from fastsoftmax.datasets import load_digits
        >>> X, y = load_digits()
        >>> ink = X.sum(axis=1, keepdims=True)
        >>> model = SoftmaxRegression(C=np.inf, reference_class=0).fit(ink, y)
        >>> model.conf_int().coef[:3, 0].round(4).tolist()
        [[0.0, 0.0], [-0.0093, 0.0029], [-0.0087, 0.0035]]
        """
        evidence = self._known()
        return self._laid_out(wald(*self._table(evidence), alpha), evidence.free)

    @of_one_fit
    def summary(self, feature_names: Sequence[str] | None = None) -> Summary:
        """A table of the coefficients, as statistics packages print it.

        Parameters
        ----------
        feature_names : sequence of D strings, optional
            None: the columns of the DataFrame that was fitted, or x0, x1, and so on.

        Returns
        -------
        Summary
            A string, which an interactive session shows as it prints. For each class against the
            reference: coefficients, standard errors, z = coef / std err, the probability of a
            larger z in absolute value if the coefficient is 0, and 95 % intervals. For two classes
            with ``classes_[1]`` for reference the signs are opposite to those of ``coef_``, which
            is for the log-odds of that class.

        Raises
        ------
        NotFittedError, ValueError
            As in `cov_params`; if there are more or fewer names than features.

        Examples
        --------
        >>> import numpy as np
        >>> from fastsoftmax import SoftmaxRegression
        >>> X, y = [[0.0], [1.0]], ["no", "yes"]
        >>> model = SoftmaxRegression(C=np.inf, reference_class="no")
        >>> model = model.fit(np.repeat(X, 4, axis=0), np.array(y)[[0, 0, 0, 1, 0, 1, 1, 1]])
        >>> print(model.summary())
        Binary logistic regression, maximum likelihood
        Observations                           8
        Coefficients                           2
        Log-likelihood                    -4.499
        of intercepts alone               -5.545
        Pseudo R² (McFadden)              0.1887
        AIC                               12.997
        BIC                               13.156
        -----------------------------------------------------------------------------
        yes against no         coef    std err        z   P>|z|     [0.025     0.975]
        -----------------------------------------------------------------------------
        (Intercept)         -1.0986     1.1547   -0.951   0.341    -3.3618     1.1646
        x0                   2.1972     1.6330    1.346   0.178    -1.0034     5.3978
        -----------------------------------------------------------------------------
        """
        evidence = self._known()
        table, _ = self._table(evidence)
        features = check.feature_names(feature_names, check.names_of(self))
        return coefficients_of(table, evidence, self.classes_, features).summary()


def coefficients_of(
    table: NDArray[np.float64], evidence: Evidence, classes: NDArray, features: list[str]
) -> Coefficients:
    """Of the free logits, as coefficients against the reference."""
    reference = evidence.reference
    if len(evidence.free) == 1 and reference == 1:  # the logit is that of the second class
        table = -table
    labels = classes.tolist()
    names = [INTERCEPT] * (table.shape[1] - len(features)) + features
    compared = [label for k, label in enumerate(labels) if k != reference]
    return Coefficients(
        labels[reference], compared, names, table, NONROBUST, evidence.covariance,
        evidence.facts(classes),
    )  # fmt: skip


def why_not(why: NoMaximum, classes: NDArray, names: list[str]) -> str:
    """A likelihood without a maximum, in words."""
    if why.constant:
        return check.constant([names[j] for j in why.constant])
    if why.collinear:
        return check.collinear(*([names[j] for j in some] for some in (why.collinear, why.surplus)))
    growing: dict[int, list[str]] = {}
    for k, j in why.endless:
        growing.setdefault(k, []).append(INTERCEPT if j < 0 else names[j])
    return check.endless([f"{classes[k]} ({check.listed(some)})" for k, some in growing.items()])
