"""Files mapped into memory: where none is left for one, that is a MemoryError, as of an array."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike


@contextmanager
def of_memory(path: str | PathLike[str]) -> Iterator[None]:
    """What maps a file, which has this path or lies in this folder."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOMEM:
            raise
        raise MemoryError(f"{path}: no memory was left to map a file there") from error
