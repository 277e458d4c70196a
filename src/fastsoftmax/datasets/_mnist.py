"""MNIST, and data sets in the same four IDX files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax.datasets._idx import read_idx

_MNIST_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


class MNIST(NamedTuple):
    """Images and labels, for training and test.

    Attributes
    ----------
    X_train, X_test : ndarray of shape (n, pixels), uint8
    y_train, y_test : ndarray of shape (n,), int64
    """

    X_train: NDArray[np.uint8]
    y_train: NDArray[np.int64]
    X_test: NDArray[np.uint8]
    y_test: NDArray[np.int64]


def load_mnist(folder: str | os.PathLike[str]) -> MNIST:
    """Load MNIST, or a data set in the same four files (Fashion-MNIST, ...).

    Parameters
    ----------
    folder : str or path-like
        Holds ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``,
        ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``. Each name may end in
        ``.gz``, and may be written with a dot, as in ``train-images.idx3-ubyte``.

    Returns
    -------
    MNIST
        Named tuple of ``X_train``, ``y_train``, ``X_test``, ``y_test``; for MNIST itself

        - ``X_*``: uint8 arrays of shape (60000, 784) and (10000, 784), values 0 (paper) to
          255 (ink); a row is an image, its pixels row by row.
        - ``y_*``: int64 arrays of shape (60000,) and (10000,), the digit 0..9.

    Raises
    ------
    FileNotFoundError
        If files are missing; the message names each.
    ValueError
        If a file is damaged (see `read_idx`), is not images (uint8, three dimensions) or
        labels (uint8, one dimension), holds no image, or does not match the others.

    References
    ----------
    .. [1] LeCun, Cortes & Burges, "The MNIST database of handwritten
       digits", http://yann.lecun.com/exdb/mnist/.

    Examples
    --------
    >>> from fastsoftmax.datasets import load_mnist
    >>> X_train, y_train, X_test, y_test = load_mnist("data/mnist")  # doctest: +SKIP
    >>> X_train.shape  # doctest: +SKIP
    (60000, 784)
    """
    folder = Path(folder)
    found = [_find(folder, name) for name in _MNIST_FILES]
    if missing := [name for name, path in zip(_MNIST_FILES, found, strict=True) if path is None]:
        raise FileNotFoundError(
            f"{folder}: missing {', '.join(missing)} (each also sought with .gz, and with a dot "
            "for the second hyphen)"
        )
    train_images, train_labels, test_images, test_labels = (path for path in found if path)
    X_train, y_train = _read_pair(train_images, train_labels)
    X_test, y_test = _read_pair(test_images, test_labels)
    if X_train.shape[1:] != X_test.shape[1:]:
        raise ValueError(
            f"{test_images}: expected images of {X_train.shape[1:]} pixels as in "
            f"{train_images.name}, got {X_test.shape[1:]}"
        )
    return MNIST(
        X_train.reshape(len(X_train), -1),
        y_train.astype(np.int64),
        X_test.reshape(len(X_test), -1),
        y_test.astype(np.int64),
    )


def _find(folder: Path, name: str) -> Path | None:
    dotted = name.replace("-idx", ".idx")
    candidates = (folder / (stem + end) for stem in (name, dotted) for end in ("", ".gz"))
    return next((path for path in candidates if path.is_file()), None)


def _read_pair(images_path: Path, labels_path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    images = _read_uint8(images_path, "images", 3)
    labels = _read_uint8(labels_path, "labels", 1)
    if not images.size:
        raise ValueError(f"{images_path}: expected at least one image, got shape {images.shape}")
    if len(images) != len(labels):
        raise ValueError(
            f"{labels_path}: expected {len(images)} labels, one an image of {images_path.name}, "
            f"got {len(labels)}"
        )
    return images, labels


def _read_uint8(path: Path, what: str, ndim: int) -> NDArray[np.uint8]:
    array = read_idx(path)
    if array.dtype != np.uint8 or array.ndim != ndim:
        raise ValueError(
            f"{path}: expected {what}, uint8 in {ndim} dimension(s), "
            f"got {array.dtype} in {array.ndim}"
        )
    return array
