"""Importing the library: which kernels it picks, and what it leaves alone. In fresh processes."""

import os
import shutil
from pathlib import Path

import pytest
from support.processes import run

from fastsoftmax import _core
from fastsoftmax._core import _cpu, _loaded

RUNNABLE = [level for level in _core.LEVELS if _core.is_built(level) and _cpu.supports(level)]

SOFTMAX = """
import numpy as np
from fastsoftmax import _core, softmax
assert _core.level == {level!r}, _core.level
for dtype in (np.float32, np.float64):
    x = np.random.default_rng(0).standard_normal((5, 37)).astype(dtype)
    e = np.exp(x.astype(float))
    np.testing.assert_allclose(softmax(x), e / e.sum(axis=1, keepdims=True), rtol=2e-6)
"""

# Compilers link code that flushes subnormals to zero into libraries built with -ffast-math.
SUBNORMALS = """
import numpy as np
def results():
    wide = np.array([5e-324, 3e-308], np.float64)
    narrow = np.array([1e-45, 1.2e-38], np.float32)
    return [a.tobytes() for x in (wide, narrow) for a in (x * 1, x / 3, x - x[::-1], x + x)]
before = results()
assert np.float64(5e-324) * 1 > 0 and np.float32(1e-45) * np.float32(1) > 0
import fastsoftmax
X = np.ones((200_000, 8))
fastsoftmax.softmax(X, n_threads=2)
fastsoftmax.logsumexp(X, axis=0, n_threads=2)
fastsoftmax.sigmoid(X, n_threads=2)
fastsoftmax.cross_entropy_value_and_grad(X, [0] * len(X), n_threads=2)
fastsoftmax.linear_cross_entropy_value_and_grad(X, X[:2], None, [0] * len(X), n_threads=2)
assert results() == before
assert np.float64(5e-324) * 1 > 0 and np.float32(1e-45) * np.float32(1) > 0
"""

FORK = """
import os, sys, time, warnings
import numpy as np
import fastsoftmax
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on: fork with threads
X, W, y = np.ones((40_000, 40)), np.zeros((10, 40)), np.zeros(40_000, int)
def work():
    loss, grads = fastsoftmax.linear_cross_entropy_value_and_grad(X, W, None, y, n_threads=2)
    fastsoftmax.softmax(X, n_threads=2)
    return loss.hex(), grads.W.tobytes()
expected = work()
child = os.fork()
if not child:
    os._exit(0 if work() == expected else 3)
deadline = time.monotonic() + 30
while time.monotonic() < deadline:
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
        assert work() == expected  # the parent still has its threads
        sys.exit(os.waitstatus_to_exitcode(status))
    time.sleep(0.02)
os.kill(child, 9)
os.waitpid(child, 0)
sys.exit("the child hangs")
"""


def assert_runs(code, **environment):
    result = run(code, **environment)
    assert result.returncode == 0, result.stderr


def test_unknown_level_is_refused_with_those_that_run():
    result = run("import fastsoftmax", FASTSOFTMAX_ISA="v9")
    assert result.returncode != 0
    expected = f"one of {', '.join(RUNNABLE)}, got 'v9', which was not built"
    assert f"ImportError: FASTSOFTMAX_ISA: expected {expected}" in result.stderr


@pytest.mark.parametrize("level", RUNNABLE)
def test_every_level_runs(level):
    assert_runs(SOFTMAX.format(level=level), FASTSOFTMAX_ISA=level)


def test_best_level_is_the_default():
    assert_runs(SOFTMAX.format(level=RUNNABLE[0]), FASTSOFTMAX_ISA="")


def test_built_level_that_cannot_run_is_refused(monkeypatch):
    monkeypatch.setattr(_cpu, "supports", lambda level: level == RUNNABLE[-1])
    monkeypatch.setenv("FASTSOFTMAX_ISA", RUNNABLE[0])
    if len(RUNNABLE) == 1:
        pytest.skip("one level only")
    with pytest.raises(ImportError, match=f"{RUNNABLE[-1]}, got .*, which this processor cannot"):
        _core._choose()


def test_kernels_that_no_processor_here_can_run(monkeypatch):
    monkeypatch.setattr(_cpu, "supports", lambda level: False)
    monkeypatch.delenv("FASTSOFTMAX_ISA", raising=False)
    with pytest.raises(ImportError, match="none of which this processor can run; build it here"):
        _core._choose()


@pytest.fixture
def not_compiled(tmp_path):
    """A folder with the package's Python files alone, as src of a checkout is before a build."""
    package = Path(_core.__file__).parents[1]
    for path in package.rglob("*.py"):
        copy = tmp_path / "fastsoftmax" / path.relative_to(package)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    return tmp_path


ELSEWHERE = "import sys; sys.path.insert(0, {folder!r}); import fastsoftmax"
BUILD = "build it here, in a checkout or an unpacked source archive: pip install ."


def test_a_package_that_is_not_compiled_says_how_it_is(not_compiled):
    result = run(ELSEWHERE.format(folder=str(not_compiled)), PYTHONSAFEPATH="1")
    assert (
        "ImportError: fastsoftmax._core._system: expected a compiled module that" in result.stderr
    )
    assert BUILD in result.stderr and "circular" not in result.stderr


def test_a_library_that_is_missing_is_named(not_compiled):
    """As libgomp is in an image without it, to which a build was copied."""
    (system,) = Path(_core.__file__).parent.glob(f"_system*{Path(_cpu.__file__).suffix}")
    shutil.copy2(system, not_compiled / "fastsoftmax/_core")
    module = not_compiled / "fastsoftmax/_core/_cpu.py"
    module.write_text('raise ImportError("libgomp.so.1: cannot open shared object file")\n')
    result = run(ELSEWHERE.format(folder=str(not_compiled)), PYTHONSAFEPATH="1")
    assert "_core._cpu: expected a compiled module that" in result.stderr
    assert "(libgomp.so.1: cannot open shared object file)" in result.stderr


def test_no_path_of_a_library_is_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lib.so.1").symlink_to(tmp_path / "lib.so.1.0.0")
    assert _loaded.file_of(str(tmp_path / "lib.so.1")) == os.path.realpath("lib.so.1.0.0")
    assert _loaded.file_of("") == ""


def test_subnormals_survive_import_and_kernels():
    assert_runs(SUBNORMALS)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_forked_child_of_a_threaded_parent_finishes():
    assert_runs(FORK)
