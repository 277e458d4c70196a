"""Kernels touch nothing beyond their arrays, which here end or begin at a forbidden page."""

import os

import pytest
from support.processes import run
from support.units import program_from

from fastsoftmax import _core

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.name != "posix", reason="mprotect is POSIX"),
]

# A stray read ends the process: each of these runs in one of its own.
GUARD = """
import ctypes, itertools, mmap
import numpy as np
import fastsoftmax
from fastsoftmax import _core
from fastsoftmax._engine.data import Batch, DenseData, Point, RowSample, StoredLogits
from fastsoftmax._engine.linalg import ClassFactors

PAGE = mmap.PAGESIZE
libc = ctypes.CDLL(None, use_errno=True)
libc.mprotect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int


def guarded(x, at_end):
    x = np.asarray(x)
    pages = -(-x.nbytes // PAGE)
    memory = mmap.mmap(-1, (pages + 2) * PAGE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for guard in (address, address + (pages + 1) * PAGE):
        assert libc.mprotect(guard, PAGE, 0) == 0
    start = PAGE + (pages * PAGE - x.nbytes if at_end else 0)
    copy = np.frombuffer(memory, x.dtype, x.size, start).reshape(x.shape)
    copy[...] = x
    return copy


def layouts(x, at_end):
    yield guarded(x, at_end)
    yield guarded(x.T, at_end).T
    yield guarded(x[::-1, ::-1], at_end)[::-1, ::-1]


rng = np.random.default_rng(0)
"""

LINEAR = """
from fastsoftmax._engine.data import dense, stored_logits, tiles
from fastsoftmax._engine.linalg import LowRankFactors, cholesky, low_rank, workspace

# the workspace too; NaN where it is used before it is set
workspace.Workspace.__call__ = lambda self, size: guarded(np.full(size, 255, np.uint8), at_end)
for module in (cholesky, dense, low_rank, stored_logits, tiles):
    module.team = lambda n_threads, work: n_threads
WANTED = ((), ("W", "b"), ("X",), ("W", "b", "X"))

for dtype, at_end in itertools.product((np.float32, np.float64), (True, False)):
    guard = lambda x: guarded(np.asarray(x, dtype), at_end)
    for n, d, k in itertools.product((1, 2, 33), (1, 3, 4, 5, 8, 9, 16, 17, 33), (1, 2, 7, 16, 18)):
        X, W, b = (rng.standard_normal(s).astype(dtype) for s in ((n, d), (k, d), k))
        W, b, s = guard(W), guard(b), guard(rng.random(n))
        targets = [guarded(rng.integers(max(k, 2), size=n).astype(np.int32), at_end)]
        if k > 1:
            targets.append(guard(rng.random((n, k))))
        threads = 1 + n % 2
        for x in layouts(X, at_end):
            for target, wrt in itertools.product(targets, WANTED):
                loss, grads = fastsoftmax.linear_cross_entropy_value_and_grad(
                    x, W, b, target, wrt=wrt, sample_weight=s, n_threads=threads)
                assert np.isfinite(loss)
                assert all(np.isfinite(g).all() for g in grads if g is not None)
            data = DenseData(x, threads)
            assert np.isfinite(data.logits(W, b)).all()
            assert np.isfinite(data.moments(s)).all()
            stored = StoredLogits(n, k, np.dtype(dtype), threads)
            data.store_logits(W, b, stored)
            loss, _ = data.value_and_grad(Point(logits=stored), Batch(targets[-1], s))
            assert np.isfinite(loss)
            change = stored.like()
            change.tiles[...] = 1
            assert np.isfinite(stored.along(change, 0.5, targets[-1], s, 1.0)).all()
            stored.variances(s, change)
            drawn = change.sample_rows(n, 0)._asdict()
            drawn = RowSample(*(guarded(part, at_end) for part in drawn.values()))
            for ones in (0, 1):
                centre, scales = guard(np.zeros(d)), guard(np.ones(d + ones))
                grams = data.gram(drawn, centre, scales, 1.0, guarded(np.ones(d + ones), at_end))
                own = ClassFactors(guarded(grams, at_end), threads)
                (z,) = own.solve(np.ones((k, d + ones)))
                assert np.isfinite(z).all()
                if ones == 0:
                    low = LowRankFactors(
                        guard(np.eye(d)), own, np.ones(k), threads, np.ones((k, d)), np.ones(k))
                    (z,) = low.solve(guarded(np.ones((k, d + 1)), at_end))
                    assert np.isfinite(z).all()
"""

STORED = """
from fastsoftmax._runtime.dtypes import BFLOAT16
from fastsoftmax._engine.linalg import workspace

workspace.Workspace.__call__ = lambda self, size: guarded(np.full(size, 255, np.uint8), at_end)
SIZES = itertools.product((1, 2, 33), (1, 3, 4, 8, 9, 15, 16, 17, 31, 33, 40), (1, 2, 7, 13))

for (n, d, k), at_end in itertools.product(SIZES, (True, False)):
    W = guarded(rng.standard_normal((k, d)).astype(np.float32), at_end)
    X, y = rng.integers(99, size=(n, d)), guarded(rng.integers(max(k, 2), size=n), at_end)
    for kind in ("bool", "uint8", "int8", "int16", "float16", BFLOAT16):
        stored = (X + 0x4000).astype(np.uint16).view(kind) if kind == BFLOAT16 else X.astype(kind)
        for x in layouts(stored, at_end):
            loss, grads = fastsoftmax.linear_cross_entropy_value_and_grad(x, W, None, y)
            assert np.isfinite(loss) and np.isfinite(grads.W).all()
            data = DenseData(x, 1)
            assert np.isfinite(data.logits(W, None)).all() and np.isfinite(data.moments(None)).all()
"""

ROWS = """
LENGTHS = (*range(1, 40), *range(95, 115))
for dtype, at_end, k in itertools.product((np.float32, np.float64), (True, False), LENGTHS):
    x, out, other = (guarded(np.zeros((2, k), dtype), at_end) for _ in range(3))
    elementwise = _core.kernels(dtype).elementwise
    for function in range(4):
        elementwise.apply(function, x, out)
    elementwise.binary_cross_entropy(x, other, out, 1)
    labels = guarded(np.array([0, k - 1], np.int32), at_end)
    for a, b, c in ((x, out, other), (x.T, out.T, other.T)):
        axis = -1 if a is x else 0
        fastsoftmax.softmax(a, axis, out=b)
        fastsoftmax.log_softmax(a, axis, out=b)
        fastsoftmax.softmax_vjp(a, c, axis, out=b)
        fastsoftmax.logsumexp(a, axis, out=guarded(np.zeros(2, dtype), at_end))
        for target in (labels, c):
            fastsoftmax.cross_entropy_value_and_grad(a, target, axis=axis, out=b)
            fastsoftmax.cross_entropy_value_and_grad(a, target, axis=axis, label_smoothing=0.5)
"""

NETWORKS = """
from fastsoftmax._engine.linalg import workspace
from fastsoftmax._neural import Network, Rule, network as module

workspace.Workspace.__call__ = lambda self, size: guarded(np.full(size, 255, np.uint8), at_end)
module.team = lambda n_threads, work: n_threads
Network.block = lambda self: guarded(
    np.zeros(sum(m * stride for m, stride in self._shapes), self.dtype), at_end)
SIZES = ((1, 1), (3, 4), (16, 13), (17, 12, 1), (5, 8, 33), (33, 31, 2, 7), (2, 15, 16, 3))
RULES = itertools.cycle(("store", "sgd", "nesterov", "adagrad", "adam", "adamw"))
LOSSES = itertools.cycle(("cross_entropy", "binary_cross_entropy", "mse"))
ACTIVATIONS = itertools.cycle(("identity", "logistic", "tanh", "relu", "leaky_relu"))

for dtype, at_end, sizes, n in itertools.product(
    (np.float32, np.float64), (True, False), SIZES, (1, 2, 17, 258)
):
    targets = [guarded(rng.random((n, sizes[-1])).astype(dtype), at_end)]
    targets.append(guarded(rng.integers(sizes[-1], size=n).astype(np.int32), at_end))
    order = guarded(rng.permutation(n), at_end)
    s = guarded(rng.random(n).astype(dtype), at_end)
    X = rng.integers(9, size=(n, sizes[0]))
    for stored, batch, target in itertools.product("Bfd", (1, 5, n), targets):
        for x in layouts(X.astype(stored), at_end):
            network = Network(
                sizes, [next(ACTIVATIONS)] * (len(sizes) - 2), next(LOSSES), dtype=dtype,
                n_threads=1 + n % 2)
            network.coefs = [rng.random(c.shape) - 0.5 for c in network.coefs]
            rule = Rule(next(RULES), network, alpha=0.1)
            measure = "argmax" if target.ndim == 1 else "squares"
            done = network.epoch(
                x, target, order, batch, rule, 1e-6, sample_weight=s, measure=measure)
            assert np.isfinite(done.loss) and network.is_finite()
            assert np.isfinite(network.outputs(x)).all()
"""


UNITS = """
from fastsoftmax._engine.linalg import workspace

assert _core.level == "v4_amx_emulated"
workspace.Workspace.__call__ = lambda self, size: guarded(np.full(size, 255, np.uint8), at_end)
SIZES = itertools.product((1, 31, 65), (32, 33, 47, 49), (32, 45))

for (n, d, k), at_end in itertools.product(SIZES, (True, False)):
    W, b = (guarded(rng.standard_normal(s).astype(np.float32), at_end) for s in ((k, d), k))
    y, s = guarded(rng.integers(k, size=n), at_end), guarded(rng.random(n).astype("f4"), at_end)
    target = guarded(rng.random((n, k)).astype(np.float32), at_end)
    for kind in ("float32", "float16", "uint8"):
        for x in layouts(rng.integers(99, size=(n, d)).astype(kind), at_end):
            for goal in (y, target):
                loss, grads = fastsoftmax.linear_cross_entropy_value_and_grad(
                    x, W, b, goal, sample_weight=s, n_threads=1 + n % 2)
                assert np.isfinite(loss) and np.isfinite(grads.W).all()
            data = DenseData(x, 1)
            assert np.isfinite(data.logits(W, b)).all()
            stored = StoredLogits(n, k, np.dtype(np.float32), 1)
            data.store_logits(W, b, stored)
            loss, grads = data.value_and_grad(Point(logits=stored), Batch(target, s))
            assert np.isfinite(loss) and np.isfinite(grads.W).all()
"""


@pytest.mark.parametrize(
    "code", [LINEAR, STORED, ROWS, NETWORKS], ids=["linear", "stored", "rows", "networks"]
)
def test_nothing_beyond_the_arrays_is_touched(code):
    # many tiny teams, maybe on busy processors
    result = run(GUARD + code, OMP_WAIT_POLICY="passive", PYTHONFAULTHANDLER="1")
    assert result.returncode == 0, f"exit status {result.returncode}\n{result.stderr}"


@pytest.mark.skipif("v4_amx_emulated" not in _core.runnable(), reason="needs kernels of level v4")
def test_nothing_beyond_the_arrays_is_touched_by_squares_of_tiles():
    level = "v4_amx_emulated"
    program = program_from(32, level, GUARD + UNITS)
    result = run(program, FASTSOFTMAX_ISA=level, PYTHONFAULTHANDLER="1")
    assert result.returncode == 0, f"exit status {result.returncode}\n{result.stderr}"
