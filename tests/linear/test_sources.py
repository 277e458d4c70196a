"""Blocks and Partitions of files and of Arrow's tables: what they hold, and nothing else."""

import errno
import os
import pickle
import re
import sys
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from support.processes import run

import fastsoftmax
from fastsoftmax import Blocks, Partitions, SoftmaxRegression
from fastsoftmax._runtime.copies import Copies
from fastsoftmax.datasets import load_digits

X, Y = load_digits()
X = X.astype(np.float16)
W = np.random.default_rng(0).random(len(Y))
NAMES = np.array([f"digit {i}" for i in range(10)])[Y]
ENDS = [0, 700, 700, 1797]
KINDS = [Blocks, Partitions]


def parts(source):
    """All parts, in order."""
    return list(source) if isinstance(source, Blocks) else [load() for load in source.loaders]


def whole(source):
    arrays = [np.concatenate(part) for part in zip(*parts(source), strict=True)]
    assert arrays[0].dtype == np.float16
    np.testing.assert_array_equal(arrays[0], X)
    return arrays


@pytest.fixture
def shards(tmp_path):
    """Files of X, y and weights, one of them empty."""
    paths = {name: [] for name in "XyW"}
    for i, (a, b) in enumerate(pairwise(ENDS)):
        for name, array in (("X", X), ("y", Y), ("W", W)):
            paths[name].append(tmp_path / f"{name}{i}.npy")
            np.save(paths[name][-1], array[a:b])
    return paths


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [None, 250])
def test_shards(kind, rows, shards):
    source = kind.from_npy(shards["X"], shards["y"], shards["W"], rows=rows)
    _, y, w = whole(source)
    assert np.array_equal(y, Y) and np.array_equal(w, W)
    assert max(len(part[0]) for part in parts(source)) == (rows or 1097)
    assert all(isinstance(part[0], np.memmap) for part in parts(source))
    _, y = whole(kind.from_npy(shards["X"], NAMES, rows=rows))
    assert np.array_equal(y, NAMES)
    model = fastsoftmax.fit(source, C=0.01, tol=1e-9)
    here = fastsoftmax.fit(X, Y, sample_weight=W, C=0.01, tol=1e-9)
    assert model.objective_ == pytest.approx(here.objective_, rel=2e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_one_file(kind, shards):
    source = kind.from_npy(shards["X"][0], shards["y"][0])
    [(x, y)] = parts(source)
    assert np.array_equal(x, X[:700]) and np.array_equal(y, Y[:700])


@pytest.fixture
def table():
    pa = pytest.importorskip("pyarrow")
    columns = {
        "x": pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), X.shape[1]),
        "y": pa.array(NAMES.tolist()),
        "w": pa.array(W),
        "bytes": pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(2 * X.shape[1]), len(X), [None, pa.py_buffer(np.ascontiguousarray(X))]
        ),
        "f0": pa.array(X[:, 3]),
        "f1": pa.array(X[:, 20]),
        "ragged": pa.array([[1.0]] * len(Y)),
        "gaps": pa.array([None, *X[1:, 3].tolist()]),
    }
    return pa.table(columns)


def written(table, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    paths = []
    for i, (a, b) in enumerate(pairwise(ENDS)):
        paths.append(tmp_path / f"{i}.parquet")
        parquet.write_table(table.slice(a, b - a), paths[-1], row_group_size=400)
    return paths


@pytest.mark.parametrize("kind", KINDS)
def test_parquet(kind, table, tmp_path):
    paths = written(table, tmp_path)
    source = kind.from_parquet(paths, "x", "y", "w")
    _, y, w = whole(source)
    assert y.tolist() == NAMES.tolist() and np.array_equal(w, W)
    assert max(len(part[0]) for part in parts(source)) == 400
    model = SoftmaxRegression(C=0.01, tol=1e-9).fit(source)
    here = SoftmaxRegression(C=0.01, tol=1e-9).fit(X, NAMES, W)
    assert model.objective_ == pytest.approx(here.objective_, rel=2e-9)
    features = np.concatenate([x for x, _ in parts(kind.from_parquet(paths, ["f0", "f1"], "y"))])
    np.testing.assert_array_equal(features, X[:, [3, 20]])
    whole(kind.from_parquet(paths, "bytes", "y", dtype="float16"))


def test_cache(table, tmp_path, monkeypatch):
    """Files are decoded once; what was decoded is in a file without a name."""
    paths, folder = written(table, tmp_path), tmp_path / "cache"
    folder.mkdir()
    source = Blocks.from_parquet(paths, "x", "y", "w").cached(folder)
    next(iter(source))  # not to the end
    first = whole(source)
    for path in paths:
        path.unlink()
    for a, b in zip(first, whole(source), strict=True):
        np.testing.assert_array_equal(a, b)
    model = SoftmaxRegression(C=0.01).fit(source)
    assert model.objective_ == SoftmaxRegression(C=0.01).fit(Blocks(parts(source))).objective_
    assert not list(folder.iterdir())
    source = Blocks([(X, Y)]).cached(os.path.relpath(folder))
    monkeypatch.chdir(tmp_path)
    whole(source)
    whole(source)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Blocks([(X, Y)]).cached(tmp_path / "nowhere")
    with pytest.raises(
        TypeError, match="cached: expected blocks whose X is a NumPy array, got a list"
    ):
        list(Blocks([([[1.0]], [0])]).cached(folder))


def test_cached_blocks_are_pickled_without_their_copies(tmp_path, shards):
    made = SoftmaxRegression(tol=1e-10).fit(Blocks.from_npy(shards["X"], shards["y"]))
    blocks = Blocks.from_npy(shards["X"], shards["y"]).cached(tmp_path)
    SoftmaxRegression().fit(blocks)
    other = pickle.loads(pickle.dumps(blocks))
    del blocks  # with its file
    np.testing.assert_array_equal(SoftmaxRegression(tol=1e-10).fit(other).coef_, made.coef_)
    for folder in (None, 5):
        with pytest.raises(TypeError, match=f"folder: expected a path, got {folder}"):
            other.cached(folder)


@pytest.mark.parametrize("dtype", ["uint8", "float16", "bfloat16", "float64"])
def test_copies_are_as_the_blocks_were(tmp_path, dtype):
    """Type, shape, order of memory and weights, also of a block without rows."""
    dtype = pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else dtype
    digits = X.astype(dtype)
    given = [
        (digits[:3], Y[:3]),
        (np.asfortranarray(digits[3:700]), Y[3:700], W[3:700]),
        (digits[:0], Y[:0]),
        (digits[700::2, ::3], Y[700::2]),
    ]
    copies = Copies(given, tmp_path)
    for read in (list(copies()), list(copies())):
        assert len(read) == len(given)
        for block, copy in zip(given, read, strict=True):
            assert copy[0].dtype == block[0].dtype
            assert copy[0].flags.f_contiguous >= block[0].flags.f_contiguous
            for one, other in zip(block, copy, strict=True):
                np.testing.assert_array_equal(one, other)
    assert not read[0][0].flags.writeable
    assert [len(X) for X, _ in Copies([(digits[:0], Y[:0])] * 2, tmp_path)()] == [0, 0]


def open_files():
    return {os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()}


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_nothing_of_copies_is_left(tmp_path):
    """The file goes with the last array in it, and with a reading that was given up or failed."""

    def failing():
        yield X, Y
        raise ValueError("no more")

    before = open_files()
    source = Copies([(X, Y), (X, Y)], tmp_path)
    next(reading := source())
    assert len(open_files() - before) == 1
    del reading
    assert open_files() == before
    with pytest.raises(ValueError, match="no more"):
        list(Copies(failing(), tmp_path)())
    assert open_files() == before
    list(source())
    copy, _ = next(source())
    del source
    np.testing.assert_array_equal(copy, X)
    del copy
    assert open_files() == before and not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_reads_copies_of_its_parent(tmp_path):
    code = f"""
import os
import numpy as np
from fastsoftmax import Blocks
blocks = Blocks([(np.eye(4), np.arange(4))]).cached({str(tmp_path)!r})
[_] = blocks
if child := os.fork():
    os.waitpid(child, 0)
[(X, _)] = blocks
assert (X == np.eye(4)).all()
print("read", flush=True)
"""
    result = run(code)
    assert result.stdout.split() == ["read", "read"], result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="needs limits of files")
def test_a_full_disk_is_named(tmp_path):
    result = run(f"""
import resource
import numpy as np
from fastsoftmax import Blocks
blocks = Blocks([(np.ones((1000, 100)), np.arange(1000) % 3)] * 3).cached({str(tmp_path)!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, -1))
try:
    list(blocks)
except OSError as error:
    print(error.errno, error.filename)
""")
    assert result.stdout.split() == [str(errno.EFBIG), str(tmp_path)], result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="needs limits of memory")
@pytest.mark.parametrize(
    ("place", "call"),
    [("", "for _ in Blocks(blocks).cached(folder): pass"), ("/X.npy", "Blocks.from_npy(path, y)")],
)
def test_a_file_for_which_no_memory_is_left_is_a_memory_error(tmp_path, place, call):
    """Blocks of 16 MB each, and a file of 8 GB that takes no room on the disk."""
    result = run(f"""
import resource
import numpy as np
from fastsoftmax import Blocks
folder, path, y = {str(tmp_path)!r}, {str(tmp_path / "X.npy")!r}, np.zeros(1 << 20)
def blocks():
    for _ in range(6):
        yield np.zeros((1000, 2000)), y[:1000]
with open(path, "wb") as file:
    header = {{"descr": "<f8", "fortran_order": False, "shape": (1 << 20, 1024)}}
    np.lib.format.write_array_header_1_0(file, header)
    file.truncate(file.tell() + (8 << 30))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), -1))
try:
    {call}
except MemoryError as error:
    print(error)
""")
    expected = f"{tmp_path}{place}: no memory was left to map a file there\n"
    assert result.stdout == expected, result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="a folder of Linux")
def test_the_folder_of_copies_is_named_where_they_cannot_be_made():
    with pytest.raises(OSError, match=r"'/proc'") as raised:
        list(Blocks([(X, Y)]).cached("/proc"))
    assert raised.value.filename == "/proc"


def test_no_interrupt_is_lost_while_copies_are_deleted(tmp_path):
    """A signal is handled by the next instruction of Python, and none is run for the file."""
    seen = []
    source = Copies([(X, Y)], tmp_path)
    list(source())
    before = sys.gettrace()
    sys.settrace(lambda frame, event, arg: seen.append(frame.f_code.co_name))
    del source
    sys.settrace(before)
    assert not seen


def test_tables_of_arrow_are_parts_by_the_names_of_their_columns():
    pa = pytest.importorskip("pyarrow")
    pandas, names = pytest.importorskip("pandas"), [f"pixel {j}" for j in range(64)]

    def loads(kind=list):
        for begin, end in pairwise(ENDS):
            part = pa.table(list(X[begin:end].astype(float).T), kind(names))
            yield lambda part=part, y=Y[begin:end]: (part, y)

    factors = pandas.Series(1.0 + np.arange(64) % 3, names)
    params = {"C": 0.01, "tol": 1e-9}
    for at_once in (Blocks([load() for load in loads()]), Partitions(list(loads()))):
        model = SoftmaxRegression(**params, penalty_factor=factors[::-1]).fit(at_once)
        here = SoftmaxRegression(**params, penalty_factor=factors.to_numpy()).fit(X, Y)
        assert model.objective_ == pytest.approx(here.objective_, rel=2e-9)
        if hasattr(model, "feature_names_in_"):  # where scikit-learn is
            assert model.feature_names_in_.tolist() == names
    first, *_, last = [*loads(), *loads(lambda names: names[::-1])]
    with pytest.raises(ValueError, match=r"X: expected the columns \['pixel 0', .* in this order"):
        SoftmaxRegression().fit(Partitions([first, last]))


def test_without_pyarrow(monkeypatch):
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    for kind in KINDS:
        with pytest.raises(ImportError, match=r"Parquet files need pyarrow.*: pip install pyarrow"):
            kind.from_parquet("rows.parquet", "x", "y")


@pytest.mark.parametrize("tables", [3, {"x": 1}, [np.zeros(3)]])
def test_tables_that_are_none(tables):
    with pytest.raises(TypeError, match="tables: expected a Table, RecordBatch or Dataset"):
        parts(Blocks.from_arrow(tables, "x", "y"))


@pytest.mark.parametrize("kind", KINDS)
def test_arrow(kind, table):
    pa = pytest.importorskip("pyarrow")
    for tables in (table, table.to_batches(max_chunksize=333), [table.slice(0, 5), table.slice(5)]):
        _, y = whole(kind.from_arrow(tables, "x", "y"))
        assert y.tolist() == NAMES.tolist()
    dataset = pytest.importorskip("pyarrow.dataset")
    whole(kind.from_arrow(dataset.InMemoryDataset(table), "x", "y"))
    chunked = pa.concat_tables([table.slice(0, 5), table.slice(5)])
    assert chunked.column("x").num_chunks == 2
    whole(kind.from_arrow(chunked, "x", "y", "w"))
    for tables in (chunked, table.slice(7), table):
        source = kind.from_arrow(tables, "bytes", "y", dtype=np.float16)
        expected = X[len(X) - tables.num_rows :]
        np.testing.assert_array_equal(np.concatenate([x for x, _ in parts(source)]), expected)


@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        (
            "ragged",
            TypeError,
            r"ragged: expected a column of lists of one length",
        ),
        ("f0", TypeError, "f0: expected a column of lists"),
        (["f0", "gaps"], ValueError, "gaps: expected numbers, got 1 nulls"),
    ],
)
def test_columns_that_are_no_features(column, error, message, table):
    with pytest.raises(error, match=message):
        parts(Blocks.from_arrow(table, column, "y"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("change", "got"),
    [
        ({"features": "zz"}, "features: .*; got 'zz'"),
        ({"features": ["f0", "zz", "f1"]}, "features: .*; got 'zz'"),
        ({"label": "Y"}, "label: .*; got 'Y'"),
        ({"weight": "x.list"}, "weight: .*; got 'x.list'"),
    ],
)
def test_columns_that_a_table_has_not(kind, change, got, table, tmp_path):
    """The message names the argument, the file and the columns that there are."""
    paths, columns = written(table, tmp_path), {"features": "x", "label": "y"} | change
    argument, rest = got.split(": ", 1)
    names = "'x', 'y', 'w', 'bytes', 'f0', 'f1', 'ragged', 'gaps'"
    for made, place in (
        (lambda: kind.from_parquet(paths, **columns), re.escape(str(paths[0]))),
        (lambda: kind.from_arrow(table, **columns), "the table"),
    ):
        message = f"{argument}: expected columns of {place}, which has {names}{rest[2:]}"
        with pytest.raises(ValueError, match=message):
            parts(made())


def test_many_columns_are_not_all_named():
    pa = pytest.importorskip("pyarrow")
    table = pa.table({f"f{i}": [0.0] for i in range(30)})
    with pytest.raises(ValueError, match=r"which has 'f0', .*'f19', …; got 'y'"):
        parts(Blocks.from_arrow(table, ["f0"], "y"))


def test_the_second_of_two_files_lacks_a_column(table, tmp_path):
    paths = written(table, tmp_path)
    pytest.importorskip("pyarrow.parquet").write_table(table.drop_columns("w"), paths[2])
    with pytest.raises(ValueError, match=f"weight: expected columns of {re.escape(str(paths[2]))}"):
        Blocks.from_parquet(paths, "x", "y", "w")


@pytest.mark.parametrize(("dtype", "named"), [(None, None), ("V3", "|V3"), ("S0", "|S0")])
def test_bytes_of_no_dtype(dtype, named, table, tmp_path):
    message = f"expected that of the numbers in bytes, whose rows have 128 bytes, got {named}"
    paths = written(table, tmp_path)
    for source in (
        lambda: Blocks.from_arrow(table, "bytes", "y", dtype=dtype),
        lambda: Blocks.from_parquet(paths, "bytes", "y", dtype=dtype),
    ):
        with pytest.raises(TypeError, match=re.escape(f"dtype: {message}")):
            parts(source())


def test_bytes_that_are_missing():
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"x": pa.array([b"1234", None], pa.binary(4)), "y": [0, 1]})
    with pytest.raises(ValueError, match="x: expected rows of numbers, got 1 nulls"):
        parts(Blocks.from_arrow(table, "x", "y", dtype=np.float32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": ["y.npy", "y.npy"]}, "y: expected 1 files, one for each of X, got 2"),
        ({"rows": 0}, "rows: expected an integer >= 1, got 0"),
        ({"rows": 1.5}, "rows: expected an integer >= 1, got 1.5"),
        ({"X": "text.npy"}, "text.npy: expected an array in NumPy's format"),
        ({"X": "number.npy"}, "number.npy: expected an array .* got a single number"),
        ({"y": [0, 1, 0]}, r"y: expected 4 rows as X has, got shape \(3,\)"),
        ({"y": [0, 1] * 3}, r"y: expected 4 rows as X has, got shape \(6,\)"),
        ({"sample_weight": 1.0}, r"sample_weight: expected 4 rows as X has, got shape \(\)"),
        ({"X": "archive.npz"}, "archive.npz: expected an array .* got an archive"),
    ],
)
def test_files_that_are_no_shards(tmp_path, monkeypatch, change, message):
    monkeypatch.chdir(tmp_path)
    np.save("X.npy", np.eye(4))
    np.save("y.npy", np.arange(4) % 2)
    np.save("number.npy", 3.0)
    np.savez("archive.npz", X=np.eye(4))
    (tmp_path / "text.npy").write_text("1 2 3")
    with pytest.raises(ValueError, match=message):
        Blocks.from_npy(**({"X": "X.npy", "y": "y.npy"} | change))


def test_files_of_other_lengths(tmp_path):
    np.save(tmp_path / "X.npy", np.eye(4))
    for n in (3, 6):
        np.save(tmp_path / "y.npy", np.arange(n) % 2)
        source = Blocks.from_npy(tmp_path / "X.npy", tmp_path / "y.npy")
        with pytest.raises(ValueError, match=rf"y.npy: expected 4 rows as X has, got shape \({n}"):
            list(source)


@pytest.mark.filterwarnings("error")
def test_changed_headers_of_shards(tmp_path):
    """Whatever bit of a header is another: the numbers that lie behind it, or what is wrong."""
    X, y = np.arange(60, dtype="f4").reshape(20, 3), np.arange(20) % 2
    path = tmp_path / "X.npy"
    np.save(path, X)
    whole = path.read_bytes()
    for at in range(len(whole) - X.nbytes):
        for bit in range(8):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
            with suppress(ValueError):
                found = [x.tobytes() for x, _ in Blocks.from_npy(path, y)]
                assert b"".join(found) in whole
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 3), }"
    path.write_bytes(whole[:10] + header.ljust(117).encode() + b"\n" + X.tobytes())
    with pytest.raises(ValueError, match=r"X.npy: expected an array in NumPy's format"):
        Blocks.from_npy(path, y)


def test_labels_that_are_strings(tmp_path):
    rng = np.random.default_rng(0)
    X, names = rng.normal(size=(60, 3)), np.array(["ant", "bee"])[np.arange(60) % 2]
    np.save(tmp_path / "X.npy", X)
    model = fastsoftmax.fit(Blocks.from_npy(tmp_path / "X.npy", names.tolist()))
    assert model.classes_.tolist() == ["ant", "bee"]
