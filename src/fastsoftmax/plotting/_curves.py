"""What a history holds, as curves: numbers to draw, and the words for their axes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._validation import plotting as check
from fastsoftmax._validation.plotting import History

ABSCISSAE = ("iterations", "passes", "seconds")
SUBSETS = ("training", "validation")

# metric: its axis, whether that is logarithmic, and the fields of entries that hold it
METRICS = {
    "loss": ("mean loss per row, nats", False, ("loss", "objective")),
    "accuracy": ("accuracy, share of rows", False, ("accuracy",)),
    "score": ("R²", False, ("score",)),
    "grad_norm": ("max |gradient|", True, ("grad_norm",)),
}


def label(metric: str) -> str:
    return METRICS[metric][0]


def is_log(metric: str) -> bool:
    return METRICS[metric][1]


def numbers(history: History, metric: str, subset: str = "training") -> NDArray | None:
    """The metric of each entry; None where the history has it not."""
    for field in METRICS[metric][2]:
        field = field if subset == "training" else f"{subset}_{field}"
        values = [getattr(entry, field, None) for entry in history]
        if None not in values:
            return np.array(values, dtype=np.float64)
    return None


def demanded(history: History, metric: str, subset: str = "training") -> NDArray:
    """The metric of each entry, or the error that names those there are."""
    check.one_of(metric, METRICS, "metric")
    found = numbers(history, metric, subset)
    wanted = metric if subset == "training" else f"{subset} {metric}"
    there = [
        name if part == "training" else f"{part} {name}"
        for part in SUBSETS
        for name in METRICS
        if numbers(history, name, part) is not None
    ]
    check.has_metric(found, wanted, there)
    return found


def abscissa(history: History, x: str) -> tuple[NDArray, str]:
    """Where the entries lie along x, and the label of that axis."""
    check.one_of(x, ABSCISSAE, "x")
    count = np.arange(1.0, len(history) + 1)
    iterations = hasattr(history[0], "n_passes")
    if x == "seconds":
        seconds = np.array([entry.seconds for entry in history])
        return (seconds if iterations else np.cumsum(seconds)), "time, s"
    if x == "passes":  # an epoch is one
        passes = np.array([e.n_passes for e in history], float) if iterations else count
        return passes, "passes over the rows"
    return count, "iteration" if iterations else "epoch"
