"""Columns of Parquet files whose numbers lie there as they do in memory: read without a decoder.

A column has pages in each row group, one behind another, each with a header in Thrift's compact
protocol. Where a page is neither encoded nor compressed, and nothing in it is missing, its numbers
are its last bytes; before them are levels, which tell where lists begin. Of lists of one length
these tell nothing new, yet a decoder goes through them number by number.
"""

import os
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastsoftmax._runtime.buffers import Buffers
from fastsoftmax._runtime.mapped import MappedFile

PLAIN = 0  # of Parquet's encodings
SIZES = {"FLOAT": 4, "DOUBLE": 8, "INT32": 4, "INT64": 8}  # bytes, of the types of one size


class PlainNumbers:
    """Rows of numbers in a row group, which may be stored as they are.

    Parameters
    ----------
    file : MappedFile
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
        file: MappedFile,
        pages: tuple[int, int],
        levels: int,
        width: int,
        shape: tuple[int, int],
        dtype: np.dtype,
        buffers: Buffers,
    ) -> None:
        self._file, self._pages, self._levels, self._width = file, pages, levels, width
        self._shape, self._dtype, self._buffers = shape, dtype, buffers
        self._size = shape[0] * shape[1] * dtype.itemsize

    def read(self) -> NDArray | None:
        """The numbers; None where they are encoded, or some are missing."""
        if not self._places:
            return None
        data, end = self._file.read(), sum(self._places[-1])
        if data.size() < end:  # whose pages would be missing
            raise OSError(f"{self._file.path}: expected the file as it was, got a shorter one")
        memory, at = self._buffers.empty(self._size), 0
        for begin, size in self._places:
            memory[at : at + size] = np.frombuffer(data, np.uint8, size, begin)
            at += size
        return memory.view(self._dtype).reshape(self._shape)

    @cached_property
    def _places(self) -> list[tuple[int, int]]:
        """Where the numbers of each page begin, and their bytes; nowhere if they are not plain."""
        try:
            places = list(self._of_pages(self._file.read()))
        except (KeyError, IndexError):  # no page that is known here
            return []
        return places if sum(size for _, size in places) == self._size else []

    def _of_pages(self, data: Any) -> Iterator[tuple[int, int]]:
        at, last = self._pages
        while at < last:
            head, begin = struct(data, at)
            size, count, encoding, levels = of_header(head)
            at = begin + max(size, 0)  # onwards, whatever a broken file says
            for _ in range(self._levels if levels is None else 0):  # each begins with its length
                begin += 4 + int.from_bytes(data[begin : begin + 4], "little")
            begin += levels or 0
            if encoding == PLAIN and at - begin == count * self._width:
                yield begin, at - begin


def of_header(head: dict[int, Any]) -> tuple[int, int, int, int | None]:
    """Bytes of a page, its values, their encoding, and the bytes of levels, if it has them.

    The numbers are those of the fields in Parquet's definition of headers, of which there are two.
    """
    if 5 in head:
        return head[3], head[5][1], head[5][2], None
    page = head[8]
    return head[3], page[1], page[4], page[5] + page[6]


def struct(data: Any, at: int) -> tuple[dict[int, Any], int]:
    """The fields of one of Thrift's structs, by their numbers, and where it ends."""
    found, number = {}, 0
    while kind := data[at]:
        at, step = at + 1, kind >> 4
        if step:
            number += step
        else:
            number, at = signed(data, at)
        found[number], at = READ[kind & 15](data, at)
    return found, at + 1


def unsigned(data: Any, at: int) -> tuple[int, int]:
    """An integer in groups of seven bits."""
    value = shift = 0
    while (byte := data[at]) > 127:
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
    return value | byte << shift, at + 1


def signed(data: Any, at: int) -> tuple[int, int]:
    """An integer whose lowest bit is its sign."""
    value, at = unsigned(data, at)
    return (value >> 1) ^ -(value & 1), at


def skipped(data: Any, at: int) -> tuple[None, int]:
    """Bytes, of which the length comes first."""
    size, at = unsigned(data, at)
    return None, at + size


READ: dict[int, Callable[[Any, int], tuple[Any, int]]] = {
    1: lambda data, at: (True, at),
    2: lambda data, at: (False, at),
    5: signed,
    6: signed,
    8: skipped,
    12: struct,
}


def plain_numbers(
    file: Any, data: MappedFile, group: int, name: str, dtype: DTypeLike, buffers: Buffers
) -> PlainNumbers | None:
    """The numbers of a column of a ParquetFile in a row group; None if they have to be decoded.

    They are of lists of one length, or the bytes of rows, whose numbers are of this dtype.
    """
    field, rows = file.schema_arrow.get_field_index(name), file.metadata.row_group(group)
    leaves = [rows.column(i).path_in_schema for i in range(rows.num_columns)]
    ours = [i for i, leaf in enumerate(leaves) if leaf == name or leaf.startswith(f"{name}.")]
    if field < 0 or len(ours) != 1 or not os.path.isfile(data.path):
        return None
    chunk, leaf = rows.column(ours[0]), file.schema.column(ours[0])
    width = SIZES.get(leaf.physical_type, leaf.length)
    of_rows = numbers_of(file.schema_arrow.field(field).type, width, dtype)
    if of_rows is None or chunk.compression != "UNCOMPRESSED" or chunk.has_dictionary_page:
        return None
    pages = chunk.data_page_offset, chunk.data_page_offset + chunk.total_compressed_size
    levels = bool(leaf.max_repetition_level) + bool(leaf.max_definition_level)
    shape = rows.num_rows, of_rows[0]
    return PlainNumbers(data, pages, levels, width, shape, of_rows[1], buffers)


def numbers_of(kind: Any, width: int, dtype: DTypeLike) -> tuple[int, np.dtype] | None:
    """The numbers of each row, and their dtype, if those of Arrow's are as many bytes."""
    import pyarrow as pa

    if pa.types.is_fixed_size_binary(kind) and dtype is not None:
        number = np.dtype(dtype)
        return None if width % number.itemsize else (width // number.itemsize, number)
    if not pa.types.is_fixed_size_list(kind):
        return None
    value = kind.value_type
    if not (pa.types.is_floating(value) or pa.types.is_integer(value)):
        return None
    number = np.dtype(value.to_pandas_dtype())
    return (kind.list_size, number) if number.itemsize == width else None
