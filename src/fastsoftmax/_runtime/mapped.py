"""Files as bytes in memory."""

import mmap
from typing import Any


class MappedFile:
    """A file that is mapped when it is read first.

    Parameters
    ----------
    path : str or PathLike
    is_kept : bool
        Whether the map is kept for later reads: pages that it has once are copied from at the speed
        of memory. It takes one of the files that a process may have open.
    """

    def __init__(self, path: Any, is_kept: bool = True) -> None:
        self.path, self._is_kept = path, is_kept
        self._kept: mmap.mmap | None = None

    def __reduce__(self) -> tuple[type, tuple[Any, bool]]:
        return MappedFile, (self.path, self._is_kept)

    def read(self) -> mmap.mmap:
        """Its bytes, as it was when it was mapped."""
        if self._kept is not None:
            return self._kept
        with open(self.path, "rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if hasattr(mmap, "MADV_SEQUENTIAL"):  # the system reads ahead, as it does of other reads
            mapped.madvise(mmap.MADV_SEQUENTIAL)
        if self._is_kept:
            self._kept = mapped
        return mapped
