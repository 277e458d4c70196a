"""The embedded digits, the IDX reader, and MNIST from its four files."""

import gzip
import hashlib
import itertools
import math
import struct
import tracemalloc
import zlib
from importlib import resources

import numpy as np
import pytest

from fastsoftmax.datasets import MNIST, Digits, load_digits, load_mnist, read_idx

# IDX type byte: the struct format of one element, and the NumPy type it must become.
TYPES = {
    0x08: ("B", np.uint8),
    0x09: ("b", np.int8),
    0x0B: ("h", np.int16),
    0x0C: ("i", np.int32),
    0x0D: ("f", np.float32),
    0x0E: ("d", np.float64),
}
SHAPES = [(5,), (2, 3), (4, 3, 2)]
NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def idx_bytes(shape, values, code=0x08):
    header = struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape)
    return header + struct.pack(f">{len(values)}{TYPES[code][0]}", *values)


def write(path, content):
    path.write_bytes(content)
    return path


@pytest.fixture
def mnist_files():
    """Content of the four files: 3 training and 2 test images of 2 by 4 pixels."""
    return {
        NAMES[0]: idx_bytes((3, 2, 4), range(24)),
        NAMES[1]: idx_bytes((3,), [7, 0, 255]),
        NAMES[2]: idx_bytes((2, 2, 4), range(100, 116)),
        NAMES[3]: idx_bytes((2,), [1, 2]),
    }


def write_folder(folder, files):
    for name, content in files.items():
        write(folder / name, content)
    return folder


# ---------------------------------------------------------------- digits


def test_digits_are_the_bytes_of_the_provenance_file():
    digits = load_digits()
    assert isinstance(digits, Digits)
    X, y = digits
    assert (X.shape, X.dtype, X.flags.c_contiguous) == ((1797, 64), np.uint8, True)
    assert (y.shape, y.dtype) == ((1797,), np.int64)
    assert (X.min(), X.max()) == (0, 16)
    np.testing.assert_array_equal(
        np.bincount(y), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    )
    provenance = (resources.files("fastsoftmax.datasets") / "optdigits.txt").read_text("utf-8")
    for name, array, expected in [
        ("X", X, "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3"),
        (
            "y",
            y.astype(np.uint8),
            "8ba4f891220f5e4c9c819638d1602d74b83618f167043c6da52a2a247841ddf0",
        ),
    ]:
        assert hashlib.sha256(array.tobytes()).hexdigest() == expected
        assert f"{name}  {expected}" in provenance


def test_digits_equal_those_of_scikit_learn():
    theirs = pytest.importorskip("sklearn.datasets").load_digits()
    X, y = load_digits()
    np.testing.assert_array_equal(X, theirs.data)
    np.testing.assert_array_equal(y, theirs.target)


def test_digits_are_fresh_at_each_call():
    load_digits().X[:] = 99
    assert load_digits().X.max() == 16


# ---------------------------------------------------------------- IDX


@pytest.mark.parametrize("gzipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("code", TYPES, ids=hex)
def test_read_idx_round_trip(tmp_path, code, shape, gzipped):
    dtype = TYPES[code][1]
    if np.issubdtype(dtype, np.integer):
        # The extremes would show a wrong sign or a wrong byte order.
        extremes = [np.iinfo(dtype).min, np.iinfo(dtype).max, 1]
    else:
        extremes = [-1.5, float(np.finfo(dtype).max), 2.0**-20]
    values = list(itertools.islice(itertools.cycle(extremes), math.prod(shape)))
    content = idx_bytes(shape, values, code)
    # The name says the opposite of the content: only the content may count.
    path = write(
        tmp_path / ("a.idx" if gzipped else "a.gz"), gzip.compress(content) if gzipped else content
    )

    array = read_idx(path)

    assert array.dtype == dtype and array.dtype.isnative
    assert array.flags.c_contiguous and array.flags.aligned
    np.testing.assert_array_equal(array, np.array(values, dtype).reshape(shape))
    array[...] = 0  # writable, and not a view of the file
    np.testing.assert_array_equal(read_idx(str(path)).ravel(), np.array(values, dtype))


def test_read_idx_reads_data_longer_than_one_chunk(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, 2_500_001, np.uint8)
    content = struct.pack(">HBBI", 0, 0x08, 1, values.size) + values.tobytes()
    np.testing.assert_array_equal(read_idx(write(tmp_path / "long", content)), values)


def test_read_idx_keeps_an_empty_shape(tmp_path):
    assert read_idx(write(tmp_path / "empty", idx_bytes((0, 5), []))).shape == (0, 5)


def test_read_idx_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_idx(tmp_path / "nowhere")


GOOD = idx_bytes((2, 3), range(6))


@pytest.mark.parametrize("gzipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "IDX header of at least 4 bytes, got 0"),
        (GOOD[:3], "IDX header of at least 4 bytes, got 3"),
        (GOOD[:11], "IDX header of 12 bytes for 2 dimensions, got 11"),
        (b"\x89PNG" + GOOD, "starts 00 00, got 89 50 4e 47"),
        (b"\x00\x00\x0a\x01" + GOOD, "type among 0x08, 0x09, .*0x0e, got 0x0a"),
        (b"\x00\x00\x08\x00" + GOOD, "at least one dimension, got 0"),
        (GOOD[:-1], r"6 bytes of data for shape \(2, 3\) of uint8, got 5"),
        (GOOD + b"\x00", r"6 bytes of data for shape \(2, 3\) of uint8, got more"),
        (idx_bytes((0, *[2**32 - 1] * 4), []), "shape NumPy can hold"),
        (idx_bytes((1,) * 255, [0]), "shape NumPy can hold"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else value[:24],
)
def test_read_idx_damaged_file(tmp_path, content, message, gzipped):
    path = write(tmp_path / "bad.idx", gzip.compress(content) if gzipped else content)
    with pytest.raises(ValueError, match=f"bad.idx: expected .*{message}"):
        read_idx(path)


@pytest.mark.parametrize("gzipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("shape", [(2**32 - 1,), (2**32 - 1,) * 3], ids=["4 GiB", "2**96"])
def test_read_idx_allocates_what_comes_not_what_a_damaged_header_says(tmp_path, shape, gzipped):
    content = idx_bytes(shape, range(100))
    path = write(tmp_path / "huge.idx", gzip.compress(content) if gzipped else content)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"huge.idx: expected \d{10,} bytes .*, got 100"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_read_idx_reads_no_further_than_the_data_of_a_stream_with_a_surplus(tmp_path):
    path = write(tmp_path / "bomb.idx", gzip.compress(GOOD + bytes(32 << 20), compresslevel=1))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"bomb\.idx: .*got more"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def flip(content, position):
    damaged = bytearray(content)
    damaged[position] ^= 0xFF
    return bytes(damaged)


ZIPPED = gzip.compress(idx_bytes((200,), range(200)))


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (ZIPPED[:5], EOFError),  # within the header
        (ZIPPED[: len(ZIPPED) // 2], EOFError),
        (ZIPPED[:-1], EOFError),  # all the data, but not the whole checksum
        (flip(ZIPPED, 2), gzip.BadGzipFile),  # compression method
        (flip(ZIPPED, -8), gzip.BadGzipFile),  # checksum
        (ZIPPED + b"rubbish", gzip.BadGzipFile),
        (flip(ZIPPED, 10), zlib.error),  # first byte of the deflate stream
    ],
    ids=["header cut", "cut", "checksum cut", "method", "checksum", "rubbish behind", "deflate"],
)
def test_read_idx_damaged_gzip(tmp_path, content, cause):
    path = write(tmp_path / "bad.gz", content)
    with pytest.raises(ValueError, match=r"bad\.gz: expected a whole gzip stream, got: ") as caught:
        read_idx(path)
    assert isinstance(caught.value.__cause__, cause)


# ---------------------------------------------------------------- MNIST


@pytest.mark.parametrize("ending", ["", ".gz"], ids=["plain", "gzip"])
@pytest.mark.parametrize("dotted", [False, True], ids=["hyphens", "dotted"])
def test_load_mnist_finds_files_by_any_of_their_names(tmp_path, mnist_files, dotted, ending):
    for name, content in mnist_files.items():
        name = name.replace("-idx", ".idx") if dotted else name
        write(tmp_path / (name + ending), gzip.compress(content) if ending else content)

    mnist = load_mnist(str(tmp_path))

    assert isinstance(mnist, MNIST)
    assert [array.dtype for array in mnist] == [np.uint8, np.int64, np.uint8, np.int64]
    np.testing.assert_array_equal(mnist.X_train, np.arange(24).reshape(3, 8))
    np.testing.assert_array_equal(mnist.y_train, [7, 0, 255])
    np.testing.assert_array_equal(mnist.X_test, np.arange(100, 116).reshape(2, 8))
    np.testing.assert_array_equal(mnist.y_test, [1, 2])


def test_load_mnist_names_the_folder_and_every_missing_file(tmp_path, mnist_files):
    del mnist_files[NAMES[1]], mnist_files[NAMES[2]]
    folder = write_folder(tmp_path, mnist_files)
    with pytest.raises(FileNotFoundError) as caught:
        load_mnist(folder)
    message = str(caught.value)
    assert str(folder) in message
    assert [name in message for name in NAMES] == [False, True, True, False]


def test_load_mnist_without_the_folder_names_all_four_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"nowhere: missing {', '.join(NAMES)} "):
        load_mnist(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (NAMES[0], idx_bytes((3, 2, 4), range(24), 0x09), "images, uint8 in 3 .*int8 in 3"),
        (NAMES[2], idx_bytes((2, 8), range(16)), "images, uint8 in 3 .*uint8 in 2"),
        (NAMES[3], idx_bytes((2,), range(2), 0x0C), "labels, uint8 in 1 .*int32 in 1"),
        (NAMES[1], idx_bytes((3, 1), range(3)), "labels, uint8 in 1 .*uint8 in 2"),
        (NAMES[1], idx_bytes((4,), range(4)), f"3 labels, one an image of {NAMES[0]}, got 4"),
        (NAMES[3], idx_bytes((1,), range(1)), f"2 labels, one an image of {NAMES[2]}, got 1"),
        (NAMES[2], idx_bytes((2, 4, 2), range(16)), r"images of \(2, 4\) .*got \(4, 2\)"),
        (NAMES[0], idx_bytes((0, 2, 4), []), r"at least one image, got shape \(0, 2, 4\)"),
        (NAMES[2], idx_bytes((2, 0, 4), []), r"at least one image, got shape \(2, 0, 4\)"),
        (NAMES[3], b"", "IDX header"),
    ],
)
def test_load_mnist_inconsistent_files(tmp_path, mnist_files, name, content, message):
    folder = write_folder(tmp_path, mnist_files | {name: content})
    with pytest.raises(ValueError, match=f"{name}: expected .*{message}"):
        load_mnist(folder)


def test_load_mnist_reads_the_real_files(data_folder):
    folder = data_folder / "mnist"
    mnist = load_mnist(folder)
    assert [array.shape for array in mnist] == [(60000, 784), (60000,), (10000, 784), (10000,)]
    assert [array.dtype for array in mnist] == [np.uint8, np.int64, np.uint8, np.int64]
    assert all(array.flags.c_contiguous for array in mnist)
    for name, array in zip(NAMES, mnist, strict=True):
        content = gzip.decompress((folder / f"{name}.gz").read_bytes())
        body = content[16 if "images" in name else 8 :]
        ours = array.astype(np.uint8, copy=False).tobytes()
        assert hashlib.md5(ours).hexdigest() == hashlib.md5(body).hexdigest()
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    np.testing.assert_array_equal(np.bincount(mnist.y_train), counts)
    np.testing.assert_array_equal(
        np.bincount(mnist.y_test), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    )
