"""Data in blocks of rows, for fits of more than fits in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._runtime import sources
from fastsoftmax._runtime.ahead import ahead
from fastsoftmax._runtime.copies import Copies
from fastsoftmax._runtime.parts import Parts
from fastsoftmax._runtime.places import named
from fastsoftmax._validation import blocks as check_blocks
from fastsoftmax._validation import check
from fastsoftmax._validation.sparse import features, require_finite


class Scan(NamedTuple):
    """What a first pass over blocks tells."""

    first: ArrayLike  # X of the first block, as it was given
    shape: tuple[int, int]
    dtype: np.dtype
    is_sparse: bool
    nbytes: int  # of X
    nnz: int  # entries of a sparse X, all numbers of a dense one
    y: NDArray
    weights: NDArray | None
    checksums: dict[tuple[int, int], int]  # of X of blocks, by their first row and the next's

    def same(self, begin: int, X: Any, y: ArrayLike, weight: ArrayLike | None) -> None:
        """Raise unless the rows from there on are those of the first pass, as far as it is cheap
        to see: labels and weights, and some numbers of X."""
        rows = slice(begin, begin + X.shape[0])
        checksum = check_blocks.checksum(X)
        check_blocks.as_before(
            y=check_blocks.same_targets(y, self.y[rows]),
            sample_weight=check_blocks.same_weights(
                weight, None if self.weights is None else self.weights[rows]
            ),
            X=self.checksums.get((begin, rows.stop), checksum) == checksum,
        )


class Blocks(sources.FromFiles, Parts):
    """Rows that come in blocks, which need not fit in memory together.

    ``fit(Blocks(source))`` finds the optimum of all rows, as if they were one array: the same
    objective, solver and certificate. Each pass reads all blocks, the next one
    while the current one is processed. Labels, weights and what the solver keeps within
    ``max_memory`` stay in memory. To read each row only once, use ``partial_fit``. A memory-mapped
    array can be passed as X and needs no blocks.

    Parameters
    ----------
    source : sequence or callable
        A sequence of blocks, or a function without arguments that returns a new iterable of the
        same blocks for each pass. A block is ``(X, y)`` or ``(X, y, sample_weight)``: X of shape
        (m, D), in all blocks dense or in all sparse, and of the same dtype; labels y of shape (m,);
        weights of shape (m,). Do not write to its arrays again: the next block is read while this
        one is processed, and a fit that detects a reused buffer raises an error. A fit that detects
        other rows in a later pass, as of a source that shuffles them, raises one too. Blocks may be
        empty, but not all. A block of a sparse X costs some time per feature beside that for its
        entries: it should have more entries than features.

    Raises
    ------
    TypeError
        If source is neither, such as a generator, which can be read only once.

    Examples
    --------
    >>> import fastsoftmax
    >>> from fastsoftmax.datasets import load_digits
    >>> X, y = load_digits()
    >>> def blocks():
    ...     for start in range(0, len(X), 500):
    ...         yield X[start : start + 500], y[start : start + 500]
    >>> model = fastsoftmax.fit(fastsoftmax.Blocks(blocks), C=0.01)
    >>> bool(abs(model.objective_ - fastsoftmax.fit(X, y, C=0.01).objective_) < 1e-6)
    True
    """

    __module__ = "fastsoftmax"

    def __init__(
        self, source: Sequence[tuple[Any, ...]] | Callable[[], Iterable[tuple[Any, ...]]]
    ) -> None:
        check_blocks.readable(source)
        self.source = source

    @classmethod
    def _of_loads(cls, loads: Callable[[], Iterable[sources.Load]]) -> Blocks:
        return cls(partial(sources.read_each, loads))

    def cached(self, folder: str | PathLike[str]) -> Blocks:
        """The same blocks, read from a copy on disk from the second pass on.

        A fit reads all rows some 20 to 100 times. Where rows have to be decoded, as from Parquet
        files, or come over a network, the copy is read faster.

        Parameters
        ----------
        folder : path
            On a disk with room for the X of all blocks. They are written while they are first read,
            to a file without a name, which is gone with the blocks, or with the process. A pickled
            copy makes its own.

        Returns
        -------
        Blocks

        Raises
        ------
        FileNotFoundError
            If there is no such folder.
        TypeError
            If folder is not a path; and when blocks are read, if their X is not a NumPy array.

        Examples
        --------
        >>> import tempfile
        >>> import fastsoftmax
        >>> from fastsoftmax.datasets import load_digits
        >>> X, y = load_digits()
        >>> blocks = fastsoftmax.Blocks([(X[:900], y[:900]), (X[900:], y[900:])])
        >>> model = fastsoftmax.fit(blocks.cached(tempfile.gettempdir()), C=0.01)
        >>> model.objective_ == fastsoftmax.fit(blocks, C=0.01).objective_
        True
        """
        return Blocks(Copies(self, check_blocks.folder(folder)))

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """(X, y) or (X, y, sample_weight) of each that has rows."""
        return (block for _, block in self._numbered())

    def _numbered(self) -> Iterator[tuple[int, Any]]:
        blocks: Iterable[Any] = self.source
        if callable(self.source):
            blocks = check_blocks.own_arrays(check_blocks.iterator(self.source()))
        return check_blocks.numbered(blocks)

    def _each(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        results = []
        for i, block in ahead(self._numbered()):
            with named(f"block {i}"):
                results.append(function(check_blocks.parts(block), *args))
        check_blocks.some(len(results))
        return results

    def scan(self) -> Scan:
        """Read all blocks once: collect labels and weights, and check that the blocks are alike.

        Returns
        -------
        Scan

        Raises
        ------
        TypeError, ValueError
            If something is not a block, or differs from the blocks before it, naming the block.
        """
        labels, weights, numbers, checksums = [], [], [], {}
        rows, held, nnz, first = 0, 0, 0, None
        kept = np.copy if callable(self.source) else np.asarray  # a source may write to its own
        for i, block in ahead(self._numbered()):
            with named(f"block {i}"):
                X, y, weight = check_blocks.parts(block)
                array = features(X)
                n = array.shape[0]
                if first is None:
                    first = X, sparse.issparse(array), array.shape[1], array.dtype
                check_blocks.alike(array, *first[1:])
                check_blocks.same_columns(X, first[0])
                labels.append(kept(check_blocks.targets(y, n, labels[0] if labels else None)))
                check_blocks.alike_labels(labels[-1], labels[0])
                weight = check.weights_of_a_part(weight, n, "sample_weight")
                weights.append(None if weight is None else kept(weight))
            numbers.append(i)
            checksums[rows, rows + n] = check_blocks.checksum(array)
            rows += n
            parts = (array.data, array.indices) if first[1] else (array,)
            nnz, held = nnz + parts[0].size, held + sum(part.nbytes for part in parts)
        check_blocks.some(rows)
        check_blocks.all_or_none(weights, numbers)
        together = None if weights[0] is None else np.concatenate(weights, dtype=np.float64)
        check.some_weight(together)
        return Scan(
            first[0], (rows, first[2]), first[3], first[1], held, nnz, np.concatenate(labels),
            together, checksums,
        )  # fmt: skip

    def features(self, scan: Scan) -> Iterator[NDArray | sparse.csr_array]:
        """X of each block that has rows; raises where they are other rows than in the scan.

        Parameters
        ----------
        scan : Scan

        Yields
        ------
        ndarray or csr_array of shape (m, D)
        """
        rows = 0
        held = isinstance(self.source, list | tuple)  # the same arrays in each pass
        for i, block in self._numbered():
            with named(f"block {i}"):
                given, *of_rows = check_blocks.parts(block)
                check_blocks.same_columns(given, scan.first)
                X = features(given)
                check_blocks.alike(X, scan.is_sparse, scan.shape[1], scan.dtype)
                begin, rows = rows, rows + X.shape[0]
                if rows <= scan.shape[0] and not held:
                    scan.same(begin, X, *of_rows)
            if rows <= scan.shape[0]:
                yield X
        check_blocks.as_many(rows, scan.shape[0])

    def rows(self, numbers: NDArray[np.intp], scan: Scan) -> NDArray | sparse.csr_array:
        """X of some rows, which are held.

        Parameters
        ----------
        numbers : ndarray of int
            Numbers of rows, >= 0, counted over all blocks.
        scan : Scan

        Returns
        -------
        ndarray or csr_array of shape (len(numbers), D)
            In this order.
        """
        parts, found, start = [], [], 0
        for X in self.features(scan):
            here = np.flatnonzero((numbers >= start) & (numbers < start + X.shape[0]))
            parts.append(X[numbers[here] - start])
            found.append(here)
            start += X.shape[0]
        together = sparse.vstack(parts, "csr") if sparse.issparse(parts[0]) else np.vstack(parts)
        return together[np.argsort(np.concatenate(found))]

    def require_finite(self) -> None:
        """Raise for the first NaN or infinity."""
        for i, block in ahead(self._numbered()):
            with named(f"block {i}"):
                require_finite(features(block[0]))
