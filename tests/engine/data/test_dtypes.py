"""X in every dtype: the same as its numbers in float32 or float64, to the bit, and never copied."""

import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastsoftmax import MLPClassifier, SoftmaxRegression
from fastsoftmax import linear_cross_entropy_value_and_grad as value_and_grad
from fastsoftmax._engine.data import Batch, DenseData, Point, RowSample
from fastsoftmax._neural import Network
from fastsoftmax._runtime.dtypes import BFLOAT16, COMPUTED_IN, as_numpy, computed_in, name_of
from fastsoftmax.datasets import load_digits, load_mnist

DTYPES = tuple(COMPUTED_IN)
by_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
kernel = pytest.mark.kernel
# for which kernels go different ways: lots of each number of rows, blocks of classes, panels
SHAPES = (
    (70, 33, 10),
    (300, 64, 5),
    (100, 129, 40),
    (33, 1, 3),
    (5, 17, 1),
    (40, 1500, 5),
    (40, 800, 16),
)


def bfloat16(x):
    """The upper halves of float32 numbers that have no others."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    assert not (bits & 0xFFFF).any()
    return (bits >> 16).astype(np.uint16).view(BFLOAT16)


def stored(x, dtype):
    return bfloat16(x) if dtype == BFLOAT16 else np.asarray(x).astype(dtype)


def wide(x):
    return as_numpy(x).astype(computed_in(x.dtype))


def layouts(X):
    n, d = X.shape
    around = bytes([255]) * ((n + 2) * (d + 3) * X.itemsize)  # NaN where there are such
    middle = np.frombuffer(around, X.dtype).reshape(n + 2, d + 3).copy()
    middle[1:-1, 2:-1] = X
    columns = np.zeros((n, 3 * d), X.dtype)
    columns[:, 1::3] = X
    return {
        "C": X,
        "Fortran": np.asfortranarray(X),
        "window": middle[1:-1, 2:-1],
        "Fortran window": np.asfortranarray(middle)[1:-1, 2:-1],
        "columns": columns[:, 1::3],
        "backwards": X[::-1, ::-1].copy()[::-1, ::-1],
        "one row": np.broadcast_to(X[0], X.shape),
        "one column": np.broadcast_to(X[:, :1], X.shape),
    }


def problem(n, d, k, dtype, seed=0):
    rng = np.random.default_rng([n, d, k, seed])
    X = stored(rng.integers(0, 100, (n, d)), dtype)
    W, b = rng.standard_normal((k, d)) / 100, rng.standard_normal(k)
    return X, W, b, rng.integers(max(k, 2), size=n)


def assert_same(ours, theirs):
    assert ours[0] == theirs[0]
    for a, b in zip(ours[1], theirs[1], strict=True):
        np.testing.assert_array_equal(a, b)
        assert a is None or a.dtype == b.dtype


@kernel
@by_dtype
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradients_are_those_of_the_same_numbers(shape, dtype):
    X, W, b, y = problem(*shape, dtype)
    for x in layouts(X).values():
        x.flags.writeable = False
        for wrt in (("W", "b"), ("W", "b", "X")):
            assert_same(
                value_and_grad(x, W, b, y, wrt=wrt),
                value_and_grad(wide(np.ascontiguousarray(x)), W, b, y, wrt=wrt),
            )


@kernel
@example(1, 24, 1, np.dtype(np.int8))  # one chain of sums, which GCC would not contract for floats
@given(st.integers(1, 80), st.integers(1, 150), st.integers(1, 40), st.sampled_from(DTYPES))
@settings(deadline=None, max_examples=60, database=None)
def test_any_shape_and_two_threads(n, d, k, dtype):
    X, W, b, y = problem(n, d, k, dtype)
    right = value_and_grad(wide(X), W, b, y)
    for x in layouts(X).values() if n % 3 == 0 else (X,):
        if (x == X).all():
            for n_threads in (1, 2, 3):
                assert_same(value_and_grad(x, W, b, y, n_threads=n_threads), right)


@kernel
@by_dtype
@pytest.mark.parametrize("shape", [(700, 130, 3), (90, 16, 2), (40, 7, 30), (70, 37, 16)], ids=str)
def test_what_an_objective_needs(shape, dtype):
    """Logits, moments, Grams and sums, with factors of the features that are powers of two."""
    n, d, k = shape
    rng = np.random.default_rng(d)
    X, W, b, y = problem(*shape, dtype)
    s = 2.0 ** rng.integers(-2, 2, d)
    rows = np.sort(rng.integers(n, size=(k, n)), axis=1).astype(np.int32)
    weights = rng.random(n).astype(computed_in(dtype))
    draw = RowSample(rows, rng.random((k, n)), np.full(k, n - n // 3), np.ones(k))
    y = y.astype(np.int32)

    def products(data):
        yield data.logits(W, b)
        yield from data.moments(weights)
        yield data.gram(draw, W[0], np.append(np.abs(W[1]), 0.5), 0.3, np.ones(d + 1))
        yield data.sums(draw)
        yield data.across(rng_T)
        yield from data.value_and_grad(Point(W, b), Batch(y, weights, 1 / n))[1][:2]
        yield data.rows(slice(None, None, 3)).second_moments()

    rng_T = rng.standard_normal((n, 3))
    for x in (X, np.asfortranarray(X), layouts(X)["columns"]):
        ours = products(DenseData(x, 2, feature_scale=s))
        theirs = products(DenseData(wide(X) * s.astype(computed_in(dtype)), 1))
        for a, b_ in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b_, rtol=1e-6, atol=1e-9)


@kernel
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_every_float16_and_bfloat16_is_exact():
    """All 65536 of each: subnormals, infinities and NaN among them."""
    bits = np.arange(1 << 16, dtype=np.uint16).reshape(-1, 1)
    for x in (bits.view(np.float16), bits.view(BFLOAT16)):
        right = as_numpy(x).astype(np.float32)
        for padded in (x, np.repeat(x, 2, axis=1)[:, ::2]):
            # one feature times one: its logit is the number
            for kind in (np.float32, np.float64):
                network = Network((1, 1), (), "mse", dtype=kind)
                network.coefs = [np.ones((1, 1))]
                np.testing.assert_array_equal(network.outputs(padded), right.astype(kind))
            np.testing.assert_array_equal(DenseData(padded, 1).logits(np.ones((1, 1)), None), right)


@kernel
@by_dtype
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_networks_read_every_dtype(dtype, kind):
    X, *_ = problem(50, 37, 3, dtype)
    y = np.arange(50, dtype=np.int32) % 3
    results = []
    for x in (*list(layouts(X).values())[:6], wide(X)):
        network = Network((37, 3), (), "cross_entropy", dtype=kind, feature_scale=0.01)
        network.coefs = [np.linspace(-1, 1, 111).reshape(37, 3)]
        value, coefs, _ = network.value_and_grad(x, y)
        results.append((value, coefs[0].tobytes()))
    assert len(set(results)) == 1


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits()
    return X[:600], y[:600]


@by_dtype
def test_fits_are_those_of_the_same_numbers(digits, dtype):
    X, y = digits
    X = stored(X, dtype)
    model, right = (SoftmaxRegression(C=0.01).fit(x, y) for x in (X, wide(X)))
    np.testing.assert_array_equal(model.coef_, right.coef_)
    np.testing.assert_array_equal(model.decision_function(X), right.decision_function(wide(X)))
    assert model.decision_function(X).dtype == computed_in(X.dtype)


@pytest.mark.parametrize("solver", ["preconditioned-lbfgs", "lbfgs", "newton", "gd"])
@pytest.mark.parametrize("scale", [1 / 16, "by feature"])
def test_feature_scale_is_that_of_scaled_features(digits, scale, solver):
    X, y = digits
    X, y = (X[:, 20:30], y % 3) if solver == "newton" else (X, y)
    if scale == "by feature":
        scale = np.random.default_rng(0).uniform(0.01, 0.1, X.shape[1])
    scaled = X * np.asarray(scale)
    params = {"C": 0.1, "tol": 1e-7, "solver": solver}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # gradient descent is slow
        params["max_iter"] = 300 if solver == "gd" else 1000
        model = SoftmaxRegression(feature_scale=scale, **params).fit(X, y)
        right = SoftmaxRegression(**params).fit(scaled, y)
    assert model.objective_ == pytest.approx(right.objective_, rel=1e-6)
    np.testing.assert_allclose(model.coef_, right.coef_, atol=0.02 * np.abs(right.coef_).max())
    np.testing.assert_allclose(model.predict_proba(X), right.predict_proba(scaled), atol=0.02)
    before = model.predict_proba(X)
    model.set_params(feature_scale=None)  # of the next fit
    np.testing.assert_array_equal(model.predict_proba(X), before)


def test_low_rank_blocks_know_the_scale():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 255, (3000, 300), dtype=np.uint8)
    y = (X @ rng.standard_normal((300, 60))).argmax(axis=1)
    model = SoftmaxRegression(feature_scale=1 / 255, solver="preconditioned-lbfgs").fit(X, y)
    right = SoftmaxRegression(solver="preconditioned-lbfgs").fit(X.astype(np.float32) / 255, y)
    assert abs(model.n_passes_ - right.n_passes_) <= 0.2 * right.n_passes_
    assert model.objective_ == pytest.approx(right.objective_, rel=3e-6)


def test_mnist_in_uint8_is_mnist(data_folder):
    X, y, *_ = load_mnist(data_folder / "mnist")
    X = X.reshape(len(X), -1)
    model = SoftmaxRegression(feature_scale=1 / 255, tol=1e-7).fit(X, y)
    assert model.objective_ * len(X) == pytest.approx(13927.06, rel=1e-6)


@pytest.mark.parametrize("mode", ["r", "c", "r+"])
def test_memory_maps(digits, tmp_path, mode):
    X, y = digits
    np.save(tmp_path / "X.npy", X.astype(np.float16))
    mapped = np.load(tmp_path / "X.npy", mmap_mode=mode)
    model = SoftmaxRegression(C=0.01).fit(mapped, y)
    np.testing.assert_array_equal(
        model.coef_, SoftmaxRegression(C=0.01).fit(X.astype(np.float32), y).coef_
    )


MEMORY = """
import json, sys, threading, warnings
import numpy as np
from fastsoftmax import SoftmaxRegression

path, n, d, k, max_memory = json.loads(sys.argv[1])
X = np.memmap(path, np.float16, "r", shape=(n, d))
y = np.arange(n, dtype=np.int32) % k

def anonymous():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("RssAnon"))

def watch():
    while not done.wait(0.002):
        peak[0] = max(peak[0], anonymous())

warnings.simplefilter("ignore")
SoftmaxRegression(max_iter=1).fit(np.eye(40), np.arange(40) % 3)  # what imports and threads take
peak, done = [anonymous()], threading.Event()
before = peak[0]
watcher = threading.Thread(target=watch)
watcher.start()
model = SoftmaxRegression(max_iter=6, max_memory=max_memory).fit(X, y)
model.predict(X)
done.set()
watcher.join()
print(json.dumps([peak[0] - before, model.n_iter_]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
def test_a_fit_on_a_mapped_file_takes_little_memory(tmp_path):
    n, d, k, max_memory = 210_000, 512, 8, 32 << 20
    X = np.memmap(tmp_path / "X", np.float16, "w+", shape=(n, d))
    block = np.random.default_rng(0).standard_normal((10_000, d), dtype=np.float32)
    for start in range(0, n, len(block)):
        X[start : start + len(block)] = block
        block[:, 0] += 1
    X.flush()
    assert X.nbytes > 200e6
    del X
    args = json.dumps([str(tmp_path / "X"), n, d, k, max_memory])
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, args], capture_output=True, text=True, check=True
    )
    taken, iterations = json.loads(run.stdout)
    assert iterations == 6
    assert taken <= 100e6 + max_memory


# ---- where X comes from


def test_ml_dtypes(digits):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    X, y = digits
    x = X.astype(ml_dtypes.bfloat16)
    right = SoftmaxRegression(C=0.01).fit(X.astype(np.float32), y)
    np.testing.assert_array_equal(SoftmaxRegression(C=0.01).fit(x, y).coef_, right.coef_)
    W, b = right.coef_, right.intercept_
    narrow = value_and_grad(x, W.astype(ml_dtypes.bfloat16), b, y)
    assert_same(narrow, value_and_grad(x, W.astype(ml_dtypes.bfloat16).astype(np.float32), b, y))


def test_ml_dtypes_is_not_needed():
    code = "import sys, fastsoftmax as f; f.SoftmaxRegression; print('ml_dtypes' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


class Exporter:
    """An array that is known by its DLPack alone."""

    def __init__(self, x, device=(1, 0)):
        self._x, self._device = x, device
        self.shape = x.shape

    def __dlpack__(self, **how):
        return self._x.__dlpack__(**how)

    def __dlpack_device__(self):
        return self._device


class Convertible:
    """An array that is known by its ``__array__`` alone."""

    def __init__(self, x):
        self._x = x
        self.shape = x.shape

    def __array__(self, dtype=None, copy=None):
        return self._x


@pytest.mark.parametrize("kind", [Exporter, Convertible])
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float64])
def test_arrays_of_others(digits, kind, dtype):
    X, y = digits
    X = X.astype(dtype)
    model = SoftmaxRegression(C=0.01).fit(kind(X), y)
    np.testing.assert_array_equal(model.coef_, SoftmaxRegression(C=0.01).fit(X, y).coef_)
    assert model.score(kind(X), y) > 0.9


def test_torch_tensors(digits):
    torch = pytest.importorskip("torch")
    X, y = digits
    for dtype in ("uint8", "int8", "int16", "int32", "float16", "bfloat16", "float32", "float64"):
        x = torch.tensor(X).to(getattr(torch, dtype))
        numbers = x.float().numpy() if dtype == "bfloat16" else x.numpy()
        right = SoftmaxRegression(C=0.01).fit(numbers, y)
        for tensor in (x, x.T.contiguous().T):
            model = SoftmaxRegression(C=0.01).fit(tensor, y)
            np.testing.assert_array_equal(model.coef_, right.coef_)
            np.testing.assert_array_equal(model.predict(tensor), right.predict(numbers))


# ---- errors

GOOD = np.arange(24, dtype=np.float32).reshape(6, 4)
LABELS = np.arange(6) % 2


def refused(X, error, message, **params):
    for call in (
        lambda: SoftmaxRegression(**params).fit(X, LABELS),
        lambda: SoftmaxRegression().fit(GOOD, LABELS).predict(X),
        lambda: value_and_grad(X, np.zeros((2, 4)), None, LABELS),
    )[: 1 if params else 3]:
        with pytest.raises(error, match=message):
            call()


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">f2", ">i4", ">u2"])
def test_another_byte_order(dtype):
    message = (
        rf"X: expected numbers in this machine\'s byte order, got dtype {dtype}; use X\.astype"
    )
    refused(GOOD.astype(dtype), ValueError, message)
    SoftmaxRegression().fit(GOOD.astype(dtype).astype(np.dtype(dtype).newbyteorder("=")), LABELS)


def test_other_dtypes():
    refused(GOOD + 1j, ValueError, "X: expected real numbers, got complex64")
    refused(GOOD.view("V4"), ValueError, r"X: expected numbers, got dtype \|V4")
    ml_dtypes = pytest.importorskip("ml_dtypes")
    narrow = GOOD.astype(ml_dtypes.float8_e4m3)
    refused(narrow, ValueError, "X: expected numbers, got dtype float8_e4m3")


def test_arrays_elsewhere():
    message = r"X: expected an array in the processor's memory, got one on device 2; .*\.cpu\(\)"
    refused(Exporter(GOOD, (2, 0)), TypeError, message)


def test_arrays_that_cannot_be_read():
    class Broken(Exporter):
        def __dlpack__(self, **how):
            raise BufferError("no")

    message = "X: expected an array of numbers, got a Broken that cannot be read as one: no"
    refused(Broken(GOOD), TypeError, message)


def test_torch_tensors_that_cannot_be_read():
    torch = pytest.importorskip("torch")
    graded = torch.tensor(GOOD, requires_grad=True)
    refused(graded, TypeError, r"X: .* got a tensor that requires grad; use \.detach\(\)")
    refused(torch.empty(6, 4, device="meta"), TypeError, "X: .* got one on device meta")
    SoftmaxRegression().fit(graded.detach(), LABELS)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, BFLOAT16], ids=name_of)
def test_first_cell_that_is_not_finite(dtype, value):
    X = stored(GOOD, dtype)
    X[3, 2] = stored(np.float32(value), dtype) if dtype == np.float16 else bfloat16([value])[0]
    message = f"X: expected finite numbers, got {value} in row 3, column 2 "
    refused(X, ValueError, message, C=1.0)
    with pytest.raises(ValueError, match=message):
        SoftmaxRegression().fit(GOOD, LABELS).predict(X)
    with pytest.raises(ValueError, match=message):
        MLPClassifier().fit(X, LABELS)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (0, ValueError, r"expected finite numbers > 0, got 0\.0"),
        ([1, 1, -1, 1], ValueError, r"expected finite numbers > 0, got -1\.0"),
        (np.nan, ValueError, "expected finite numbers > 0, got nan"),
        (np.inf, ValueError, "expected finite numbers > 0, got inf"),
        ([1, 2], ValueError, r"expected a number or 4 of them, .* got shape \(2,\)"),
        (np.ones((1, 4)), ValueError, r"expected a number or 4 of them, .* got shape \(1, 4\)"),
        (True, TypeError, "expected numbers > 0 or None, got True"),
        ("1", ValueError, "expected numbers, got dtype <U1"),
    ],
)
def test_feature_scale(value, error, message):
    refused(GOOD, error, f"^feature_scale: {message}", feature_scale=value)


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_matrices_and_masked_arrays_without_masked_cells(digits, dtype):
    """Subclasses of arrays, whose indices and products mean something else."""
    X, y = digits
    X = X.astype(dtype)
    right = SoftmaxRegression(C=0.01).fit(X, y)
    for x in (np.asmatrix(X), np.ma.masked_array(X), np.ma.masked_array(X, mask=False)):
        model = SoftmaxRegression(C=0.01).fit(x, y)
        assert type(model.coef_) is np.ndarray
        np.testing.assert_array_equal(model.coef_, right.coef_)
        np.testing.assert_array_equal(model.predict_proba(x), right.predict_proba(X))
        assert_same(
            value_and_grad(x, right.coef_, right.intercept_, y),
            value_and_grad(X, right.coef_, right.intercept_, y),
        )
