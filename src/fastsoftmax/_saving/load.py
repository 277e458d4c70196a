"""Any model from its file."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from fastsoftmax._runtime.typing import AnyPath
from fastsoftmax._saving import Saved, read

PACKAGES = ("fastsoftmax._linear", "fastsoftmax._neural")  # imported once a file is read


def estimators() -> dict[str, type[Saved]]:
    """The estimators that can be saved, by name."""
    members = [member for package in PACKAGES for member in vars(import_module(package)).items()]
    classes = {name: e for name, e in members if isinstance(e, type) and issubclass(e, Saved)}
    return dict(sorted(classes.items()))


def load(path: AnyPath) -> Any:
    """Read a model that was written by the ``save`` of an estimator.

    Nothing in the file is executed, whatever it holds. It consists of arrays and JSON, and their
    names, types, shapes and sizes are checked before anything is allocated.

    Parameters
    ----------
    path : str, bytes or path-like

    Returns
    -------
    estimator
        The fitted estimator, of the class that was saved. ``SoftmaxRegression.load`` and the
        ``load`` of other classes raise an error for a model of another class.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If its contents are damaged, or it does not hold such a model, or one in a version of the
        format that this version of the package does not know, naming the file and what was expected
        of it.

    Examples
    --------
    >>> import os, tempfile
    >>> import fastsoftmax
    >>> X, y = fastsoftmax.datasets.load_digits()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "digits.npz")
    ...     fastsoftmax.fit(X, y).save(path)
    ...     fastsoftmax.load(path).predict(X[:5]).tolist()
    [0, 1, 2, 3, 4]
    """
    return read(path, estimators())
