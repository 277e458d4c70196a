"""Kernels refuse arrays of another dtype than they read, which would be other numbers."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from support.sparse_rows import uniform

import fastsoftmax
from fastsoftmax import MLPClassifier, MLPRegressor, SoftmaxRegression, _core
from fastsoftmax._engine.data import Batch, DenseData, Point
from fastsoftmax._engine.linalg.workspace import Workspace

pytestmark = pytest.mark.kernel

# arrays of X, of any type of numbers, and gradients that are float32 or float64
ANY_FLOATS = {
    *(("linear", name, 0) for name in ("value_and_grad", "moments", "logits", "store_logits")),
    *(("linear", "value_and_grad", 6), ("sparse", "value_and_grad", 12)),
    *(("gram", "gram", 0), ("gram", "sums", 0), ("network", "epoch", 6), ("network", "outputs", 3)),
    ("tiled", "pack", 0),
}


class Recorder:
    """A kernel that keeps the arguments of its first call."""

    def __init__(self, function, calls, name):
        self._function, self._calls, self._name = function, calls, name

    def __call__(self, *args, **options):
        if self._name not in self._calls:
            kept = [a.copy(order="K") if isinstance(a, np.ndarray) else a for a in args]
            self._calls[self._name] = self._function, kept, options
        return self._function(*args, **options)


def use_everything():
    rng = np.random.default_rng(0)
    X, z = rng.standard_normal((300, 12)), rng.standard_normal((40, 5))
    y = (X @ rng.standard_normal((12, 4)) + rng.gumbel(size=(300, 4))).argmax(axis=1)
    X = X.astype(np.float32)
    sparse = uniform(300, 80, 0.1, rng, np.float32)
    for solver in ("lbfgs", "newton", "gd", "preconditioned-lbfgs"):
        for x in (X, sparse) if "lbfgs" in solver else (X,):
            for options in ({}, {"standardize": True}):
                SoftmaxRegression(solver=solver, max_iter=20, **options).fit(x, y).predict(x)
    for x in (X, sparse):
        SoftmaxRegression(l1_ratio=0.5, C=0.1).fit(x, y).predict_proba(x)
        SoftmaxRegression(l1_ratio=0.5, C=0.1, l1_group="classes").fit(x, y)
        weighted = SoftmaxRegression(C=10.0, solver="preconditioned-lbfgs")
        weighted.fit(x, y, sample_weight=rng.random(300))
        SoftmaxRegression().fit(x, y > 1)
    wide = uniform(2000, 3000, 0.01, rng, np.float32)
    SoftmaxRegression(max_iter=4).fit(wide, rng.integers(30, size=2000))
    for groups in (None, "classes"):
        l1 = SoftmaxRegression(l1_ratio=1.0, l1_group=groups, max_iter=4)
        l1.fit(wide, rng.integers(30, size=2000))
    two = rng.integers(2, size=2000)
    SoftmaxRegression(solver="dual-ascent", max_iter=4).fit(wide, two)
    rare = uniform(300, 2000, 0.002, rng, np.float32)
    SoftmaxRegression(max_iter=4).fit(rare, y).predict(rare)
    many = rng.standard_normal((2000, 500), dtype=np.float32)
    target = (many @ rng.standard_normal((500, 40))).argmax(axis=1)
    SoftmaxRegression(solver="preconditioned-lbfgs", max_iter=5).fit(many, target)
    fastsoftmax.fit_many(many, [target, target[::-1]], Cs=[1.0], max_iter=3)
    MLPClassifier((8,), max_iter=2).fit(X, y).predict(X)
    MLPRegressor(hidden_layer_sizes=(8,), max_iter=2).fit(X, z[:1].repeat(300, 0)).predict(X)
    for dtype in (np.float32, np.float64):
        use_tiles(_core.kernels(dtype).tiled, X[:30], dtype)
    fastsoftmax.softmax(z)
    fastsoftmax.sigmoid(z.astype(np.float16))
    fastsoftmax.logsumexp(z)
    fastsoftmax.softmax_vjp(fastsoftmax.softmax(z), z)
    fastsoftmax.sigmoid(z)
    fastsoftmax.binary_cross_entropy(z, z > 0)
    fastsoftmax.cross_entropy_value_and_grad(z, np.full((40, 5), 0.2), label_smoothing=0.1)


def use_tiles(kernels, X, dtype):
    """What the fits of small problems call without Python."""
    (n, d), workspace = X.shape, Workspace()
    x, weights = np.zeros(kernels.numbers(1, d), dtype), np.ones(32, dtype)
    W, z, p = np.ones((2, d), dtype), np.zeros((1, 2, 32), dtype), np.ones((1, 2, 32))
    kernels.pack(X, d, x)
    kernels.centre(x, 1, d, weights, 1 / n, True, *np.empty((2, d)), workspace)
    kernels.logits(x, 1, W, z, 1)
    labels, by_W = np.zeros(n, np.int32), np.empty((2, d))
    kernels.pull(x, n, z, labels, weights, 1 / n, by_W, workspace, 1)
    kernels.gram(x, 1, weights[None], 1 / n, np.empty((1, d, d)), workspace, 1)
    kernels.weigh(p, p, np.ones(32), 0, 0, 1, weights)


GROUPS = [name for names in _core.KERNELS.values() for name in names]


def functions_of(kernels):
    return {n for n in dir(kernels) if not n.startswith("_") and callable(getattr(kernels, n))}


@pytest.fixture(scope="module")
def calls():
    """(group, function, dtype) -> a call of it."""
    calls = {}
    before = dict(_core._by_dtype)
    for dtype, groups in before.items():
        replaced = {}
        for group in GROUPS:
            kernels = getattr(groups, group)
            members = {n: getattr(kernels, n) for n in dir(kernels) if not n.startswith("_")}
            for name in functions_of(kernels):
                members[name] = Recorder(members[name], calls, (group, name, dtype))
            replaced[group] = SimpleNamespace(**members)
        _core._by_dtype[dtype] = SimpleNamespace(**replaced)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            use_everything()
    finally:
        _core._by_dtype.update(before)
    return calls


def other_dtypes(array, any_floats):
    yield np.complex64
    if array.dtype.kind == "f" and not any_floats:
        yield np.float64 if array.dtype == np.float32 else np.float32
    if array.dtype.kind == "i":
        yield np.int64 if array.dtype == np.int32 else np.int32


def test_the_calls_cover_every_kernel_with_arrays(calls):
    functions = {
        (group, name)
        for group in GROUPS
        for name in functions_of(getattr(_core.kernels(np.float32), group))
    }
    without = {
        "band_rows", "multiply_adds", "numbers", "padding", "pair_number", "plan", "slice_rows",
        "stride_of", "tile_rows",
    }  # fmt: skip
    called = {name[:2] for name in calls}
    left = {f for f in functions - called if f[1] not in without}
    assert left == {
        ("elementwise", "vector_bytes"),
        ("machine", "read"),
        ("coordinate", "grams"),  # where an iteration with sparse X takes many products
    }


def test_every_array_of_every_call(calls):
    for (group, name, _), (function, args, options) in calls.items():
        for i, array in enumerate(args):
            if not isinstance(array, np.ndarray):
                continue
            for dtype in other_dtypes(array, (group, name, i) in ANY_FLOATS):
                changed = [*args[:i], np.zeros(array.shape, dtype), *args[i + 1 :]]
                with pytest.raises(TypeError, match="expected"):
                    function(*changed, **options)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_names_of_the_argument_and_of_both_dtypes(dtype):
    X, W = np.ones((3, 2), dtype), np.zeros((2, 2), dtype)
    other = np.ones(3, np.float64 if dtype == np.float32 else np.float32)
    labels = np.zeros(3, np.int32)
    data = DenseData(X, 1)
    message = f"weights: expected dtype f{np.dtype(dtype).itemsize}, got <f{other.itemsize}"
    with pytest.raises(TypeError, match=message):
        data.value_and_grad(Point(W, None), Batch(labels, other))
    with pytest.raises(TypeError, match="targets: expected dtype i4, got <i8"):
        data.value_and_grad(Point(W, None), Batch(labels.astype(np.int64), None))
    with pytest.raises(ValueError, match="weights: expected at least 3 elements, got 2"):
        data.value_and_grad(Point(W, None), Batch(labels, np.ones(2, dtype)))
    with pytest.raises(ValueError, match="targets: expected 3 rows, got 2"):
        data.value_and_grad(Point(W, None), Batch(labels[:2], None))
    with pytest.raises(ValueError, match="weights: expected a C-contiguous array"):
        data.value_and_grad(Point(W, None), Batch(labels, np.ones(6, dtype)[::2]))
