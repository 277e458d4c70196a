"""The maximum of the likelihood, to all digits, and its curvature there.

A fit ends within `tol` of its objective, in the precision of X. Standard errors need more: here
Newton's method goes on in float64, on features that are centred and scaled, until the next step
would be far below the standard errors. Where it does not get there, there is no maximum: features
say the same, or classes are separated (Albert & Anderson, On the existence of maximum likelihood
estimates in logistic regression models, Biometrika 71, 1984), in which case each step adds about
one to the logits of some rows, for ever.

The information is the Hessian of -log-likelihood with respect to the coefficients that are free,
those of all classes but the reference; observed and expected information are the same here
(McCullagh & Nelder, Generalized Linear Models, 2nd ed., 1989, section 2.5).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import (
    Batch,
    Data,
    DenseData,
    Point,
    RowSample,
    StoredLogits,
    float64_pieces,
)
from fastsoftmax._engine.linalg import ClassFactors
from fastsoftmax._engine.objective import Loss, loss_of

SINGULAR = 1e12  # the condition at which standard errors have four digits left: eps·1e12 = 2e-4
VANISHED = 1e-100  # information of coefficients that went as far as there are numbers


@dataclass(frozen=True)
class LikelihoodRules:
    """When Newton's method on the likelihood ends (0039 and 0064)."""

    steps: int = 50  # logits of separated rows are then beyond what float64 tells from certainty
    settled: float = 1e-12  # of gᵀH⁻¹g: the square of a step in units of the standard errors
    slow: float = 0.1  # of the last gᵀH⁻¹g: that of a step whose H is too old
    still: float = 1e-3  # of a coefficient: a step is at most that, more or less
    still_beside: float = 1e-5  # of the largest coefficient, where one is much smaller
    rounding: float = 1e-10  # of the value, a sum over rows, by which it may seem to fall


@dataclass(frozen=True)
class DependenceRules:
    """Which features a sample without a maximum names (0064)."""

    dependent: float = 1e-10  # of a Gram matrix's largest eigenvalue: its square root of a length
    part: float = 0.1  # of the largest in a direction: what counts as part of it


USUAL, NAMED = LikelihoodRules(), DependenceRules()


class Sample(NamedTuple):
    """Rows, and which coefficients there are."""

    data: Data
    targets: NDArray  # codes (n,) or probabilities (n, number of logits)
    weights: NDArray | None
    offset: NDArray | None  # (n, number of logits)
    n_logits: int
    reference: int | None  # the code of the class whose coefficients are 0, unless of two classes
    fit_intercept: bool

    @property
    def free(self) -> NDArray[np.bool_]:
        """Of the logits: all but the reference's."""
        return (np.arange(self.n_logits) != self.reference) | (self.n_logits == 1)


@dataclass
class Maximum:
    """The maximum of the likelihood.

    Attributes
    ----------
    likelihood : Likelihood
    standardised : ndarray of shape (m, q)
        Its coefficients there, of features that are centred and scaled.
    value : float
        The logarithm of the likelihood.
    inverse : ndarray of shape (m·q, m·q)
        Of the information at these coefficients.
    """

    likelihood: "Likelihood"
    standardised: NDArray[np.float64]
    value: float
    inverse: NDArray[np.float64]

    @property
    def table(self) -> NDArray[np.float64]:
        """Coefficients (m, q) of the m free logits: the intercept, if there is one, and then the
        features'."""
        return self.standardised @ self.likelihood.to_user.T

    @property
    def covariance(self) -> NDArray[np.float64]:
        """That of `table`, (m·q, m·q)."""
        return transformed(self.inverse, self.likelihood.to_user)


class NoMaximum(Exception):
    """There is no single maximum.

    Attributes
    ----------
    constant, collinear : list of int
        Features that say the same as the intercept, and those that say the same as others.
    endless : list of (int, int)
        Classes and their features, -1 for intercepts, whose coefficients grow without end.
    surplus : list of int
        Of those that are collinear, what to leave out so that the others are not.
    """

    def __init__(
        self,
        constant: list[int] | None = None,
        collinear: list[int] | None = None,
        endless: list[tuple[int, int]] | None = None,
        surplus: list[int] | None = None,
    ) -> None:
        super().__init__()
        self.constant, self.collinear = constant or [], collinear or []
        self.endless, self.surplus = endless or [], surplus or []


class Likelihood:
    """The log-likelihood of a sample, by coefficients (m, q) of centred and scaled features.

    In this order: a logit's features, then its intercept.
    """

    def __init__(self, sample: Sample) -> None:
        # values of a sparse float32 X times feature_scale were rounded to float32
        self.sample = sample = sample._replace(data=sample.data.to_float64())
        means, spread = sample.data.moments(sample.weights)
        spread = spread if sample.fit_intercept else np.hypot(spread, means)
        self.constant = spread == 0
        self.scales = np.where(self.constant, 1.0, spread)
        self.centre = means * sample.fit_intercept
        self.shape = int(sample.free.sum()), len(means) + sample.fit_intercept

    @cached_property
    def to_user(self) -> NDArray[np.float64]:
        """What a logit's coefficients are for the features as given, the intercept first."""
        d = len(self.scales)
        features = np.diag(1 / self.scales)
        if not self.sample.fit_intercept:
            return features
        T = np.zeros((d + 1, d + 1))
        T[0, :d], T[0, d] = -self.centre / self.scales, 1
        T[1:, :d] = features
        return T

    def start(self, coef: NDArray, intercept: NDArray) -> NDArray[np.float64]:
        """Those of a model in which the reference has zeros."""
        free = self.sample.free
        table = coef[free] * self.scales
        if self.sample.fit_intercept:
            table = np.column_stack([table, intercept[free] + coef[free] @ self.centre])
        return table

    def at(
        self, table: NDArray, *, curved: bool = True
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64] | None]:
        """The value, its gradient (m·q,) and, where it is asked for, the information
        (m·q, m·q), in one pass."""
        s, free = self.sample, self.sample.free
        (m, q), d = self.shape, len(self.scales)
        value, gradient = 0.0, np.zeros((m, q))
        information = np.zeros((m, q, m, q)) if curved else None
        for rows, data, logits in self.logits(table):
            weights = None if s.weights is None else s.weights[rows]
            targets = s.targets[rows] if s.targets.ndim == 1 else s.targets[rows].astype(np.float64)
            if information is not None:
                P, Q = (table[:, free] for table in self.loss.probabilities(logits))
                information += self.loss.hessian(P, Q, weights, q, partial(self._gram, data))
            lost, grads = data.value_and_grad(Point(logits=logits), Batch(targets, weights))
            value -= lost
            gradient[:, :d] -= grads.W[free]
            gradient[:, d:] -= grads.b[free, None][:, : q - d]
        if information is not None:
            information = information.reshape(m * q, m * q)
        return value, gradient.ravel(), information

    @property
    def loss(self) -> Loss:
        return loss_of(self.sample.targets, self.sample.n_logits)

    def logits(self, table: NDArray) -> Iterator[tuple[slice, DenseData, StoredLogits]]:
        """Some rows at a time: which they are, their features here, and their logits."""
        s, free, d = self.sample, self.sample.free, len(self.scales)
        W, b = np.zeros((s.n_logits, d)), np.zeros(s.n_logits)
        W[free] = table[:, :d]
        if s.fit_intercept:
            b[free] = table[:, d]
        for rows, data in self._standardised():
            logits = self.loss.logits_of(data)
            data.store_logits(W, b, logits)
            if s.offset is not None:
                known = logits.like()
                known.put(s.offset[rows])
                logits.move(known, 1.0)
            yield rows, data, logits

    def gram(self) -> NDArray[np.float64]:
        """Of the features, and of the intercept's 1: (q, q)."""
        total = np.zeros((self.shape[1],) * 2)
        for rows, data in self._standardised():
            n = data.shape[0]
            weights = np.ones(n) if self.sample.weights is None else self.sample.weights[rows]
            total += self._gram(data, RowSample.of_all_rows(weights[None]))[0]
        return total

    def _standardised(self) -> Iterator[tuple[slice, DenseData]]:
        for rows, X in float64_pieces(self.sample.data):
            X -= self.centre
            X /= self.scales
            yield rows, DenseData(X, self.sample.data.n_threads)

    def _gram(self, data: DenseData, drawn: RowSample) -> NDArray[np.float64]:
        return data.gram(drawn, scales=np.ones(self.shape[1]))


def maximum(
    sample: Sample, coef: NDArray, intercept: NDArray, rules: LikelihoodRules = USUAL
) -> Maximum:
    """From the end of a fit, in which the reference has zeros.

    Raises
    ------
    NoMaximum
    """
    likelihood = Likelihood(sample)
    if likelihood.constant.any():
        raise NoMaximum(constant=np.flatnonzero(likelihood.constant).tolist())
    table = likelihood.start(coef, intercept)
    step, settled, before, left = np.zeros_like(table), False, -np.inf, np.inf
    direction, factors, stale = step, None, True
    for _ in range(rules.steps):
        value, gradient, information = likelihood.at(table, curved=stale)
        if not value >= before - rules.rounding * abs(before):
            step /= 2
            table, settled = table - step, False
            continue
        if separates(sample, value):
            raise why_not(likelihood, table)
        if settled:
            inverse = inverse_of(information)
            if inverse is None:
                break
            table = table + (inverse @ gradient).reshape(table.shape)
            return Maximum(likelihood, table, value, inverse)
        if information is not None:  # LAPACK's threads, which go on spinning, wait for the end
            factors = ClassFactors(information[None], sample.data.n_threads)
        step = factors.solve(gradient[None])[0].reshape(table.shape)
        table = table + step
        before, last, left = value, left, gradient @ step.ravel()
        if left > rules.settled:  # steps after it are rounding, where there is no end to them
            direction = step
        sizes = np.abs(table)
        still = rules.still * sizes + rules.still_beside * max(1.0, sizes.max())
        settled = left <= rules.settled and bool(np.all(np.abs(step) <= still))
        stale = settled or left > rules.slow * last
    raise why_not(likelihood, direction if direction.any() else table)


def separates(sample: Sample, value: float) -> bool:
    """Whether all rows are so probable that each is classified rightly.

    Then twice the coefficients are more likely still: there is no maximum.
    """
    if sample.targets.ndim > 1 or sample.offset is not None:
        return False
    weights = sample.weights
    least = 1.0 if weights is None else weights[weights > 0].min()
    return -value < np.log(2) * least


def transformed(covariance: NDArray[np.float64], T: NDArray) -> NDArray[np.float64]:
    """The covariance of T c for the coefficients c of each logit."""
    q = len(T)
    blocks = covariance.reshape(-1, q, len(covariance) // q, q)
    with np.errstate(over="ignore", invalid="ignore"):  # of features of extreme units
        blocks = np.einsum("ab,ibjc,dc->iajd", T, blocks, T, optimize=True)
    return blocks.reshape(covariance.shape)


def inverse_of(information: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The inverse of a positive definite matrix; None where it is singular up to rounding."""
    from scipy.linalg import lapack

    diagonal = np.einsum("ii->i", information)
    if not (diagonal > VANISHED).all():
        return None
    scales = 1 / np.sqrt(diagonal)
    scaled = information * scales * scales[:, None]
    factor, failed = lapack.dpotrf(scaled, lower=1)
    if failed:
        return None
    inverse, _ = lapack.dpotri(factor, lower=1)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    if np.linalg.norm(scaled, 1) * np.linalg.norm(inverse, 1) > SINGULAR:
        return None
    return inverse * scales * scales[:, None]


def why_not(
    likelihood: Likelihood, direction: NDArray[np.float64], rules: DependenceRules = NAMED
) -> NoMaximum:
    """What is wrong with a sample whose likelihood has no maximum in this direction."""
    gram = likelihood.gram()
    scales = 1 / np.sqrt(np.maximum(np.einsum("ii->i", gram), np.finfo(float).tiny))
    gram = gram * scales * scales[:, None]
    values, vectors = np.linalg.eigh(gram)
    null = vectors[:, values <= rules.dependent * values[-1]]
    if null.size:
        share = np.abs(null).max(axis=1)[: len(likelihood.scales)]
        collinear = np.flatnonzero(share > rules.part * share.max()).tolist()
        return NoMaximum(collinear=collinear, surplus=surplus_of(gram, rules.dependent))
    user = direction @ likelihood.to_user.T
    if likelihood.sample.fit_intercept:
        user[:, 1:] *= likelihood.scales
    else:
        user = user * likelihood.scales
    logits, places = np.nonzero(np.abs(user) > rules.part * np.abs(user).max())
    free = likelihood.sample.free
    classes = (np.flatnonzero(free) if len(free) > 1 else np.ones(1, int))[logits]
    features = places - likelihood.sample.fit_intercept
    return NoMaximum(endless=list(zip(classes.tolist(), features.tolist(), strict=True)))


def surplus_of(gram: NDArray[np.float64], dependent: float) -> list[int]:
    """The columns that depend on those before them, of a Gram matrix with ones on its diagonal.

    As R leaves them out: the others are independent, whatever the dependences are.
    """
    left, surplus = gram.copy(), []
    for j in range(len(left)):
        if left[j, j] <= dependent * len(left):
            surplus.append(j)
        else:  # what the columns after it have of its direction
            left[j + 1 :, j + 1 :] -= np.outer(left[j + 1 :, j], left[j, j + 1 :]) / left[j, j]
    return surplus
