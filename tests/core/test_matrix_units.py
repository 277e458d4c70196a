"""Logits and gradients from terms of bfloat16: the level of the matrix units, here emulated.

The instruction is computed again by NumPy in the order of its documentation; products of matrices
are compared with float64's, whose errors are 2^-29 of what is allowed.
"""

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.logits import stored
from support.processes import run
from support.units import program_from, serve_from

from fastsoftmax import _core
from fastsoftmax._core import _cpu
from fastsoftmax._engine.linalg.workspace import Workspace
from fastsoftmax._runtime.dtypes import BFLOAT16

pytestmark = pytest.mark.kernel

LEVEL = "v4_amx_emulated"
needs_level = pytest.mark.skipif(
    not (_core.is_built(LEVEL) and _cpu.supports(LEVEL)), reason="needs kernels of level v4"
)
U = 2.0**-24
LOST = 16 * 2.0**-126  # of a product of scaled numbers, at most
HEADERS = Path(_core.__file__).parent / "simd"


def kernels(level, dtype=np.float32):
    return _core.Groups(np.dtype(dtype), _core.caches, level).linear


@pytest.fixture(autouse=True)
def small_shapes():
    if _core.is_built(LEVEL) and _cpu.supports(LEVEL):
        serve_from(32, LEVEL)
        yield
        serve_from(256, LEVEL)
    else:
        yield


# The instruction


def rounded(x, error):
    """x + error, two float64 of an exact sum, rounded once to float32.

    Of an inexact x the last bit is made odd: then rounding again is as good as rounding at once.
    """
    even = x.view(np.int64) % 2 == 0
    towards = np.nextafter(x, np.where(error > 0, np.inf, -np.inf))
    return np.where((error != 0) & even, towards, x).astype(np.float32)


def flushed(x):
    return np.where(abs(x) < 2.0**-126, np.copysign(np.float32(0), x), x).astype(np.float32)


def exact_sum(x, y):
    """The sum of two float64 arrays, and its error (Knuth)."""
    total = x + y
    part = total - x
    return total, (x - (total - part)) + (y - part)


def documented_product(c, a, b):
    """C + A B for a tile of float32 and two of bfloat16, B's rows in pairs."""
    wide = [flushed((x.astype(np.uint32) << 16).view(np.float32)) for x in (a, b)]
    a, b = (x.astype(np.float64) for x in wide)
    sums = np.zeros((2, 16, 16), np.float32)
    for k in range(16):
        for odd in (0, 1):
            products = np.outer(a[:, 2 * k + odd], b[k, odd::2])
            total = exact_sum(products, sums[odd].astype(np.float64))
            sums[odd] = flushed(rounded(*total))
    inner = flushed(rounded(*exact_sum(*sums.astype(np.float64))))
    return flushed(rounded(*exact_sum(flushed(c).astype(np.float64), inner.astype(np.float64))))


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    """`emulated_product`, compiled for this processor, or the one that is emulated."""
    named = os.environ.get("CC", "cc"), "gcc", "clang"
    compiler = next(filter(None, map(shutil.which, named)), None)
    if compiler is None or not (HEADERS / "emulated_units.h").exists():
        pytest.skip("needs a C compiler and the source")
    folder = tmp_path_factory.mktemp("units")
    source, library = folder / "units.c", folder / "units.so"
    source.write_text(
        '#include "emulated_units.h"\n'
        "void product(float *c, const uint16_t *a, const uint16_t *b)\n"
        "{ emulated_product(c, a, b); }\n"
    )
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O3", f"-I{HEADERS}", source, "-o", library, "-lm"],
        check=True,
    )
    compiled = ctypes.CDLL(str(library)).product

    def call(c, a, b):
        out = c.copy()
        compiled(*(x.ctypes.data_as(ctypes.c_void_p) for x in (out, a, b)))
        return out

    return call


@pytest.mark.parametrize(("lowest", "highest"), [(120, 134), (90, 160), (1, 254), (0, 75)])
def test_the_emulated_product_follows_the_documentation(product, lowest, highest):
    """Exponents from `lowest` to `highest`, so that results are subnormal or infinite, too."""
    rng = np.random.default_rng([lowest, highest])

    def halves(shape):
        signs, fractions = rng.integers(2, size=shape) << 15, rng.integers(128, size=shape)
        exponents = rng.integers(lowest, highest, size=shape, endpoint=True) << 7
        return (signs | exponents | fractions).astype(np.uint16)

    with np.errstate(all="ignore"):
        for _ in range(50):
            a, b = halves((16, 32)), halves((16, 32))
            c = (
                halves((16, 16)).astype(np.uint32) << 16 | rng.integers(1 << 16, size=(16, 16))
            ).astype(np.uint32)
            c = c.view(np.float32)
            expected = documented_product(c, a, b)
            np.testing.assert_array_equal(product(c, a, b), expected)


def test_the_order_of_sums_shows(product):
    """(even + odd) first: 2^24 + 1 + 1 would be 2^24 if they were added to it one by one."""
    one = np.uint16(0x3F80)
    a, b = np.zeros((2, 16, 32), np.uint16)
    a[0, :2], b[0, :2] = one, one
    c = np.full((16, 16), 2.0**24, np.float32)
    assert product(c, a, b)[0, 0] == 2.0**24 + 2


# Terms


def by_logits(x):
    """The numbers of x (n, 32), each times 1."""
    out = np.empty((len(x), 32), np.float32)
    kernels(LEVEL).logits(x, np.eye(32, dtype=np.float32), None, out, Workspace(), 1)
    return out


def by_gradient(x):
    """The same of 32 rows."""
    return gradient(kernels(LEVEL), x, np.eye(32, dtype=np.float32))


def gradient(kernel, x, z, n_threads=1):
    """Zᵀ X; the rows that the last tile lacks are NaN."""
    k = z.shape[1]
    grad_w, grad_b = np.zeros((k, x.shape[1])), np.zeros(k)
    tiles = stored(z, np.float32).tiles
    kernel.value_and_grad(
        x, None, None, None, None, 1.0, grad_w, grad_b, None, Workspace(), n_threads, tiles
    )
    return grad_w


@needs_level
def test_every_float16_is_two_terms():
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    every = every[np.isfinite(every)]
    assert len(every) == 63488
    x = every.reshape(-1, 32)
    np.testing.assert_array_equal(by_logits(x), x.astype(np.float32))
    for rows in x.reshape(-1, 32, 32):
        np.testing.assert_array_equal(by_gradient(rows), rows.astype(np.float64))


@needs_level
@pytest.mark.parametrize("scale", [-100, 0, 100])
def test_every_float32_is_three_terms(scale):
    """All exponents within 2^50 of a feature's largest number; also with its power of two."""
    rng = np.random.default_rng(0)
    fractions = rng.integers(1 << 23, size=(64000, 32)) | rng.integers(103, 153, (64000, 32)) << 23
    x = (fractions | rng.integers(2, size=fractions.shape) << 31).astype(np.uint32).view(np.float32)
    x = x * np.float32(2.0**scale)
    np.testing.assert_array_equal(by_logits(x), x)
    np.testing.assert_array_equal(by_gradient(x[:32]), x[:32].astype(np.float64))


@needs_level
@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int8", "uint16", "int16", "float16", "bfloat16"]
)
def test_a_narrow_type_gives_the_bits_of_float32(dtype):
    rng = np.random.default_rng(0)
    n, d, k = 700, 70, 45
    x = rng.standard_normal((n, d)).astype(np.float16)
    if "int" in dtype:
        limits = np.iinfo(dtype)
        x = rng.integers(limits.min, limits.max, size=(n, d), endpoint=True)
    if dtype == "bfloat16":
        halves = (x.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        x, wide = halves.view(BFLOAT16), (halves.astype(np.uint32) << 16).view(np.float32)
    else:
        x = (x > 0 if dtype == "bool" else x).astype(dtype)
        wide = x.astype(np.float32)
    w, z = (rng.standard_normal((m, k)).astype(np.float32) for m in (d, n))
    kernel = kernels(LEVEL)
    results = []
    for each in (x, wide):
        out = np.empty((n, k), np.float32)
        kernel.logits(each, np.ascontiguousarray(w.T), None, out, Workspace(), 1)
        results.append((out, gradient(kernel, each, z)))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])


# Products


def power(x):
    """2^e <= |x| < 2^(e + 1) for the largest number of each column, 1 of zeros."""
    largest = abs(x).max(axis=0)
    return np.where(largest > 0, 2.0 ** np.floor(np.log2(np.where(largest > 0, largest, 1))), 1)


def lost(left, right):
    """What leftᵀ right may lose because parts of scaled numbers are below 2^-126."""
    of_right = power(right)
    of_left = power(left)
    return LOST * len(left) * np.outer(of_left, of_right) + 2.0**-148


def lost_logits(x, w):
    """The same of X Wᵀ, scaled by features first."""
    of_features = power(x)
    of_classes = power((w * of_features).T)
    return LOST * x.shape[1] * of_classes[None, :] + 2.0**-148


def assert_as_good(left, right, base, actual, tiny, more, few):
    """In units of u Σ|x||w| the error is at most so much above the largest of v4's.

    That one is small by chance where some products rule a sum: there their number, up to `few`, is
    what it may be.
    """
    exact, sizes = left @ right, abs(left) @ abs(right)
    few = ((left != 0).astype(float) @ (right != 0)).clip(max=few)
    normal = sizes > 2.0**-125
    measured = (abs(base - exact) / np.where(normal, U * sizes, 1))[normal].max(initial=0)
    excess = abs(actual - exact) - (np.maximum(measured, few) + more) * U * sizes - tiny
    assert (excess <= 0).all(), (excess.max(), measured)


def check(x, w, z, more=0.5, few=0):
    """Logits of X and W, and Zᵀ X, beside v4's."""
    x64, w64, z64 = (a.astype(np.float64) for a in (x, w, z))
    results = {}
    for level in (LEVEL, "v4"):
        kernel, out = kernels(level), np.empty((len(x), len(w)), np.float32)
        kernel.logits(x, w, None, out, Workspace(), 2)
        results[level] = out, gradient(kernel, x, z, 2)
    for i, left, right, tiny in (
        (0, x64, w64.T, lost_logits(x64, w64)),
        (1, z64.T, x64, lost(z64, x64)),
    ):
        assert_as_good(left, right, results["v4"][i], results[LEVEL][i], tiny, more, few)


@needs_level
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint8])
@pytest.mark.parametrize(
    ("n", "d", "k"), [(1, 32, 32), (33, 33, 33), (100, 47, 50), (2000, 100, 65), (1300, 1024, 100)]
)
def test_products(n, d, k, dtype):
    rng = np.random.default_rng([n, d, k])
    x = (abs(rng.standard_normal((n, d))) * 60).clip(0, 255).astype(dtype)
    check(x, *(rng.standard_normal(s).astype(np.float32) for s in ((k, d), (n, k))))


@st.composite
def problems(draw, dtype):
    """X, W and Z of any sizes, features and classes of any scale, zeros, subnormal numbers."""
    n, d, k = draw(st.integers(1, 150)), draw(st.integers(32, 100)), draw(st.integers(32, 80))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    spread = draw(st.sampled_from((0, 3, 12)))
    powers = {"float32": (-40, -30, 0, 15, 30), "float16": (-5, 0, 3)}[dtype]
    arrays = []
    for shape, at in (
        ((n, d), powers),
        ((k, d), (-40, -30, -15, 0, 7)),
        ((n, k), (-40, -30, 0, 7)),
    ):
        x = rng.standard_normal(shape)
        x *= 10.0 ** (draw(st.sampled_from(at)) + spread * rng.uniform(-1, 1, shape[1]))
        x[rng.random(shape) < draw(st.sampled_from((0, 0.3, 0.97)))] = 0
        arrays.append(x.clip(-1e38, 1e38).astype(np.float32))
    x, w, z = arrays
    return (x.clip(-6e4, 6e4).astype(np.float16) if dtype == "float16" else x), w, z


def largest_sum(x, w, z):
    x, w, z = (abs(a.astype(np.float64)) for a in (x, w, z))
    return max((x @ w.T).max(), (z.T @ x).max())


@needs_level
@settings(deadline=None, max_examples=100)
@given(problems("float32"))
def test_products_of_any_scale(arrays):
    """Two products of terms are left out, each at most u/2: sums of many numbers lose less."""
    assume(largest_sum(*arrays) < 1e38)
    check(*arrays, more=1.0, few=8)


@needs_level
@settings(deadline=None, max_examples=100)
@given(problems("float16"))
def test_products_of_float16_of_any_scale(arrays):
    check(*arrays, few=8)


@needs_level
def test_what_is_not_finite_stays_in_its_row():
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(s).astype(np.float32) for s in ((70, 40), (33, 40)))
    kernel, out, whole = kernels(LEVEL), *np.empty((2, 70, 33), np.float32)
    kernel.logits(x, w, None, whole, Workspace(), 1)
    x[3, 5], x[66, 7] = np.inf, np.nan
    kernel.logits(x, w, None, out, Workspace(), 1)
    others = np.delete(np.arange(70), (3, 66))
    assert np.isnan(out[[3, 66]]).all()
    assert abs(out[others] - whole[others]).max() < 1e-5


# The level


@needs_level
def test_few_classes_and_float64_are_v4s():
    rng = np.random.default_rng(0)
    for dtype, k in ((np.float64, 40), (np.float32, 31)):
        x, w = (rng.standard_normal(s).astype(dtype) for s in ((300, 64), (k, 64)))
        outs = np.empty((2, 300, k), dtype)
        for level, out in zip((LEVEL, "v4"), outs, strict=True):
            kernels(level, dtype).logits(x, w, None, out, Workspace(), 1)
        np.testing.assert_array_equal(*outs)


@needs_level
@pytest.mark.parametrize(("d", "k"), [(256, 255), (255, 256), (256, 256)])
def test_from_256_classes_and_features_on(d, k):
    serve_from(256, LEVEL)
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(s).astype(np.float32) for s in ((70, d), (k, d)))
    outs = np.empty((2, 70, k), np.float32)
    for level, out in zip((LEVEL, "v4"), outs, strict=True):
        kernels(level).logits(x, w, None, out, Workspace(), 1)
    assert (outs[0] == outs[1]).all() == (min(d, k) < 256)


FIT = """
import numpy as np
from fastsoftmax import SoftmaxRegression, _core
assert _core.level == {level!r}
rng = np.random.default_rng(0)
centres = rng.standard_normal((40, 64))
y = rng.integers(40, size=3000)
X = (centres[y] + 2 * rng.standard_normal((3000, 64))).astype(np.float32)
model = SoftmaxRegression(C=1.0, random_state=0).fit(X, y)
assert model.certified_
print(repr(float(model.objective_)), model.gap_bound_, model.n_passes_)
"""


def program(level):
    fit = FIT.format(level=level)
    return program_from(32, level, fit) if "amx" in level else fit


@needs_level
def test_a_fit_reaches_the_certified_optimum():
    found = [
        run(program(level), FASTSOFTMAX_ISA=level, OMP_NUM_THREADS=threads)
        for level, threads in ((LEVEL, "1"), (LEVEL, "2"), ("v4", "2"))
    ]
    assert all(result.returncode == 0 for result in found), found[0].stderr
    assert found[0].stdout == found[1].stdout
    (ours, gap, _), (v4, other_gap, _) = (map(float, r.stdout.split()) for r in found[1:])
    assert abs(ours - v4) <= max(gap, other_gap)


@needs_level
@pytest.mark.skipif("v4_amx" not in _core.runnable(), reason="needs matrix units")
def test_the_units_give_the_bits_of_the_emulation():
    found = [run(program(level), FASTSOFTMAX_ISA=level) for level in ("v4_amx", LEVEL)]
    assert all(result.returncode == 0 for result in found), found[0].stderr
    assert found[0].stdout == found[1].stdout


@needs_level
@pytest.mark.skipif(_cpu.supports("v4_amx"), reason="needs a processor without matrix units")
def test_the_level_needs_its_units():
    result = run("import fastsoftmax", FASTSOFTMAX_ISA="v4_amx")
    assert "got 'v4_amx', which this processor cannot run" in result.stderr
