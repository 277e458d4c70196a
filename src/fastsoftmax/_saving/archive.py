"""A file of arrays and one JSON document: an npz file.

It is a zip archive of npy files, so that `numpy.load` shows its arrays, and of model.json. What is
read is taken for hostile: members must be stored uncompressed, so that no array is larger than the
file; of npy headers only the plain form is accepted that NumPy writes; the archive's checksums
tell damage.
"""

import errno
import json
import math
import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._runtime.typing import AnyPath
from fastsoftmax._saving.replacement import in_place_of
from fastsoftmax._validation import saved as check

DOCUMENT = "model.json"
MAGIC = b"\x93NUMPY\x01\x00"  # of npy files, version 1.0
HEADER = re.compile(
    rb"\{'descr': '([<>|][biufUS]\d{1,9})', 'fortran_order': (False|True), "
    rb"'shape': \(((?:\d{1,18}, ?)*(?:\d{1,18})?)\), \} *\n"
)
END = b"PK\5\6" + bytes(18)  # of an archive that nothing follows: a signature, sizes, no comment
PIECE = 1 << 20  # bytes that are read at a time: a size that a file claims allocates nothing
# what zipfile makes of bytes that are not those of an archive that it knows
DAMAGE = (BadZipFile, EOFError, IndexError, KeyError, OverflowError, RuntimeError, struct.error)


def write(path: AnyPath, document: Any, arrays: dict[str, NDArray]) -> None:
    """Put a document and arrays, by name, in the place of what may be at the path."""
    with in_place_of(check.path(path)) as file, ZipFile(file, "w", ZIP_STORED) as zf:
        text = json.dumps(document, allow_nan=False).encode()
        with _member(zf, DOCUMENT, len(text)) as member:
            member.write(text)
        for name, array in arrays.items():
            with _member(zf, f"{name}.npy", array.nbytes) as member:
                np.lib.format.write_array(member, array, (1, 0), allow_pickle=False)


def _member(archive: ZipFile, name: str, size: int) -> BinaryIO:
    """The entry to write to; without a date, so that equal models give equal files."""
    info = ZipInfo(name)
    info.external_attr = 0o644 << 16
    return archive.open(info, "w", force_zip64=size >= 1 << 30)


class Archive:
    """What a file holds, while it is open; every fault of it is a ValueError."""

    def __init__(self, file: BinaryIO) -> None:
        size = os.fstat(file.fileno()).st_size
        self._zip = ZipFile(file)
        members = self._zip.infolist()
        file.seek(-len(END), os.SEEK_END)
        end = file.read()
        whole = end.startswith(END[:4]) and end.endswith(END[-2:])
        if not whole or min((member.header_offset for member in members), default=0):
            raise ValueError("expected an archive from the first byte to the last, got more bytes")
        for member in members:
            if member.compress_type != ZIP_STORED or member.file_size != member.compress_size:
                raise ValueError(f"expected stored members, got {member.filename!r} compressed")
        self._left = {member.filename: member for member in members}
        if len(self._left) != len(members) or sum(m.file_size for m in members) > size:
            raise ValueError("expected members beside each other, got them over each other")

    def document(self) -> Any:
        """The JSON document."""
        with self._open(DOCUMENT) as (member, size):
            text = member.read(size + 1)
        return json.loads(text, object_pairs_hook=_no_key_twice, parse_constant=check.no_constant)

    def array(self, name: str) -> NDArray:
        """The array of that name, which can be asked for once."""
        with self._open(f"{name}.npy") as (member, size):
            return _read_array(member, name, size)

    def require_read(self) -> None:
        """Raise if there is anything that has not been asked for."""
        if self._left:
            raise ValueError(f"expected no {min(self._left)!r} in the file")

    @contextmanager
    def _open(self, name: str) -> Iterator[tuple[BinaryIO, int]]:
        member = self._left.pop(name, None)
        if member is None:
            raise ValueError(f"expected {name!r} in the file, got none")
        with self._zip.open(member) as stream:
            yield stream, member.file_size


@contextmanager
def opened(path: AnyPath) -> Iterator[Archive]:
    """The file, with every error about what it holds as a ValueError that names the path."""
    path = check.path(path)
    check.file_or_nothing(path)  # a pipe would be waited for
    with open(path, "rb") as file:
        try:
            archive = Archive(file)
            yield archive
            archive.require_read()
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        except DAMAGE as error:
            raise ValueError(
                f"{path}: expected a whole file that fastsoftmax saved, got a damaged "
                f"or another one ({error})"
            ) from error
        except OSError as error:
            if error.errno != errno.EINVAL:  # of a place that the damaged file points to
                raise
            raise ValueError(f"{path}: expected a whole file ({error})") from error


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("expected each key once in an object of the JSON document")
    return table


def _read_array(stream: BinaryIO, name: str, size: int) -> NDArray:
    start = stream.read(len(MAGIC) + 2)
    length = int.from_bytes(start[-2:], "little")
    header = HEADER.fullmatch(stream.read(length))
    if start[: len(MAGIC)] != MAGIC or header is None:
        raise ValueError(f"{name}: expected the npy header of a plain array, version 1.0")
    dtype = check.plain_dtype(header[1].decode(), name)
    shape = tuple(int(n) for n in header[3].split(b",") if n.strip())
    count = math.prod(shape)
    if len(start) + length + count * dtype.itemsize != size:
        raise ValueError(
            f"{name}: expected {count} numbers of {dtype.itemsize} bytes for shape {shape}, got "
            f"{size - len(start) - length} bytes"
        )
    in_memory = shape[::-1] if header[2] == b"True" else shape
    array = np.empty(in_memory, dtype)
    _fill(memoryview(array.reshape(-1).view(np.uint8)) if array.nbytes else memoryview(b""), stream)
    check.contents(array, name)
    return array.T if header[2] == b"True" else array


def _fill(memory: memoryview, stream: BinaryIO) -> None:
    for start in range(0, len(memory), PIECE):
        piece = memory[start : start + PIECE]
        piece[:] = _exactly(stream, len(piece))
    stream.read(1)  # at the end the checksum is looked at


def _exactly(stream: BinaryIO, count: int) -> bytes:
    read = stream.read(count)
    if len(read) != count:
        raise EOFError(f"{count - len(read)} bytes are missing")
    return read
