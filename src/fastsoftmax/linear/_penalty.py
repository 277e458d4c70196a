"""What a penalty is taken of: units of the features in which all are penalised alike."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fastsoftmax.data import Data

FREE = 1e-9  # the factor of features that are said to be free: of no weight beside others


def penalised_units(
    data: Data,
    weights: NDArray | None,
    factors: NDArray | None,
    standardize: bool,
    require_spread: Callable[[NDArray, NDArray], None],
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Numbers s (D,) such that W / s has the plain L2 penalty that is wanted; None for 1.

    And factors of its absolute values in an L1 penalty. Standardised features are x / σ, their
    weights Wσ; with a factor f of a feature in the penalty f w²σ² = (√f wσ)², f |wσ| = √f |√f wσ|.
    """
    if not standardize and factors is None:
        return None, None
    units = np.ones(data.shape[1])
    if standardize:
        means, deviations = data.moments(weights)
        require_spread(means, deviations)
        units /= np.where(deviations > 0, deviations, 1.0)
    if factors is None:
        return units, None
    roots = np.sqrt(np.maximum(factors, FREE))
    return units / roots, roots
