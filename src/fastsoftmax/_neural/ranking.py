"""The largest numbers of each row of logits, and the labels that they mean."""

import numpy as np
from numpy.typing import NDArray


def largest(z: NDArray, k: int) -> NDArray[np.intp]:
    """Columns of the k largest numbers of each row, the largest first, of equal ones the lower.

    Those that are not less than the k-th largest are found without sorting the others. Only where
    they are more than k, or a row has NaN, which is less than any number, is all of it sorted.
    """
    n, columns = z.shape
    among = z >= np.partition(z, columns - k, axis=1)[:, columns - k, None]
    counts = np.bincount(np.flatnonzero(among) // columns, minlength=n)
    tied = np.flatnonzero(counts != k)
    if len(tied):
        first = np.argsort(-z[tied], axis=1, kind="stable")[:, :k]
        among[tied] = False
        among[tied[:, None], first] = True
    found = (np.flatnonzero(among) % columns).reshape(n, k)
    order = np.argsort(-np.take_along_axis(z, found, axis=1), axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1)


def top(
    z: NDArray, k: int, classes: NDArray, probabilities: NDArray | None = None
) -> NDArray | tuple[NDArray, NDArray]:
    """Labels of the k largest, and what their probabilities are, if these are given."""
    found = largest(z, k)
    if probabilities is None:
        return classes[found]
    return classes[found], np.take_along_axis(probabilities, found, axis=1)
