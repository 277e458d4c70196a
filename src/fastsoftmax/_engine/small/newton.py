"""Newton's method for small problems, compiled as a whole.

A fit of some hundred rows takes a tenth of the time that Python takes for the calls of
`newton.py` and `certificate.py`; `_core/small/small_newton.pyx` makes all of them at once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._core import small_newton
from fastsoftmax._engine.data import Data, DenseData, RowSpace
from fastsoftmax._engine.objective import Models
from fastsoftmax._engine.objective.coordinates.base import at
from fastsoftmax._engine.objective.loss import Loss
from fastsoftmax._engine.objective.rounding import raised
from fastsoftmax._engine.solvers.base import Iteration, Options, Result, Tolerance
from fastsoftmax._runtime.threads import team


@dataclass(frozen=True)
class SmallRules:
    """Where Python's share of a fit is large (docs/experiments/0054-small-fits.md)."""

    most_numbers: int = 500_000  # of the features
    most_parameters: int = 512  # whose factors are in cache
    most_logits: int = 16  # of which the Hessian by intercepts is made
    least_tolerance: float = 1e-10  # below it rounding may hide a proof
    most_steps: int = 40  # after which a quadratic model does not tell where the optimum is


@dataclass(frozen=True)
class Small:
    """A small problem of one softmax, or of one logistic function, with an L2 penalty.

    Attributes
    ----------
    X : ndarray of shape (n, d)
        Features in the units in which they are penalised.
    targets : ndarray
        int32 labels (n,) or float64 probabilities (n, n_logits).
    weights : ndarray of shape (n,) or None
        Of mean 1.
    """

    X: NDArray
    targets: NDArray
    weights: NDArray | None
    loss: Loss
    penalty: float
    fit_intercept: bool
    n_threads: int


USUAL = SmallRules()


def is_small(data: Data, n_logits: int, rules: SmallRules = USUAL) -> bool:
    """Whether all of a fit is to be made in one call."""
    if not isinstance(data, DenseData):
        return False
    n, d = data.shape
    few = n_logits <= rules.most_logits and n_logits * (d + 1) <= rules.most_parameters
    return few and n * d <= rules.most_numbers


class Centred:
    """Weights, and intercepts at the means of the features, as θ.

    Parameters
    ----------
    centre : ndarray of shape (d,)
        The means.
    largest : float
        max |∇F| at the optimum, whose gradient alone is asked for.
    """

    def __init__(self, centre: NDArray, largest: float) -> None:
        self.centre, self._largest = centre, largest

    def model(self, theta: tuple[NDArray, NDArray | None]) -> tuple[NDArray, NDArray | None]:
        W, c = theta
        return W.copy(), None if c is None else c - at(self.centre, W)

    def by_model(self, gradient: tuple[NDArray, NDArray | None]) -> tuple[NDArray, NDArray | None]:
        return gradient[0].copy(), gradient[1]

    def norms(self, gradient: tuple[NDArray, NDArray | None]) -> tuple[float]:
        return (self._largest,)


def minimize_small(
    small: Small,
    options: Options,
    units: NDArray | None,
    row_space: RowSpace | None,
    rules: SmallRules = USUAL,
) -> tuple[Result, Models] | None:
    """The optimum and what makes a model of it; None where it is not proved."""
    if options.tol < rules.least_tolerance:
        return None
    n, d = small.X.shape
    k, width = small.loss.n_logits, d + small.fit_intercept
    theta, gradient, means = np.empty((k, width)), np.empty((k, width)), np.empty(d)
    ridge = np.full(width, small.penalty)
    ridge[d:] = 0  # of the intercept
    history = np.empty((min(options.max_iter, rules.most_steps), 5))
    tolerance = Tolerance.of(options.tol, small.loss)
    found = small_newton.minimize(
        small.X, small.targets, small.weights, ridge, small.fit_intercept, theta, gradient, means,
        *tolerance, history, team(small.n_threads, n * d * k),
        team(small.n_threads, k * n * width**2 // 8),
    )  # fmt: skip
    if found is None:
        return None
    value, bound, steps, passes, largest = found
    models = Models(Centred(means, largest), small.loss, units, row_space)
    split = theta[:, :d], theta[:, d] if small.fit_intercept else None
    by = gradient[:, :d], gradient[:, d] if small.fit_intercept else None
    bound = raised(bound, models.rounding(split, value))
    if not bound <= tolerance.at(value):
        return None
    result = Result(
        None, split, value, by, converged=True, gap_bound=bound, certified=True,
        history=[Iteration(*row) for row in history[:steps].tolist()], n_passes=passes,
    )  # fmt: skip
    return result, models
