"""Groups of weights that a penalty takes together."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._validation.arrays import shown


def l1_group(
    value: ArrayLike | str | None, n_features: int, n_logits: int, factors: NDArray | None
) -> NDArray[np.intp] | None:
    """The number of each feature's group, 0 and up; None where each weight is penalised by itself.

    Factors are those of the features in the penalty.
    """
    if value is None:
        return None
    if isinstance(value, str):
        if value != "classes":
            raise ValueError(
                "l1_group: expected None, 'classes' or the number of each feature's group, got "
                f"{shown(value)}"
            )
        # a single logit's weights are groups of one
        return None if n_logits == 1 else np.arange(n_features)
    numbers = np.asarray(value)
    if numbers.shape != (n_features,):
        raise ValueError(
            f"l1_group: expected shape ({n_features},), one group per feature, got {numbers.shape}"
        )
    if numbers.dtype.kind not in "iu":
        raise TypeError(f"l1_group: expected integers, got dtype {numbers.dtype}")
    groups = np.unique(numbers, return_inverse=True)[1].astype(np.intp)
    if factors is not None:
        least, most = np.full(groups.max() + 1, np.inf), np.zeros(groups.max() + 1)
        np.minimum.at(least, groups, factors)
        np.maximum.at(most, groups, factors)
        if (least != most).any():
            group = numbers[groups == np.argmax(least != most)][0]
            raise ValueError(
                f"penalty_factor: expected one factor for all features of a group, got several in "
                f"group {group}"
            )
    return groups
