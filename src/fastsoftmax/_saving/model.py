"""Estimators that can be saved: what a file says of one, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from fastsoftmax._runtime.atomic import of_one_fit
from fastsoftmax._runtime.sklearn_compat import require_fit
from fastsoftmax._runtime.typing import AnyPath
from fastsoftmax._runtime.version import __version__
from fastsoftmax._saving import archive
from fastsoftmax._saving.values import decode, encode
from fastsoftmax._validation import saved as check

VERSION = 1  # of the format: another one where older versions of this package would misread it


class Saved:
    """`save` and `load` of an estimator.

    ``_saved`` declares the attributes that go into a file, which a subclass may make of others by
    `_attributes_to_save` and `_restore`.
    """

    _saved: ClassVar[check.Attributes]

    @of_one_fit
    def save(self, path: AnyPath) -> None:
        """Write the fitted model to a file, which holds arrays and JSON and nothing executable.

        The file keeps the parameters and the attributes that this class documents, and what
        `SoftmaxRegression.partial_fit` goes on from, so that a loaded model learns exactly as the
        saved one would have. It does not keep what else solvers remember for another fit: `fit`
        with ``warm_start``, and ``partial_fit`` of a network, start from the coefficients of a
        loaded model and estimate curvature and moments anew. Nor does it keep what inference needs:
        call `SoftmaxRegression.summary` before saving.

        The file is an npz archive of one array for each of the attributes that are arrays, and of
        model.json. It replaces an older file when it is complete and on the disk. The older file's
        mode, owner and group are kept where the system permits, and a symbolic link stays a
        symbolic link.

        Parameters
        ----------
        path : str, bytes or path-like
            The file; no suffix is added, and ".npz" is usual.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        TypeError
            If a parameter has no form in JSON, such as a random generator.
        OSError
            If the file cannot be written, or the path leads to something that is not a file.

        See Also
        --------
        fastsoftmax.load : Read the file.

        Examples
        --------
        >>> import os, tempfile
        >>> import fastsoftmax
        >>> X, y = fastsoftmax.datasets.load_digits()
        >>> model = fastsoftmax.fit(X, y, C=0.01)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "digits.npz")
        ...     model.save(path)
        ...     same = fastsoftmax.load(path)
        >>> same
        SoftmaxRegression(C=0.01)
        >>> bool((same.predict_proba(X) == model.predict_proba(X)).all())
        True
        """
        require_fit(self, next(iter(self._saved.needed)))
        attributes = self._attributes_to_save()
        self._saved.of(attributes)  # what could not be read is not written
        arrays: dict[str, Any] = {}
        document = {
            "format": "fastsoftmax model",
            "version": VERSION,
            "fastsoftmax": __version__,
            "estimator": type(self).__name__,
            "parameters": {
                name: encode(value, f"parameters.{name}", arrays)
                for name, value in self.get_params(deep=False).items()
            },
            "attributes": {name: encode(value, name, arrays) for name, value in attributes.items()},
        }
        archive.write(path, document, arrays)

    @classmethod
    def load(cls, path: AnyPath) -> Self:
        """Read a model of this class that `save` wrote.

        Parameters
        ----------
        path : str, bytes or path-like

        Returns
        -------
        estimator
            Fitted, of this class.

        Raises
        ------
        OSError, ValueError
            As in `fastsoftmax.load`; if the file holds a model of another class.
        """
        return read(path, {cls.__name__: cls})

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        """What tells models apart: of a dataclass Dask would take the parameters alone, and then
        one model's predictions for another's."""
        from dask.tokenize import normalize_token

        return normalize_token(type(self)), normalize_token(self.__getstate__())

    def _attributes_to_save(self) -> dict[str, Any]:
        own = vars(self)
        return {name: own[name] for name in self._saved.kinds if name in own}

    def _restore(self, attributes: dict[str, Any]) -> None:
        """Take up checked attributes; ValueError if they contradict each other."""
        vars(self).update(attributes)


def read(path: AnyPath, estimators: Mapping[str, type[Saved]]) -> Any:
    """The model in a file, of one of these classes."""
    with archive.opened(path) as file:
        document = check.header(file.document(), VERSION)
        check.estimator(document["estimator"], estimators)
        model = estimators[document["estimator"]]()
        parameters, attributes = (
            {name: decode(value, name, file.array) for name, value in document[part].items()}
            for part in ("parameters", "attributes")
        )
        check.parameters(parameters, model.get_params(deep=False), document["fastsoftmax"])
        model.set_params(**parameters)
        model._restore(model._saved.of(attributes))
    return model
