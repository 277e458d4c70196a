"""IDX, the file format of the MNIST database."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 20  # bytes that are read at a time: a size that a file claims allocates nothing


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read an array from an IDX file, the format of the MNIST database.

    Parameters
    ----------
    path : str or path-like
        The file, plain or gzipped, as its first bytes tell; its name does not matter.

    Returns
    -------
    ndarray
        A new, writable, C-contiguous array with the shape and type in the file's header, in
        native byte order: uint8, int8, int16, int32, float32 or float64.

    Raises
    ------
    ValueError
        If the header is cut short or damaged, there are fewer or more data than it says, or
        the gzip stream is damaged.
    FileNotFoundError
        If there is no such file.

    References
    ----------
    .. [1] LeCun, Cortes & Burges, "The MNIST database of handwritten
       digits", http://yann.lecun.com/exdb/mnist/, section "The IDX file format".

    Examples
    --------
    >>> from fastsoftmax.datasets import read_idx
    >>> read_idx("train-labels-idx1-ubyte.gz").shape  # doctest: +SKIP
    (60000,)
    """
    path = Path(path)
    with path.open("rb") as file:
        gzipped = file.peek(2)[:2] == _GZIP_MAGIC
        stream = gzip.GzipFile(fileobj=file) if gzipped else file
        try:
            return _read(stream, path)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(f"{path}: expected a whole gzip stream, got: {error}") from error


def _read(stream: BufferedIOBase, path: Path) -> NDArray[Any]:
    magic = _take(stream, 4)
    if len(magic) < 4:
        raise ValueError(f"{path}: expected an IDX header of at least 4 bytes, got {len(magic)}")
    zeros, code, ndim = struct.unpack(">HBB", magic)
    if zeros:
        raise ValueError(f"{path}: expected an IDX file, which starts 00 00, got {magic.hex(' ')}")
    if code not in _TYPES:
        known = ", ".join(f"0x{known:02x}" for known in _TYPES)
        raise ValueError(f"{path}: expected an IDX type among {known}, got 0x{code:02x}")
    if not ndim:
        raise ValueError(f"{path}: expected at least one dimension, got 0")
    sizes = _take(stream, 4 * ndim)
    if len(sizes) < 4 * ndim:
        raise ValueError(
            f"{path}: expected an IDX header of {4 + 4 * ndim} bytes for {ndim} dimensions, "
            f"got {4 + len(sizes)}"
        )
    shape = struct.unpack(f">{ndim}I", sizes)
    dtype = np.dtype(_TYPES[code])
    n_bytes = math.prod(shape) * dtype.itemsize
    # One byte beyond the data shows a surplus, and takes a gzip stream to its checksum.
    data = _take(stream, n_bytes + 1)
    if len(data) != n_bytes:
        got = "more" if len(data) > n_bytes else len(data)
        raise ValueError(
            f"{path}: expected {n_bytes} bytes of data for shape {shape} of {dtype.name}, got {got}"
        )
    try:
        array = np.ndarray(shape, dtype, buffer=data)
    except ValueError as error:
        raise ValueError(f"{path}: expected a shape NumPy can hold, got {shape}") from error
    return array.astype(dtype.newbyteorder("="), copy=False)


def _take(stream: BufferedIOBase, limit: int) -> bytearray:
    """Read up to `limit` bytes, in memory that grows with what comes, not with the limit."""
    data = bytearray()
    while chunk := stream.read(min(_CHUNK, limit - len(data))):
        data += chunk
    return data
