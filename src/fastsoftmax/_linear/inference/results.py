"""What a maximum of the likelihood and its rows say together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._engine.data import float64_pieces
from fastsoftmax._linear.inference import marginal_effects as effects
from fastsoftmax._linear.inference.coefficients import INTERCEPT, Coefficients
from fastsoftmax._linear.inference.evidence import null_likelihood, sample_of, unsuited
from fastsoftmax._linear.inference.facts import LIKELIHOOD, Facts
from fastsoftmax._linear.inference.inference import why_not
from fastsoftmax._linear.inference.likelihood import (
    Maximum,
    NoMaximum,
    Sample,
    maximum,
    transformed,
)
from fastsoftmax._linear.inference.marginal_effects import MarginalEffects, Points
from fastsoftmax._linear.inference.sandwich import CLUSTER, COV_TYPES, NONROBUST, covariance_of
from fastsoftmax._linear.model import LinearModel
from fastsoftmax._linear.problem.problem import Problem, problem_of
from fastsoftmax._linear.problem.targets import referred
from fastsoftmax._neural.labels import dense
from fastsoftmax._runtime.sklearn_compat import check_features_of_fit, require_fit
from fastsoftmax._runtime.typing import MatrixLike
from fastsoftmax._validation import inference as check
from fastsoftmax._validation import numbers as check_numbers
from fastsoftmax._validation import targets as check_targets
from fastsoftmax.blocks import Blocks

AUTO = "auto"
Made = TypeVar("Made", bound="Results")


class Fitted(NamedTuple):
    """The rows and the maximum of their likelihood."""

    best: Maximum
    sample: Sample
    reference: int  # its code
    events: bool  # whether y holds counts, of events that are observations
    labels: NDArray  # of all K classes
    sign: float  # of the coefficients against the reference, of those of the logits
    factors: NDArray[np.float64]  # of the features of X, times which the sample has them

    @property
    def B(self) -> NDArray[np.float64]:
        """Coefficients of all classes, (K, q), of X as it was given; 0 for the reference."""
        B = np.zeros((len(self.labels), self.best.table.shape[1]))
        B[np.arange(len(B)) != self.reference] = self.sign * self.best.table
        B[:, int(self.sample.fit_intercept) :] *= self.factors
        return B

    @property
    def to_user(self) -> NDArray[np.float64]:
        """As that of the likelihood, but for coefficients of X as it was given."""
        to_user = self.best.likelihood.to_user.copy()
        to_user[int(self.sample.fit_intercept) :] *= self.factors[:, None]
        return to_user

    def points(self) -> Iterator[Points]:
        """All rows of X as it was given, some at a time."""
        sample, first = self.sample, int(self.sample.fit_intercept)
        for rows, X in float64_pieces(sample.data):
            X = X / self.factors
            n = len(X)
            weights = np.ones(n) if sample.weights is None else sample.weights[rows]
            offset = np.zeros((n, len(self.labels)))
            if sample.offset is not None:
                offset[:, -sample.n_logits :] = sample.offset[rows]
            yield Points(rows, np.column_stack([np.ones((n, first)), X]), offset, weights)

    def mean(self) -> Iterator[Points]:
        """One row, of the means of all."""
        total, U, offset = 0.0, 0.0, 0.0
        for points in self.points():
            total = total + points.weights.sum()
            U = U + points.weights @ points.U
            offset = offset + points.weights @ points.offset
        one = np.ones(1)
        yield Points(slice(0, 1), (U / total)[None], (offset / total)[None], one)

    def binary(self) -> NDArray[np.bool_]:
        """Which features are 0 or 1 in all rows that weigh something."""
        both = np.ones(self.sample.data.shape[1], bool)
        for points in self.points():
            X = points.U[points.weights > 0, int(self.sample.fit_intercept) :]
            both &= ((X == 0) | (X == 1)).all(axis=0)
        return both


@dataclass(frozen=True, eq=False, repr=False)
class Results(Coefficients):
    """Coefficients of a fit without penalty, and what there is to infer from them and their rows.

    Made by `results`, and by `fastsoftmax.formula.fit`. Arrays have m classes, which are compared
    with the reference, and q terms, the intercept first.

    Attributes
    ----------
    model : SoftmaxRegression or LogisticRegression
        The fitted estimator.
    reference_class : label
        The class that the others are compared with.
    compared : list of m labels
        These others.
    terms : list of q str
        "(Intercept)", and the names of the features.
    params : ndarray of shape (m, q)
        Coefficients. They are for the log-odds against the reference, also with two classes. Like
        ``coef_`` and its standard errors they are in the units of ``X * feature_scale``.
    cov_type : {"nonrobust", "HC0", "HC1", "cluster"}
        The covariance that `cov_params` returns, and on which all that follows from it is based.

    See Also
    --------
    results : What makes them.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsoftmax import LogisticRegression, inference
    >>> X, y = np.repeat([[0.0], [1.0]], 4, axis=0), np.array([0, 0, 0, 1, 0, 1, 1, 1])
    >>> found = inference.results(LogisticRegression(C=np.inf).fit(X, y), X, y)
    >>> found.terms, found.params.round(4).tolist()
    (['(Intercept)', 'x0'], [[-1.0986, 2.1972]])
    >>> found.ratios().ratios.round(4).tolist()  # the odds of 3 of 4 against those of 1 of 4
    [[0.3333, 9.0]]
    """

    model: Any = None
    _fitted: Any = field(default=None)
    _standardised: Any = field(default=None)  # the covariance of centred and scaled features

    def robust(self, cov_type: str, groups: ArrayLike | None = None) -> Results:
        """The same results with another covariance.

        Parameters
        ----------
        cov_type : {"nonrobust", "HC0", "HC1", "cluster"}
            As in `results`.
        groups : array-like of shape (n,), optional
            The group of each row, for "cluster".

        Returns
        -------
        Results
        """
        fitted, n = self._fitted, self._facts.n_observations
        codes = check.groups(cov_type, groups, fitted.sample.data.shape[0], COV_TYPES, CLUSTER)
        if cov_type in ("HC1", CLUSTER):
            check.more_rows(n, self.params.size, cov_type)
        inner = covariance_of(fitted.best, cov_type, codes, n, events=fitted.events)
        covariance = transformed(inner, fitted.best.likelihood.to_user)
        return replace(self, cov_type=cov_type, _covariance=covariance, _standardised=inner)

    def marginal_effects(
        self, at: str = "overall", *, discrete: str | Sequence[str] | None = AUTO
    ) -> MarginalEffects:
        """How the probabilities of all classes change with each feature.

        Features have the units of X as it was passed, also with ``feature_scale``.

        Parameters
        ----------
        at : {"overall", "mean"}, default="overall"
            The average of the effects over the rows, by weight; or the effects at the means of the
            features.
        discrete : "auto", sequence of str or None, default="auto"
            Features whose effect is a difference: from 0 to 1 if they have no other values, and
            otherwise from x to x + 1. "auto": the features that are 0 or 1 in all rows. None: no
            features. The effects of the other features are derivatives.

        Returns
        -------
        MarginalEffects
            ``effects`` and ``standard_errors`` (D, K), for all classes, the reference included.
        """
        check.one_of(at, ("overall", "mean"), "at")
        fitted, first = self._fitted, int(self._fitted.sample.fit_intercept)
        names = self.terms[first:]
        binary = np.zeros(len(names), bool) if discrete is None else fitted.binary()
        if discrete is None or (isinstance(discrete, str) and discrete == AUTO):
            steps = np.flatnonzero(binary)
        else:
            known = {name: [j] for j, name in enumerate(names)}
            steps = check.places(check.discrete(discrete), known, "discrete")
        changes = [
            effects.step_of_column(first + j, name, binary=bool(binary[j]))
            if j in steps
            else effects.of_column(first + j, name)
            for j, name in enumerate(names)
        ]
        return self._effects(changes, at, fitted.points if at == "overall" else fitted.mean)

    def _effects(
        self,
        changes: Sequence[effects.Derivative | effects.Difference],
        at: str,
        points: Callable[[], Iterable[Points]],
    ) -> MarginalEffects:
        fitted = self._fitted
        found = effects.effects_of(
            changes, points, fitted.B, self._standardised, fitted.to_user, fitted.reference,
        )  # fmt: skip
        names = [change.name for change in changes]
        return MarginalEffects(*found, names, fitted.labels.tolist(), at)

    def pred_table(self) -> NDArray[np.float64]:
        """Observed classes by predicted ones.

        Returns
        -------
        ndarray of shape (K, K)
            ``[i, j]``: how many observations of class i are predicted, by the largest probability,
            to be of class j; weights count as frequencies.
        """
        fitted, K = self._fitted, len(self._fitted.labels)
        B, table = fitted.B, np.zeros((K, K))
        for points in fitted.points():
            predicted = (points.U @ B.T + points.offset).argmax(axis=1)
            observed = fitted.sample.targets[points.rows]
            if observed.ndim == 1:
                np.add.at(table, (observed, predicted), points.weights)
                continue
            if observed.shape[1] == 1:
                observed = np.column_stack([1 - observed, observed])
            np.add.at(table.T, predicted, observed * points.weights[:, None])
        return table


def results(
    model: Any,
    X: MatrixLike | Blocks,
    y: MatrixLike | None = None,
    sample_weight: ArrayLike | None = None,
    *,
    offset: ArrayLike | None = None,
    target: str = "auto",
    reference_class: object = None,
    cov_type: str = NONROBUST,
    groups: ArrayLike | None = None,
) -> Results:
    """Statistical inference from a fit without a penalty and its rows.

    Parameters
    ----------
    model : SoftmaxRegression or LogisticRegression
        Fitted with ``C=np.inf`` to these rows.
    X, y, sample_weight, offset, target
        What the model was fitted to, as in `SoftmaxRegression.fit`. Weights are frequencies: a row
        of weight 3 counts as three rows, in every covariance.
    reference_class : label, default=None
        The class that the others are compared with. None: that of the model, or ``classes_[0]``.
    cov_type : {"nonrobust", "HC0", "HC1", "cluster"}, default="nonrobust"
        Covariance of the coefficients: the inverse of the information H; or H⁻¹ B H⁻¹, which is
        valid even if the model's probabilities are wrong. B is the sum of the outer products of the
        rows' scores for "HC0"; this times n / (n - p) for "HC1", p being the number of
        coefficients; and for "cluster" that of the sums of the scores within groups, times
        G / (G - 1) · (n - 1) / (n - p) for G groups.
    groups : array-like of shape (n,), optional
        The group of each row, for "cluster".

    Returns
    -------
    Results

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    ValueError
        If the model was penalised or does not maximise the likelihood of these rows; or if the
        likelihood has no single maximum, because features are constant or linearly dependent, or
        separate the classes.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsoftmax import LogisticRegression, inference
    >>> X, y = np.repeat([[0.0], [1.0]], 4, axis=0), np.array([0, 0, 0, 1, 0, 1, 1, 1])
    >>> model = LogisticRegression(C=np.inf).fit(X, y)
    >>> found = inference.results(model, X, y, cov_type="HC1")
    >>> found.standard_errors.round(4).tolist()
    [[1.3333, 1.8856]]
    >>> found.marginal_effects().effects.round(4).tolist()  # 3 of 4 less 1 of 4
    [[-0.5, 0.5]]
    """
    # an estimator that chooses C has none
    check.linear_model(isinstance(model, LinearModel) and hasattr(model, "C"), model)
    require_fit(model, "coef_")
    native = model._native()
    check.an_optimum(native.solver, model._several_labels)
    problem = problem_of(
        native, X, y, sample_weight, max_iter=1, Cs=[check_numbers.number(native.C, "C", above=0)],
        target=target, known=model.classes_, several_labels=False, offset=offset,
    )  # fmt: skip
    check_features_of_fit(model, problem.rows.given, reset=False)
    if reference_class is None:
        reference = problem.reference or 0
    else:
        reference = check_targets.reference(reference_class, model.classes_)
    sample = sample_of(problem, reference)
    if reason := unsuited(native, sample, problem):
        check.refuse(reason)
    coef, intercept = referred(dense(model.coef_), model.intercept_, reference)
    try:
        best = maximum(sample, coef, intercept)
        null, n = null_likelihood(sample)
    except NoMaximum as why:
        check.refuse(why_not(why, model.classes_, check.names_of(model)))
    likelihood = best.likelihood
    there = likelihood.at(likelihood.start(coef, intercept), curved=False)[0]
    check.its_maximum(there, best.value, problem.options.tol)
    return made_of(Results, model, problem, best, target, null, n).robust(cov_type, groups)


def made_of(
    kind: type[Made],
    model: Any,
    problem: Problem,
    best: Maximum,
    target: str,
    null: float,
    n: float,
    method: str = LIKELIHOOD,
) -> Made:
    """Results of a maximum; its value for intercepts alone, and the number of observations."""
    sample = best.likelihood.sample
    labels, reference = model.classes_.tolist(), sample.reference
    events = check_targets.kind_of(problem.rows.y, target, model._indicators) == "counts"
    sign = -1.0 if sample.n_logits == 1 and reference == 1 else 1.0
    table = sign * best.table
    terms = [INTERCEPT] * problem.fit_intercept + check.names_of(model)
    compared = [label for k, label in enumerate(labels) if k != reference]
    facts = Facts(best.value, null, n, table.size, tuple(labels), method)
    scale = problem.rows.feature_scale
    factors = np.ones(sample.data.shape[1]) if scale is None else scale
    fitted = Fitted(best, sample, reference, events, model.classes_, sign, factors)
    return kind(
        labels[reference], compared, terms, table, NONROBUST, best.covariance, facts,
        model=model, _fitted=fitted, _standardised=best.inverse,
    )  # fmt: skip
