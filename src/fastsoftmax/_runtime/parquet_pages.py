"""Columns of Parquet files whose numbers lie there as they do in memory: read without a decoder.

A column has pages in each row group, one behind another, each with a header in Thrift's compact
protocol. Where a page is neither encoded nor compressed, and nothing in it is missing, its numbers
are its last bytes; before them are levels, which tell where lists begin. Of lists of one length
these tell nothing new, yet a decoder goes through them number by number.

Whatever a file says, each page lies within its column and in the file, or pyarrow reads the column.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastsoftmax._runtime.buffers import Buffers

PLAIN = 0  # of Parquet's encodings
STRUCT = 12  # of Thrift's types
FIELDS = {0: 5, 3: 8}  # of a header: that of each type of pages of numbers, of which there are two
HEADER = 1 << 14  # bytes that a page's header has at most: its statistics are of two values
SIZES = {"FLOAT": 4, "DOUBLE": 8, "INT32": 4, "INT64": 8}  # bytes, of the types of one size


class PlainNumbers:
    """Rows of numbers in a row group, which may be stored as they are.

    Parameters
    ----------
    path : str or PathLike
    pages : (int, int)
        Bytes of the file from the first page to the end of the last.
    levels : int
        Kinds of levels that pages begin with.
    width : int
        Bytes of what Parquet takes for a value: a number, or the bytes of a row.
    shape : (n, d)
    dtype : dtype
    buffers : Buffers
    """

    def __init__(
        self,
        path: Any,
        pages: tuple[int, int],
        levels: int,
        width: int,
        shape: tuple[int, int],
        dtype: np.dtype,
        buffers: Buffers,
    ) -> None:
        self._path, self._pages, self._levels, self._width = path, pages, levels, width
        self._shape, self._dtype, self._buffers = shape, dtype, buffers
        self._size = shape[0] * shape[1] * dtype.itemsize
        self._places: list[tuple[int, int]] | None = None

    def read(self) -> NDArray | None:
        """The numbers; None where they are encoded, or some are missing."""
        with open(self._path, "rb") as file:
            if self._places is None:
                self._places = self._found(file)
            if not self._places:
                return None
            memory = self._buffers.empty(self._size)
            rest = memoryview(memory)
            for begin, size in self._places:
                file.seek(begin)
                if file.readinto(rest[:size]) < size:
                    raise OSError(f"{self._path}: expected the file as it was, got a shorter one")
                rest = rest[size:]
        return memory.view(self._dtype).reshape(self._shape)

    def _found(self, file: BinaryIO) -> list[tuple[int, int]]:
        """Where the numbers of each page begin, and their bytes; nowhere if they are not plain."""
        try:
            places = list(self._of_pages(file))
        except (LookupError, TypeError):  # a page that is not known here
            return []
        return places if sum(size for _, size in places) == self._size else []

    def _of_pages(self, file: BinaryIO) -> Iterator[tuple[int, int]]:
        at, end = self._pages
        end = min(end, os.fstat(file.fileno()).st_size)
        while 0 <= at < end:
            head, length = struct(bytes_at(file, at, HEADER), 0)
            size, count, encoding, levels = of_header(head)
            first = begin = at + length
            at = begin + size
            for _ in range(self._levels if levels is None else 0):  # each begins with its length
                begin += 4 + int.from_bytes(bytes_at(file, begin, 4), "little")
            begin += levels or 0
            is_whole = first <= begin < at <= end and at - begin == count * self._width
            if encoding != PLAIN or not is_whole:
                raise LookupError
            yield begin, at - begin


def bytes_at(file: BinaryIO, at: int, size: int) -> bytes:
    """At most so many from there on. (Reading a map of a file ends the process if that is cut.)"""
    file.seek(at)
    return file.read(size)


def of_header(head: dict[int, Any]) -> tuple[int, int, int, int | None]:
    """Bytes of a page, its values, their encoding, and the bytes of levels, if it has them.

    The numbers are those of the fields in Parquet's definition of headers.
    """
    page = head[FIELDS[head[1]]]
    if head[1] == 0:
        return head[3], page[1], page[2], None
    return head[3], page[1], page[4], page[5] + page[6]


def struct(data: bytes, at: int, depth: int = 2) -> tuple[dict[int, Any], int]:
    """The fields of one of Thrift's structs, by their numbers, and where it ends.

    In it are others, as deep as in a page's header.
    """
    found: dict[int, Any] = {}
    number = 0
    while kind := data[at]:
        at, step = at + 1, kind >> 4
        if step:
            number += step
        else:
            number, at = signed(data, at)
        if kind & 15 == STRUCT and depth:
            found[number], at = struct(data, at, depth - 1)
        else:
            found[number], at = READ[kind & 15](data, at)
    return found, at + 1


def unsigned(data: bytes, at: int) -> tuple[int, int]:
    """An integer in groups of seven bits."""
    value = shift = 0
    while (byte := data[at]) > 127:
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
    return value | byte << shift, at + 1


def signed(data: bytes, at: int) -> tuple[int, int]:
    """An integer whose lowest bit is its sign."""
    value, at = unsigned(data, at)
    return (value >> 1) ^ -(value & 1), at


def skipped(data: bytes, at: int) -> tuple[None, int]:
    """Bytes, of which the length comes first."""
    size, at = unsigned(data, at)
    return None, at + size


READ: dict[int, Callable[[bytes, int], tuple[Any, int]]] = {
    1: lambda data, at: (True, at),
    2: lambda data, at: (False, at),
    5: signed,
    6: signed,
    8: skipped,
}


def plain_numbers(
    file: Any, path: Any, group: int, name: str, dtype: DTypeLike, buffers: Buffers
) -> PlainNumbers | None:
    """The numbers of a column of a ParquetFile in a row group; None if they have to be decoded.

    They are of lists of one length, or the bytes of rows, whose numbers are of this dtype.
    """
    field, rows = file.schema_arrow.get_field_index(name), file.metadata.row_group(group)
    leaves = [rows.column(i).path_in_schema for i in range(rows.num_columns)]
    ours = [i for i, leaf in enumerate(leaves) if leaf == name or leaf.startswith(f"{name}.")]
    if field < 0 or len(ours) != 1 or not os.path.isfile(path):
        return None
    chunk, leaf = rows.column(ours[0]), file.schema.column(ours[0])
    width = SIZES.get(leaf.physical_type, leaf.length)
    of_rows = numbers_of(file.schema_arrow.field(field).type, width, dtype)
    if of_rows is None or chunk.compression != "UNCOMPRESSED" or chunk.has_dictionary_page:
        return None
    pages = chunk.data_page_offset, chunk.data_page_offset + chunk.total_compressed_size
    levels = bool(leaf.max_repetition_level) + bool(leaf.max_definition_level)
    shape = rows.num_rows, of_rows[0]
    return PlainNumbers(path, pages, levels, width, shape, of_rows[1], buffers)


def numbers_of(kind: Any, width: int, dtype: DTypeLike) -> tuple[int, np.dtype] | None:
    """The numbers of each row, and their dtype, if those of Arrow's are as many bytes."""
    import pyarrow as pa

    if pa.types.is_fixed_size_binary(kind) and dtype is not None:
        number = np.dtype(dtype)
        if not number.itemsize or width % number.itemsize:
            return None
        return width // number.itemsize, number
    if not pa.types.is_fixed_size_list(kind):
        return None
    value = kind.value_type
    if not (pa.types.is_floating(value) or pa.types.is_integer(value)):
        return None
    number = np.dtype(value.to_pandas_dtype())
    return (kind.list_size, number) if number.itemsize == width else None
