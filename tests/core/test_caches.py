"""Caches: what the system says of them, and that no result depends on them."""

import numpy as np
import pytest
from support.processes import run

from fastsoftmax import _core
from fastsoftmax._core import _caches
from fastsoftmax._core._caches import Caches, completed, of_linux, of_macos, parsed
from fastsoftmax._engine.linalg.workspace import Workspace

TABLES = (
    Caches(8 << 10, 64 << 10, 64 << 10),
    Caches(48 << 10, 2 << 20, 64 << 20),
    Caches(1 << 20, 64 << 20, 1 << 30),
)
PRECISIONS = {np.float32: "f32", np.float64: "f64"}
# one for each way: dots, with one eliminated; rows and weights transposed; panels with one pack and
# several; short and long partitions; a page apart; partial tiles
SHAPES = (
    (3001, 784, 10),
    (700, 2050, 5),
    (2500, 64, 70),
    (2100, 512, 100),
    (5000, 33, 21),
    (300, 1000, 300),
    (2003, 200, 1500),
    (150, 3000, 601),
    (33, 17, 9000),
)


def machines(dtype):
    return [_core.Groups(np.dtype(dtype), table, _core.level).linear for table in TABLES]


def problem(n, d, k, dtype):
    rng = np.random.default_rng([n, d, k])
    X = rng.standard_normal((n, d)).astype(dtype)
    W = (rng.standard_normal((k, d)) / np.sqrt(d)).astype(dtype)
    return X, W, rng.standard_normal(k).astype(dtype), rng.integers(k, size=n).astype(np.int32)


def assert_same_bits(results):
    for others in results[1:]:
        for one, other in zip(results[0], others, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.kernel
@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_no_bit_depends_on_the_caches(shape, dtype):
    X, W, b, y = problem(*shape, dtype)
    n, d, k = shape
    tiles = -(-n // _core.kernels(np.dtype(dtype)).linear.tile_rows())

    def everything(kernel, n_threads):
        workspace, results = Workspace(), []
        for wants_x, wide in ((False, True), (True, True), (False, False)):
            grad_w = np.zeros((k, d), np.float64 if wide else dtype)
            grad_b, grad_x = np.zeros(k), np.zeros((n, d), dtype) if wants_x else None
            loss = kernel.value_and_grad(
                X, W, b, y, None, 1 / n, grad_w, grad_b, grad_x, workspace, n_threads
            )
            results += [loss, grad_w, grad_b] + [grad_x] * wants_x
        logits = np.zeros((n, k), dtype)
        kernel.logits(X, W, b, logits, workspace, n_threads)
        stored = np.zeros((tiles, k, kernel.tile_rows()), dtype)
        kernel.store_logits(X, W, b, stored, workspace, n_threads)
        grad_w, grad_b = np.zeros((k, d)), np.zeros(k)
        loss = kernel.value_and_grad(
            X, None, None, y, None, 1.0, grad_w, grad_b, None, workspace, n_threads, stored.copy()
        )
        valid = stored.transpose(0, 2, 1).reshape(-1, k)[:n]
        return [*results, logits, valid, loss, grad_w, grad_b]

    assert_same_bits(
        [everything(kernel, n_threads) for kernel in machines(dtype) for n_threads in (1, 3)]
    )


@pytest.mark.kernel
@pytest.mark.parametrize("layout", ["uint8", "Fortran", "rows a page apart"])
def test_nor_where_x_is_stored_otherwise(layout):
    n, d, k = 1500, 200, 60
    X, W, b, y = problem(n, d, k, np.float32)
    if layout == "uint8":
        X = (50 * np.abs(X)).astype(np.uint8)
    elif layout == "Fortran":
        X = np.asfortranarray(X)
    else:
        X = np.pad(X, ((0, 0), (0, 1024 - d)))[:, :d]
    results = []
    for kernel in machines(np.float32):
        grad_w, grad_b = np.zeros((k, d)), np.zeros(k)
        loss = kernel.value_and_grad(X, W, b, y, None, 1 / n, grad_w, grad_b, None, Workspace(), 2)
        results.append((loss, grad_w, grad_b))
    assert_same_bits(results)


@pytest.mark.kernel
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nor_do_moments(dtype):
    X = np.random.default_rng(0).standard_normal((2000, 300)).astype(dtype) + 3
    results = []
    for kernel in machines(np.float64):
        means, variances = np.zeros((2, 1, 300))
        kernel.moments(X, None, None, 1 / 2000, means, Workspace(), 2)
        kernel.moments(X, means, None, 1 / 2000, variances, Workspace(), 2)
        results.append((means, variances))
    assert_same_bits(results)
    np.testing.assert_allclose(results[0][0][0], X.mean(0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(results[0][1][0], X.var(0, dtype=np.float64), rtol=1e-12)


def cache_folder(folder, caches):
    """What Linux shows of caches (level, type, size, processors)."""
    for i, texts in enumerate(caches):
        (folder / f"index{i}").mkdir()
        for name, text in zip(("level", "type", "size", "shared_cpu_list"), texts, strict=True):
            (folder / f"index{i}" / name).write_text(text + "\n")
    return folder


def test_linux(tmp_path):
    folder = cache_folder(
        tmp_path,
        [
            ("1", "Data", "48K", "0,8"),  # two threads per core
            ("1", "Instruction", "32K", "0,8"),
            ("2", "Unified", "2048K", "0,8"),
            ("3", "Unified", "32M", "0-15"),
        ],
    )
    assert completed(of_linux(folder)) == Caches(48 << 10, 2 << 20, 4 << 20)


def test_linux_without_a_third_cache(tmp_path):
    folder = cache_folder(tmp_path, [("1", "Data", "64K", "0"), ("2", "Unified", "4M", "0-3")])
    assert completed(of_linux(folder)) == Caches(64 << 10, 1 << 20, 2 << 20)


def test_macos():
    known = {
        "hw.perflevel0.l1dcachesize": 128 << 10,
        "hw.perflevel0.l2cachesize": 12 << 20,
        "hw.perflevel0.cpusperl2": 4,
    }
    found = completed(of_macos(lambda name: known.get(name, 0)))
    assert found == Caches(128 << 10, 3 << 20, 3 << 20)


def test_defaults_where_the_system_does_not_tell(tmp_path, monkeypatch):
    assert completed(of_linux(tmp_path)) == _caches.DEFAULT
    cache_folder(tmp_path, [("1", "Data", "?", "0")])
    monkeypatch.delenv("FASTSOFTMAX_CACHES", raising=False)
    assert _caches.detect(tmp_path) == _caches.DEFAULT


def test_the_environment_is_heard():
    assert parsed("48K, 1m,32M") == Caches(48 << 10, 1 << 20, 32 << 20)
    assert parsed("32768,65536,1G") == Caches(32 << 10, 64 << 10, 1 << 30)
    code = "from fastsoftmax import _core; print(*_core.caches)"
    result = run(code, FASTSOFTMAX_CACHES="16K,128K,1M")
    assert result.stdout.split() == ["16384", "131072", "1048576"]


@pytest.mark.parametrize(
    "text", ["48K,1M", "48K,1M,32M,1G", "1M,48K,32M", "big,1M,32M", "1,2,3", "-1,2,3"]
)
def test_malformed_sizes(text):
    with pytest.raises(ImportError, match="FASTSOFTMAX_CACHES: expected three sizes"):
        parsed(text)


def test_malformed_sizes_in_the_environment():
    result = run("import fastsoftmax", FASTSOFTMAX_CACHES="lots")
    assert result.returncode
    assert "ImportError: FASTSOFTMAX_CACHES: expected three sizes" in result.stderr
