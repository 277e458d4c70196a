"""The handwritten digits that come with the package (see optdigits.txt)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Digits(NamedTuple):
    """The 1797 digits.

    Attributes
    ----------
    X : ndarray of shape (1797, 64), uint8
        Values 0..16.
    y : ndarray of shape (1797,), int64
        Labels 0..9.
    """

    X: NDArray[np.uint8]
    y: NDArray[np.int64]


def load_digits() -> Digits:
    """Load 1797 handwritten digits of 8 by 8 pixels, embedded in the package.

    They are the test file of the UCI data set [1]_, with the same rows as
    ``sklearn.datasets.load_digits``, in the same order. Each pixel is the number of set bits in
    a 4 by 4 block of a 32 by 32 bitmap.

    Returns
    -------
    Digits
        Named tuple of

        - ``X``: uint8 array of shape (1797, 64), C-contiguous, values 0..16; a row is an
          image, its pixels row by row.
        - ``y``: int64 array of shape (1797,), the digit 0..9.

        Each call returns new arrays.

    References
    ----------
    .. [1] Alpaydin & Kaynak, "Optical Recognition of Handwritten Digits", UCI
       Machine Learning Repository, 1998, https://doi.org/10.24432/C50P49 (CC BY 4.0).

    Examples
    --------
    >>> from fastsoftmax.datasets import load_digits
    >>> X, y = load_digits()
    >>> X.shape, X.min().item(), X.max().item()
    ((1797, 64), 0, 16)
    >>> y[:5].tolist()
    [0, 1, 2, 3, 4]
    """
    from importlib import resources  # slow to import

    source = resources.files("fastsoftmax.datasets") / "optdigits.npz"
    with source.open("rb") as file, np.load(file) as arrays:
        return Digits(arrays["X"], arrays["y"].astype(np.int64))
