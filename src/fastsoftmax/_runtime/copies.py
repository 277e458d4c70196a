"""Copies of blocks that are costly to read, in a temporary folder."""

import os
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from threading import get_ident
from typing import Any

import numpy as np


class Copies:
    """Blocks as they were when they were first read; the folder goes with the object.

    X is in files of NumPy's format, mapped into memory; labels and weights stay in memory.

    Parameters
    ----------
    source : iterable
        Of the blocks.
    folder : Path
        Within which the temporary folder is made.
    """

    def __init__(self, source: Iterable[tuple[Any, ...]], folder: Path) -> None:
        self._source, self._within = source, folder
        self._folder = Path(mkdtemp(prefix="fastsoftmax-", dir=folder))
        weakref.finalize(self, remove, self._folder, os.getpid())
        self._others: dict[int, tuple[Any, ...]] = {}
        self._complete = False

    def __reduce__(self) -> tuple[Any, ...]:
        return Copies, (self._source, self._within)

    def __call__(self) -> Iterator[tuple[Any, ...]]:
        """The blocks: those of the source, until these have once been read to the end."""
        if self._complete:
            for i, others in self._others.items():
                yield (np.load(self._path(i), mmap_mode="r"), *others)
            return
        for i, (X, *others) in enumerate(self._source):
            if not isinstance(X, np.ndarray):
                raise TypeError(
                    f"cached: expected blocks whose X is a NumPy array, got a {type(X).__name__}"
                )
            if i not in self._others:
                own = self._path(f"{i}-{get_ident()}")  # two threads may read at a time
                np.save(own, X, allow_pickle=False)
                own.replace(self._path(i))
                self._others[i] = tuple(others)
            yield (X, *others)
        self._complete = True

    def _path(self, name: object) -> Path:
        return self._folder / f"{name}.npy"


def remove(folder: Path, process: int) -> None:
    """Remove the folder of this process; a child that was forked from it leaves it alone."""
    if os.getpid() == process:
        rmtree(folder, ignore_errors=True)
