"""Data in partitions, for fits on several processes or machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from numpy.typing import ArrayLike

from fastsoftmax._runtime import sources
from fastsoftmax._runtime.engines import current_engine
from fastsoftmax._runtime.parts import Parts
from fastsoftmax._validation import partitions as check


class Partitions(Parts):
    """Rows in partitions that workers hold, each loaded where it is needed.

    ``fit(Partitions(loaders))`` finds the optimum of all rows, as if they were one array: the same
    objective, solver and certificate. Rows, labels and weights stay with the workers; each
    evaluation of the objective is a round, to which every partition adds its part. The bits of the
    result depend on the partitions alone, not on the workers or on the engine that runs them: the
    current Dask client, if there is one, the engine of `fastsoftmax.engines` whose context is
    entered, or else this process.

    Parameters
    ----------
    loaders : sequence of callables
        Functions without arguments, each of which returns the rows of a partition, always the same:
        ``(X, y)``, ``(X, y, sample_weight)`` or ``(X, y, sample_weight, offset)``. X is dense in
        all partitions or sparse in all, of one dtype; partitions may be empty. A function is sent
        to a worker, as one of a module or of `functools.partial` can be, and called again where a
        worker was lost.

    Raises
    ------
    TypeError
        If loaders are something else.

    Examples
    --------
    >>> from functools import partial
    >>> import fastsoftmax
    >>> from fastsoftmax.datasets import load_digits
    >>> def rows(begin, end):
    ...     X, y = load_digits()
    ...     return X[begin:end], y[begin:end]
    >>> loaders = [partial(rows, begin, begin + 300) for begin in range(0, 1797, 300)]
    >>> model = fastsoftmax.fit(fastsoftmax.Partitions(loaders), C=0.01)
    >>> model.certified_
    True
    >>> X, y = load_digits()
    >>> bool(abs(model.objective_ - fastsoftmax.fit(X, y, C=0.01).objective_) < 1e-6)
    True
    """

    __module__ = "fastsoftmax"

    def __init__(self, loaders: Sequence[Callable[[], tuple[Any, ...]]]) -> None:
        self.loaders = check.loaders(loaders)

    @classmethod
    def _of_parts(cls, parts: list[list[Any]]) -> Partitions:
        """Of blocks of Dask's collections, of each (X, y, sample_weight, offset)."""
        partitions = cls.__new__(cls)
        partitions.loaders = parts
        return partitions

    @classmethod
    def from_npy(
        cls,
        X: sources.Paths,
        y: sources.Paths | ArrayLike,
        sample_weight: sources.Paths | ArrayLike | None = None,
        *,
        rows: int | None = None,
    ) -> Partitions:
        """Rows in files of NumPy's format, mapped into memory.

        Parameters
        ----------
        X : path or sequence of paths
            Files, (n, D) each, of one dtype; float16 is read as it is.
        y : path, sequence of paths or array-like of shape (N,)
            Labels: files like those of X, or of all rows.
        sample_weight : path, sequence of paths or array-like of shape (N,), optional
            Weights in the same form.
        rows : int, optional
            Rows of a partition, about; as many as take 64 MB by default.

        Returns
        -------
        Partitions
        """
        return cls(sources.shards(X, y, sample_weight, rows))

    @classmethod
    def from_parquet(
        cls,
        paths: sources.Paths,
        features: str | Sequence[str],
        label: str,
        weight: str | None = None,
    ) -> Partitions:
        """Rows in Parquet files, a row group at a time; needs pyarrow.

        Parameters
        ----------
        paths : path or sequence of paths
            Files, which workers can read by the same paths.
        features : str or sequence of str
            The column of X: lists of one length (Arrow's FixedSizeList) of float16, float32 or
            other numbers. Or columns of numbers, one per feature.
        label : str
            The column of y.
        weight : str, optional
            The column of weights.

        Returns
        -------
        Partitions
        """
        return cls(sources.row_groups(paths, features, label, weight))

    @classmethod
    def from_arrow(
        cls, tables: Any, features: str | Sequence[str], label: str, weight: str | None = None
    ) -> Partitions:
        """Rows in tables of Arrow's, a record batch at a time.

        Parameters
        ----------
        tables : Table, RecordBatch, Dataset or sequence of these
            Of pyarrow, or what has its ``to_batches``.
        features, label, weight
            As of `from_parquet`.

        Returns
        -------
        Partitions
        """
        columns = features, label, weight
        loads = [partial(sources.part_of, batch, *columns) for batch in sources.batches(tables)]
        return cls(loads)

    def _each(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        sources = current_engine().hold(numbered, list(enumerate(self.loaders)))
        made = [part for part in sources.each(of_partition, function, args) if part is not None]
        check.some(len(made))
        return made


def numbered(number: int, loader: Any) -> tuple[int, Any]:
    """What a worker keeps where it is to hold one partition at a time: how it is loaded."""
    return number, loader


def of_partition(
    source: tuple[int, Any], function: Callable[..., Any], args: tuple[Any, ...]
) -> Any:
    """What a function makes of a partition, which is loaded for that; None of an empty one."""
    number, loader = source
    with check.named(number):
        X, y, weights, _ = check.parts(loader() if callable(loader) else loader)
        some = X.shape[0] if hasattr(X, "shape") else len(X)
        return function((X, y, weights), *args) if some else None
