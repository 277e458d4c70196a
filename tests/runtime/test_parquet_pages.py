"""Numbers of Parquet files that are read as they lie there: those that pyarrow decodes."""

import os
import pickle
import time
import tracemalloc

import numpy as np
import pytest

from fastsoftmax import Blocks, Partitions
from fastsoftmax._runtime.buffers import Buffers
from fastsoftmax._runtime.parquet_pages import PlainNumbers, plain_numbers

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

PLAIN = {"compression": "none", "use_dictionary": False}
SMALL = {"data_page_size": 512, "write_batch_size": 16}  # of which a row group has several
N, D = 300, 12


def numbers(dtype):
    rng = np.random.default_rng(0)
    if np.dtype(dtype).kind in "iu":
        return rng.integers(0, 100, (N, D)).astype(dtype)
    X = rng.normal(size=(N, D))
    X[5, 3], X[6, 4] = np.nan, np.inf
    return X.astype(dtype)


def lists(X, nullable=True):
    value = pa.array(X.ravel())
    field = pa.field("element", value.type, nullable=nullable)
    return pa.FixedSizeListArray.from_arrays(value, type=pa.list_(field, X.shape[1]))


def rows_of_bytes(X):
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(X.strides[0]), len(X), [None, pa.py_buffer(X)]
    )


def written(path, column, nullable=True, **how):
    """A file of labels and a column of features, in three row groups."""
    field = pa.field("x", column.type, nullable=nullable)
    table = pa.table(
        [pa.array(np.arange(N)), column], pa.schema([pa.field("y", pa.int64()), field])
    )
    pq.write_table(table, path, **({"row_group_size": 123} | how))
    return path


def read_plainly(path, dtype=None):
    """The numbers of each row group that are found without a decoder, or None."""
    file = pq.ParquetFile(path)
    plain = [
        plain_numbers(file, path, group, "x", dtype, Buffers())
        for group in range(file.num_row_groups)
    ]
    return [each and each.read() for each in plain]


def same(found, X):
    assert found.dtype == X.dtype and found.flags.aligned
    assert found.tobytes() == X.tobytes()


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4", "u4", "i8", "u8"])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"nullable": False},
        {"data_page_version": "2.0"},
        {"write_statistics": False, **SMALL},
        {"write_page_checksum": True, "data_page_version": "2.0", **SMALL},
        {"write_page_index": True, "store_schema": True, **SMALL},
    ],
)
@pytest.mark.parametrize("layout", ["lists", "bytes"])
def test_plain_pages(dtype, how, layout, tmp_path):
    X, how = numbers(dtype), dict(how)
    nullable = how.get("nullable", True)
    column = lists(X, nullable) if layout == "lists" else rows_of_bytes(X)
    path = written(tmp_path / "rows.parquet", column, **PLAIN, **how)
    given = dtype if layout == "bytes" else None
    found = read_plainly(path, given)
    assert [len(each) for each in found] == [123, 123, 54]
    same(np.concatenate(found), X)
    for kind in (Blocks, Partitions):
        source = pickle.loads(pickle.dumps(kind.from_parquet(path, "x", "y", dtype=given)))
        for _ in range(2):
            parts = list(source)
            same(np.concatenate([part[0] for part in parts]), X)
            assert np.concatenate([part[1] for part in parts]).tolist() == list(range(N))


def test_labels_are_read_once(tmp_path, monkeypatch):
    path = written(tmp_path / "rows.parquet", lists(numbers("f4")), **PLAIN)
    blocks = Blocks.from_parquet(path, "x", "y")
    packed = len(pickle.dumps(blocks))
    first = list(blocks)
    monkeypatch.setattr(pq, "ParquetFile", None)  # which finds labels
    for (X, y), (X_again, y_again) in zip(first, blocks, strict=True):
        same(X_again, X)
        assert y_again.tolist() == y.tolist()
    assert len(pickle.dumps(blocks)) < packed + 500  # places of pages, and no labels


def some_missing(X):
    column = lists(X).to_pylist()
    column[7][2] = None
    return pa.array(column, lists(X).type)


@pytest.mark.parametrize(
    ("column", "how"),
    [
        (lists, PLAIN | {"compression": "snappy"}),
        (lists, PLAIN | {"compression": "snappy", "data_page_version": "2.0"}),
        (lists, PLAIN | {"use_dictionary": True}),
        (rows_of_bytes, PLAIN | {"use_dictionary": True}),
        (lists, PLAIN | {"column_encoding": {"x.list.element": "BYTE_STREAM_SPLIT"}}),
        (lists, PLAIN | {"column_encoding": "BYTE_STREAM_SPLIT", "data_page_version": "2.0"}),
    ],
)
def test_pages_that_are_decoded(column, how, tmp_path):
    X = numbers("f4")
    path = written(tmp_path / "rows.parquet", column(X), **how)
    assert read_plainly(path, "f4") == [None] * 3
    blocks = Blocks.from_parquet(path, "x", "y", dtype="f4")
    same(np.concatenate([X for X, _ in blocks]), X)


def test_numbers_that_parquet_widens(tmp_path):
    X = numbers("i1")
    path = written(tmp_path / "rows.parquet", lists(X), **PLAIN)
    assert read_plainly(path) == [None] * 3
    same(np.concatenate([X for X, _ in Blocks.from_parquet(path, "x", "y")]), X)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_missing_numbers(version, tmp_path):
    path = written(
        tmp_path / "rows.parquet", some_missing(numbers("f4")), data_page_version=version, **PLAIN
    )
    first, *others = read_plainly(path)
    assert first is None and [len(each) for each in others] == [123, 54]
    with pytest.raises(ValueError, match="x: expected numbers, got 1 nulls"):
        list(Blocks.from_parquet(path, "x", "y"))


def test_names_that_are_not_told_apart(tmp_path):
    """A dot may be in a name, or lead to the values of lists."""
    X = numbers("f4")
    table = pa.table({"x": lists(X), "x.list.element": lists(X + 1), "y": np.arange(N)})
    path = tmp_path / "rows.parquet"
    pq.write_table(table, path, **PLAIN)
    for name, expected in (("x", X), ("x.list.element", X + 1)):
        [(found, _)] = Blocks.from_parquet(path, name, "y")
        same(found, expected)


def test_a_file_that_was_cut(tmp_path):
    path = written(tmp_path / "rows.parquet", lists(numbers("f4")), **PLAIN)
    [first, *_] = Partitions.from_parquet(path, "x", "y").loaders
    first()
    os.truncate(path, 3000)
    with pytest.raises(OSError, match="expected the file as it was, got a shorter one"):
        first()


def test_a_file_that_was_cut_before_it_was_read(tmp_path):
    path = written(tmp_path / "rows.parquet", lists(numbers("f4")), **PLAIN)
    [first, *_] = Partitions.from_parquet(path, "x", "y").loaders
    for size in (3000, 0):
        os.truncate(path, size)
        with pytest.raises(pa.ArrowInvalid):
            first()


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("column", [lists, rows_of_bytes])
def test_changed_headers(column, version, tmp_path):
    """Whatever bit of a page's header is another: its numbers, or none."""
    X = numbers("f4")[:20]
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"x": column(X)}), path, data_page_version=version, **PLAIN)
    plain = plain_numbers(pq.ParquetFile(path), path, 0, "x", "f4", Buffers())
    whole = path.read_bytes()
    begin, end = plain._pages[0], whole.index(X.tobytes())
    with open(path, "r+b", buffering=0) as file:
        for at in range(begin, end):
            for bit in range(8):
                file.seek(at)
                file.write(bytes([whole[at] ^ 1 << bit]))
                plain._places = None
                found = plain.read()
                assert found is None or found.tobytes() == X.tobytes()
            file.seek(at)
            file.write(whole[at : at + 1])
    same(plain.read(), X)


def varint(value, signed=True):
    """As Thrift's compact protocol has integers."""
    value = (value << 1) ^ (value >> 63) if signed else value
    groups = [value >> shift & 127 for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes(group | 128 for group in groups[:-1]) + bytes(groups[-1:])


def page(size, count, levels=None):
    """A header of a page of plain numbers, of the first version or of the second."""
    head = b"\x15" + varint(0 if levels is None else 3) + (b"\x15" + varint(size)) * 2
    if levels is None:
        return head + b"\x2c\x15" + varint(count) + b"\x15" + varint(0) + b"\0\0"
    own = [count, 0, count, 0, levels, 0]
    return head + b"\x5c" + b"".join(b"\x15" + varint(each) for each in own) + b"\0\0"


NUMBERS = np.arange(6, dtype="f4")
RIGHT = page(24, 6) + NUMBERS.tobytes()
FAR = page(1 << 40, 1 << 38)
# bytes of a file, where its pages are, and the numbers that it is to have
HOSTILE = {
    "more than the file": (FAR + bytes(24), (0, len(FAR) + (1 << 40)), 1 << 38),
    "one number more than the file": (page(28, 7) + bytes(24), (0, len(RIGHT) + 4), 7),
    "more than the column": (RIGHT, (0, len(RIGHT) - 4), 6),
    "fewer than none, and more": (
        page(24, 6) + bytes(24) + page(-20, -5) + page(20, 5) + bytes(20), (0, 200), 6
    ),
    "levels before the header": (page(12, 6, -12) + bytes(24), (0, 40), 6),
    "no numbers, without end": (page(0, 0) * 1000, (0, len(page(0, 0)) * 1000), 6),
    "an integer without end": (b"\x15" + b"\xff" * 1_000_000, (0, 1_000_001), 6),
    "structs without end": (b"\x1c" * 1_000_000, (0, 1_000_000), 6),
    "flags without end": (b"\x11" * 1_000_000, (0, 1_000_000), 6),
    "bytes beyond the file": (b"\x18" + varint(1 << 70, False), (0, 12), 6),
    "a flag for a struct": (b"\x15\0\x25\x30\x21\0" + bytes(24), (0, 30), 6),
    "a list for a size": (b"\x15\0\x29\0\0" + bytes(24), (0, 30), 6),
    "before the file": (RIGHT, (-5, len(RIGHT)), 6),
    "behind the file": (RIGHT, (1 << 62, 1 << 63), 6),
    "nothing": (b"", (0, 36), 6),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pages(name, tmp_path):
    """Soon, and without memory for what is not there."""
    data, pages, count = HOSTILE[name]
    path = tmp_path / "pages"
    path.write_bytes(data)
    plain = PlainNumbers(path, pages, 0, 4, (count, 1), NUMBERS.dtype, Buffers())
    tracemalloc.start()
    try:
        start = time.process_time()
        assert plain.read() is None
        assert time.process_time() - start < 0.5
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_right_pages(tmp_path):
    """Those above are refused for what they say."""
    path = tmp_path / "pages"
    for data in (RIGHT, page(8, 2) + RIGHT[-24:-16] + page(16, 4, 0) + RIGHT[-16:]):
        path.write_bytes(data)
        plain = PlainNumbers(path, (0, len(data)), 0, 4, (6, 1), NUMBERS.dtype, Buffers())
        same(plain.read(), NUMBERS[:, None])


def test_memory_is_used_again_when_no_array_is_in_it(tmp_path):
    X = numbers("f4")
    path = written(tmp_path / "rows.parquet", lists(X), **PLAIN)
    blocks = Blocks.from_parquet(path, "x", "y")
    held = [X for X, _ in blocks]
    again = [X[3:] for X, _ in blocks]  # views keep it, too
    same(np.concatenate(held), X)
    for i, found in enumerate(again):
        same(found, X[123 * i : 123 * (i + 1)][3:])
    del held, again
    places = []
    for _ in range(5):
        for found, _ in blocks:
            places.append(found.ctypes.data)
    assert len(set(places)) <= 3
