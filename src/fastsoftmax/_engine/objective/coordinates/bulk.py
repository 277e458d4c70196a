"""Where most values of a feature are, and how far apart, if a few cells are far from all others.

A mean and a variance are then those cells': a cell of 1e6 among 500 shifts the mean by 2000
deviations of the others. Neither changes the optimum, but in such coordinates float32 keeps no
digit of what the other rows say.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import Data


@dataclass(frozen=True)
class BulkRules:
    """What a few cells are, far from all others (docs/experiments/0071-rules.md)."""

    rows: int = 128  # evenly spread, that tell
    inside: float = 0.9  # of the values: of rare features there is no bulk
    normal: float = 1.645  # deviations inside which that share of a normal variable is
    wide: float = 30.0  # times the deviation of the bulk: beyond, it is that of a few cells


def bulk(
    data: Data,
    means: NDArray,
    deviations: NDArray,
    centred: bool,
    rules: BulkRules | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centres and deviations of the features: those of all rows, or the bulk's where they are far
    off."""
    (n, d), rules = data.shape, rules or BulkRules()
    if not d:
        return means, deviations
    count = min(n, rules.rows)
    chosen = (np.arange(count) * (n / count)).astype(np.intp)
    X = data.rows(chosen).in_float64(slice(None)).T
    middle, half = np.zeros(d), len(chosen) // 2
    if centred:
        ordered = np.sort(X, axis=1)
        middle = (ordered[:, -1 - half] + ordered[:, half]) / 2
    from_middle = np.sort(np.abs(X - middle[:, None]), axis=1)
    inside = from_middle[:, int(rules.inside * (len(chosen) - 1))] / rules.normal
    far_off = (inside > 0) & (deviations > rules.wide * inside)
    return np.where(far_off, middle, means), np.where(far_off, inside, deviations)
