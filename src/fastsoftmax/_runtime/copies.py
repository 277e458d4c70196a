"""Copies of blocks that are costly to read, in a temporary file."""

import mmap
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._runtime.mapping import of_memory

ALIGNED = 64  # bytes, at a multiple of which the X of a block begins in the file


class Copy(NamedTuple):
    """Where X of a block begins in the file, what it is, and what came beside it."""

    start: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: Literal["C", "F"]
    others: list[Any]

    def read(self, file: mmap.mmap) -> tuple[Any, ...]:
        X = np.ndarray(self.shape, self.dtype, file, self.start, order=self.order)
        return (X, *self.others)


class Copies:
    """Blocks as they were when they were first read to the end.

    X is in a file without a name, mapped into memory; labels and weights stay in memory. The system
    frees the file when the mapping is gone, however the process ends. No Python code runs for it,
    so that no interrupt is lost there.

    Parameters
    ----------
    source : iterable
        Of the blocks.
    folder : Path
        Within which the file is made.
    """

    def __init__(self, source: Iterable[tuple[Any, ...]], folder: Path) -> None:
        self._source, self._folder = source, folder
        self._kept: tuple[mmap.mmap, list[Copy]] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Copies, (self._source, self._folder)

    def __call__(self) -> Iterator[tuple[Any, ...]]:
        """The blocks: those of the source, until these have once been read to the end."""
        if self._kept is None:
            yield from self._first_reading()
            return
        file, copies = self._kept
        for copy in copies:
            yield copy.read(file)
            if hasattr(file, "madvise"):
                file.madvise(mmap.MADV_DONTNEED)  # what was read need not stay in memory

    def _first_reading(self) -> Iterator[tuple[Any, ...]]:
        copies = []
        with self._file() as file:
            for X, *others in self._source:
                if not isinstance(X, np.ndarray):
                    raise TypeError(
                        "cached: expected blocks whose X is a NumPy array, got a "
                        f"{type(X).__name__}"
                    )
                end = file.seek(0, os.SEEK_END)
                start = file.seek(end + -end % ALIGNED)
                by_columns = X.flags.f_contiguous and not X.flags.c_contiguous
                self._write(np.ascontiguousarray(X.T if by_columns else X), file)
                copies.append(Copy(start, X.dtype, X.shape, "F" if by_columns else "C", others))
                yield (X, *others)
            self._write(np.zeros(1, np.uint8), file)  # no empty file can be mapped
            with of_memory(self._folder):
                self._kept = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), copies

    @contextmanager
    def _file(self) -> Iterator[IO[bytes]]:
        with self._named():
            file = TemporaryFile(dir=self._folder)  # noqa: SIM115, it is closed below
        try:
            yield file
        finally:
            with self._named():  # what could not be written is tried again
                file.close()

    def _write(self, X: NDArray[Any], file: IO[bytes]) -> None:
        with self._named():
            file.write(X.reshape(-1).view(np.uint8))
            file.flush()

    @contextmanager
    def _named(self) -> Iterator[None]:
        """What the system refuses there is an error that names the folder."""
        try:
            yield
        except OSError as error:
            error.filename = str(self._folder)
            raise
