"""Centres and scales of dense features, with which the diagonal of the Hessian is about 1."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import Data
from fastsoftmax._engine.objective.coordinates.bulk import bulk
from fastsoftmax._engine.objective.coordinates.features import Moments
from fastsoftmax._engine.objective.terms import Terms

Numbers = NDArray[np.float64]


class Scaling(NamedTuple):
    """Centres and scales of the features."""

    spread: Numbers  # the square of the following
    deviations: Numbers  # from the centre, or from 0 where there is no intercept
    bulk: Numbers  # the same of most rows, where those of all are those of a few far cells
    constant: NDArray[np.bool_]  # features for which the intercept stands
    shift: Numbers  # the centre
    scales: Numbers


def scaling_of(data: Data, moments: Moments, terms: Terms) -> Scaling:
    """Scales √(p̄·var + λ), p̄ the variance of a class where all are equally probable."""
    d, share, centred = data.shape[1], terms.loss.typical_share, terms.fit_intercept
    deviations = moments.spread(centred) if moments.finite else np.ones(d)
    constant = centred & (deviations == 0)
    centres, of_most = moments.means, deviations
    if moments.finite:
        centres, of_most = bulk(data, centres, deviations, bool(centred))
        if centred:
            deviations = np.hypot(deviations, moments.means - centres)
    with np.errstate(over="ignore"):
        spread = deviations**2
    shift = centres if centred and moments.finite else np.zeros(d)
    ridge = np.full(d, terms.penalty)
    ridge[terms.free] = 0
    scales = np.hypot(np.sqrt(share * (1 - share)) * of_most, np.sqrt(ridge))
    scales = np.where((scales > 0) & ~constant, scales, 1.0)
    return Scaling(spread, deviations, of_most, constant, shift, scales)
