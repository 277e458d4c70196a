"""Rows in files, read as arrays: shards of NumPy's format, and tables of Arrow and Parquet.

Nothing becomes Python objects on the way. A column of lists of one length is read flat.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from os import PathLike
from tokenize import TokenError
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastsoftmax._runtime.buffers import Buffers
from fastsoftmax._runtime.mapping import of_memory
from fastsoftmax._runtime.optional import needed
from fastsoftmax._runtime.parquet_pages import PlainNumbers, plain_numbers

Paths: TypeAlias = str | PathLike[str] | Sequence[str | PathLike[str]]
Part: TypeAlias = tuple[Any, ...]  # (X, y) or (X, y, sample_weight)
Load: TypeAlias = Callable[[], Part]

BLOCK = 64 << 20  # bytes of X in a block, about
# what NumPy says of a file that is none of its: it reads headers as Python's syntax
NOT_NPY = (ValueError, TypeError, SyntaxError, TokenError)


def read_each(loads: Callable[[], Iterable[Load]]) -> Iterator[Part]:
    """What the functions read, one after another."""
    return (load() for load in loads())


class Columns(NamedTuple):
    """Where a table has what."""

    features: str | Sequence[str]
    label: str
    weight: str | None
    dtype: DTypeLike  # of the numbers in a column of bytes


NAMES = 20  # of columns that a message has


def require_columns(names: list[str], columns: Columns, table: str) -> None:
    """Raise for the first column that a table with these has not."""
    features, label, weight, _ = columns
    asked = {
        "features": [features] if isinstance(features, str) else features,
        "label": [label],
        "weight": [] if weight is None else [weight],
    }
    known = set(names)
    for argument, wanted in asked.items():
        missing = [name for name in wanted if name not in known]
        if missing:
            shown = ", ".join(map(repr, names[:NAMES])) + ", …" * (len(names) > NAMES)
            raise ValueError(
                f"{argument}: expected columns of {table}, which has {shown or 'none'}; got "
                f"{missing[0]!r}"
            )


def of_batches(tables: Any, columns: Columns) -> Iterator[Load]:
    """A function for each batch of tables."""
    for batch in batches(tables):
        require_columns(batch.schema.names, columns, "the table")
        yield partial(part_of, batch, columns)


def as_list(paths: Paths) -> list[Any]:
    """One path, or several."""
    return [paths] if isinstance(paths, str | bytes | PathLike) else list(paths)


def shards(X: Paths, y: Any, sample_weight: Any, rows: int | None) -> list[Load]:
    """Functions that read parts of .npy files, of about so many rows, or as many as make a block.

    y and weights are paths of as many files, or an array for all rows.
    """
    if rows is not None and (isinstance(rows, bool) or not hasattr(rows, "__index__") or rows < 1):
        raise ValueError(f"rows: expected an integer >= 1, got {rows!r}")
    paths, loads, begin = as_list(X), [], 0
    sizes = [rows_and_bytes(path) for path in paths]
    for name, given in (("y", y), ("sample_weight", sample_weight)):
        if given is None:
            continue
        if not are_paths(given):
            require_rows(np.asarray(given), sum(n for n, _ in sizes), name)
        elif len(as_list(given)) != len(paths):
            raise ValueError(
                f"{name}: expected {len(paths)} files, one for each of X, got {len(as_list(given))}"
            )
    for i, (path, (n, nbytes)) in enumerate(zip(paths, sizes, strict=True)):
        most = rows or max(1, BLOCK // max(1, nbytes))
        ends = [*range(0, n, most), n] if n else []
        for part in pairwise(ends):
            of_rows = [of_shard(each, i, begin, *part) for each in (y, sample_weight)]
            loads.append(partial(load_shard, path, *part, *of_rows))
        begin += n
    return loads


def rows_and_bytes(path: Any) -> tuple[int, int]:
    """How many rows a file has, and the bytes of one."""
    mapped = mapped_file(path)
    return len(mapped), mapped[:1].nbytes


def require_rows(given: NDArray, n: int, name: str) -> None:
    """Raise unless there are as many as of X: of more, some would be left out in silence."""
    if given.shape[:1] != (n,):
        raise ValueError(f"{name}: expected {n} rows as X has, got shape {given.shape}")


def of_shard(given: Any, i: int, begin: int, first: int, last: int) -> Any:
    """The path of a shard's labels or weights, or these, of some of its rows."""
    if given is None:
        return None
    if are_paths(given):
        return as_list(given)[i]
    return np.asarray(given)[begin + first : begin + last]


def are_paths(given: Any) -> bool:
    """Whether these name files, and are no labels."""
    if isinstance(given, str | PathLike):
        return True
    names = list(given) if isinstance(given, Sequence) else []
    return bool(names) and all(
        isinstance(each, PathLike) or (isinstance(each, str) and each.endswith(".npy"))
        for each in names
    )


def mapped_file(path: Any) -> NDArray:
    """A file of NumPy's format."""
    expected = f"{path}: expected an array in NumPy's format (.npy)"
    try:
        with of_memory(path), np.errstate(over="ignore"):  # which shows in the size
            mapped = np.load(path, mmap_mode="r")
    except NOT_NPY as error:
        raise ValueError(f"{expected}: {error}") from error
    if not isinstance(mapped, np.ndarray):
        raise ValueError(f"{expected}, got an archive")
    if not mapped.ndim:
        raise ValueError(f"{expected}, got a single number")
    return mapped


def load_shard(path: Any, first: int, last: int, *of_rows: Any) -> Part:
    """Rows of a file, with their labels and weights."""
    X, found = mapped_file(path), []
    for each in of_rows:
        if isinstance(each, str | PathLike):
            array = mapped_file(each)
            require_rows(array, len(X), str(each))
            each = array[first:last]
        found.append(each)
    return (X[first:last], *(each for each in found if each is not None))


def row_groups(paths: Paths, columns: Columns) -> list[Load]:
    """Functions that read the row groups of Parquet files."""
    parquet, loads = needed("pyarrow.parquet", "Parquet files need"), []
    features, dtype, buffers = columns.features, columns.dtype, Buffers()
    for path in as_list(paths):
        file = parquet.ParquetFile(path)
        require_columns(file.schema_arrow.names, columns, str(path))
        for i in range(file.metadata.num_row_groups):
            if file.metadata.row_group(i).num_rows:
                plain = (
                    plain_numbers(file, path, i, features, dtype, buffers)
                    if isinstance(features, str)
                    else None
                )
                loads.append(RowGroup(path, i, columns, plain))
    return loads


class RowGroup:
    """A function that reads a row group of a file.

    Where X needs no decoder, labels and weights are kept: to open the file and to read them takes a
    quarter of the time of reading X (docs/experiments/0091-parquet-with-few-classes.md).

    Parameters
    ----------
    path : path
    i : int
    columns : Columns
    plain : PlainNumbers or None
        X, where it may need no decoder.
    """

    def __init__(self, path: Any, i: int, columns: Columns, plain: PlainNumbers | None) -> None:
        self._path, self._i, self._columns, self._plain = path, i, columns, plain
        self._others: Any = None  # a table of labels and weights

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return RowGroup, (self._path, self._i, self._columns, self._plain)

    def __call__(self) -> Part:
        features, label, weight, _ = columns = self._columns
        others = [label, *([] if weight is None else [weight])]
        X = None if self._plain is None else self._plain.read()
        if X is not None:
            if self._others is None:
                self._others = self._table(others)
            return (X, *others_of(self._others, columns))
        names = [features] if isinstance(features, str) else list(features)
        return part_of(self._table([*names, *others]), columns)

    def _table(self, names: list[str]) -> Any:
        parquet = needed("pyarrow.parquet", "Parquet files need")
        return parquet.ParquetFile(self._path).read_row_group(self._i, columns=names)


def batches(tables: Any) -> Iterator[Any]:
    """Record batches of a table, of a data set, or of several."""
    several = isinstance(tables, Sequence) and not isinstance(tables, str)
    for table in tables if several else [tables]:
        if not (hasattr(table, "to_batches") or hasattr(table, "num_rows")):
            raise TypeError(
                "tables: expected a Table, RecordBatch or Dataset of pyarrow, or a sequence of "
                f"these, got a {type(table).__name__}" + (" in one" if several else "")
            )
        for batch in table.to_batches() if hasattr(table, "to_batches") else [table]:
            if batch.num_rows:
                yield batch


def part_of(table: Any, columns: Columns) -> Part:
    """X, y and weights of a table or a record batch."""
    return (features_of(table, columns), *others_of(table, columns))


def features_of(table: Any, columns: Columns) -> NDArray:
    """X of a table or a record batch."""
    features = columns.features
    if isinstance(features, str):
        return flat(table.column(features), features, columns.dtype)
    if not len(features):
        raise ValueError("features: expected the names of columns, got none")
    return np.stack([numbers(table.column(name), name) for name in features], axis=1)


def others_of(table: Any, columns: Columns) -> tuple[NDArray, ...]:
    """y, and weights if there are any."""
    y, weight = together(table.column(columns.label)), columns.weight
    return (y,) if weight is None else (y, numbers(table.column(weight), weight))


def together(column: Any) -> NDArray:
    """A column, in chunks or not."""
    chunks = getattr(column, "chunks", [column])
    parts = [chunk.to_numpy(zero_copy_only=False) for chunk in chunks]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def numbers(column: Any, name: str) -> NDArray:
    """A column of numbers."""
    if column.null_count:
        raise ValueError(f"{name}: expected numbers, got {column.null_count} nulls")
    return together(column)


def flat(column: Any, name: str, dtype: DTypeLike) -> NDArray:
    """A column of lists of one length, or of bytes, as an array, (n, D)."""
    import pyarrow as pa

    if pa.types.is_fixed_size_binary(column.type):
        return of_bytes(column, name, dtype)
    if not pa.types.is_fixed_size_list(column.type):
        raise TypeError(
            f"{name}: expected a column of lists of one length (FixedSizeList), got {column.type}: "
            "cast lists by column.cast(pyarrow.list_(pyarrow.float32(), D)), and name columns of "
            "numbers in a list"
        )
    size = column.type.list_size
    if column.null_count:
        raise ValueError(f"{name}: expected lists of numbers, got {column.null_count} nulls")
    parts = [
        numbers(chunk.flatten(), name).reshape(-1, size)
        for chunk in getattr(column, "chunks", [column])
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def of_bytes(column: Any, name: str, dtype: DTypeLike) -> NDArray:
    """A column of the bytes of rows as an array of their numbers, (n, D)."""
    width, size = column.type.byte_width, 0 if dtype is None else np.dtype(dtype).itemsize
    if not size or not width or width % size:
        raise TypeError(
            f"dtype: expected that of the numbers in {name}, whose rows have {width} bytes, "
            f"got {None if dtype is None else np.dtype(dtype)}"
        )
    if column.null_count:
        raise ValueError(f"{name}: expected rows of numbers, got {column.null_count} nulls")
    parts = [
        np.frombuffer(chunk.buffers()[1], np.uint8, len(chunk) * width, chunk.offset * width)
        for chunk in getattr(column, "chunks", [column])
    ]
    found = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return found.view(dtype).reshape(len(column), -1)


class FromFiles:
    """Data whose parts are loaded by functions, of files and tables."""

    @classmethod
    def _of_loads(cls, loads: Callable[[], Iterable[Load]]) -> Self:
        """Data of such functions, which `loads` gives anew each time."""
        raise NotImplementedError

    @classmethod
    def from_npy(
        cls,
        X: Paths,
        y: Paths | ArrayLike,
        sample_weight: Paths | ArrayLike | None = None,
        *,
        rows: int | None = None,
    ) -> Self:
        """Rows in files in NumPy's format, mapped into memory.

        Parameters
        ----------
        X : path or sequence of paths
            Files, (n, D) each, of one dtype; float16 is read as it is.
        y : path, sequence of paths or array-like of shape (N,)
            Labels: files like those of X, or of all rows; strings are names of files if they end in
            ``.npy``.
        sample_weight : path, sequence of paths or array-like of shape (N,), optional
            Weights in the same form.
        rows : int, optional
            Approximate number of rows of a block or of a partition; by default as many as take 64
            MB.

        Returns
        -------
        Blocks or Partitions
        """
        loads = shards(X, y, sample_weight, rows)
        return cls._of_loads(partial(list, loads))

    @classmethod
    def from_parquet(
        cls,
        paths: Paths,
        features: str | Sequence[str],
        label: str,
        weight: str | None = None,
        *,
        dtype: DTypeLike = None,
    ) -> Self:
        """Rows in Parquet files, a row group at a time; needs pyarrow.

        Lists and bytes that were written with ``compression="none", use_dictionary=False`` are read
        from the file as they are. Others are decoded, lists at less than 1 GB/s, each time that
        rows are read: see `Blocks.cached`.

        Parameters
        ----------
        paths : path or sequence of paths
            Files, all of whose row groups fit into memory. Workers that load partitions read the
            files by the same paths.
        features : str or sequence of str
            The column of X: lists of one length (Arrow's FixedSizeList) of float16, float32 or
            other numbers, or the bytes of these (FixedSizeBinary). Or columns of numbers, one per
            feature.
        label : str
            The column of y.
        weight : str, optional
            The column of weights.
        dtype : dtype, optional
            The type of the numbers in a column of bytes.

        Returns
        -------
        Blocks or Partitions

        Raises
        ------
        ValueError
            If a file has no column of a name, naming the argument, the file and its columns.
        """
        loads = row_groups(paths, Columns(features, label, weight, dtype))
        return cls._of_loads(partial(list, loads))

    @classmethod
    def from_arrow(
        cls,
        tables: Any,
        features: str | Sequence[str],
        label: str,
        weight: str | None = None,
        *,
        dtype: DTypeLike = None,
    ) -> Self:
        """Rows in Arrow tables, a record batch at a time.

        Parameters
        ----------
        tables : Table, RecordBatch, Dataset or sequence of these
            Objects of pyarrow, or others that have its ``to_batches``.
        features, label, weight, dtype
            As in `from_parquet`.

        Returns
        -------
        Blocks or Partitions
        """
        columns = Columns(features, label, weight, dtype)
        return cls._of_loads(partial(of_batches, tables, columns))
