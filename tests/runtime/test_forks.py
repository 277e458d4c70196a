"""Forked children compute, on one thread where the team they inherit may be dead."""

import os
import re
import shutil
import struct
import subprocess
import sys

import pytest
from support.processes import run

from fastsoftmax import _core
from fastsoftmax._core import _cpu, _loaded
from fastsoftmax._runtime import teams

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork") or "libgomp" not in _cpu.start_openmp(),
    reason="no fork, or another OpenMP runtime than GNU's",
)

COMPUTE = """
import os, signal, sys, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on: fork with threads
def compute():
    import numpy as np
    import fastsoftmax
    x = np.random.default_rng(0).normal(size=(100_000, 10))
    p = fastsoftmax.softmax(x, n_threads=2)
    e = np.exp(x - x.max(axis=1, keepdims=True))
    np.testing.assert_allclose(p, e / e.sum(axis=1, keepdims=True), rtol=1e-12)
    from fastsoftmax._runtime.teams import can_run
    return 2 if can_run(2) else 1
def in_child(call):
    '''What a forked child makes of it, as its exit status.'''
    child = os.fork()
    if not child:
        signal.alarm(30)
        try:
            os._exit(call())
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""
TORCH = """
import torch
torch.set_num_threads(2)
torch.ones(2000, 2000).exp().sum()
"""
SKLEARN = """
import numpy as np
from sklearn.cluster import KMeans
KMeans(4, n_init=1, max_iter=2).fit(np.random.default_rng(0).normal(size=(20_000, 8)))
"""
LIBRARY = """
#include <omp.h>
int busy(void) {
    int n = 0;
    #pragma omp parallel num_threads(2) reduction(+ : n)
    n += 1;
    return n;
}
"""


def printed(code):
    result = run(COMPUTE + code, OMP_NUM_THREADS="2")
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def is_ours(package):
    """Whether the OpenMP that it has loaded is the one that our kernels call from then on, by name
    or because its symbols come first."""
    code = f"""
import {package}
before = open("/proc/self/maps").read()
from fastsoftmax import _core
print(_core.openmp_library in before)
"""
    return run(code).stdout.split() == ["True"]


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """Code that runs a team of a plain library, with the OpenMP that ours was built with."""
    if shutil.which("gcc") is None or _loaded.names(_core.openmp_library)[0] != "libgomp.so.1":
        pytest.skip("no compiler, or an OpenMP of our own")
    folder = tmp_path_factory.mktemp("plain")
    source, library = folder / "busy.c", folder / "busy.so"
    source.write_text(LIBRARY)
    subprocess.run(["gcc", "-fopenmp", "-shared", "-fPIC", source, "-o", library], check=True)
    return f"\nimport ctypes\nassert ctypes.CDLL({str(library)!r}).busy() == 2\n"


def test_nothing_ran_before():
    code = "import fastsoftmax\nprint(in_child(compute), in_child(lambda: in_child(compute)))"
    assert printed(code) == ["2", "2"]


def test_ours_ran_before():
    code = "print(compute(), in_child(compute), in_child(lambda: in_child(compute)), compute())"
    assert printed(code) == ["2", "1", "1", "2"]


def test_ours_ran_in_the_child_that_forks():
    code = "import fastsoftmax\nprint(in_child(lambda: 10 * compute() + in_child(compute)))"
    assert printed(code) == ["21"]


def test_a_plain_library_ran_before(busy):
    code = f"import fastsoftmax{busy}print(in_child(compute), compute())"
    assert printed(code) == ["1", "2"]
    code = f"{busy}import fastsoftmax\nprint(in_child(compute), compute())"
    assert printed(code) == ["1", "2"]


def test_imported_by_the_child_only(busy):
    code = f"{busy}print(in_child(compute), in_child(lambda: in_child(compute)))"
    assert printed(code) == ["1", "1"]


def test_all_of_it_in_the_child(busy):
    code = f"def both():{busy.replace(chr(10), chr(10) + '    ')}return compute()\n"
    assert printed(code + "print(in_child(both))") == ["2"]


def test_torch_ran_before():
    pytest.importorskip("torch")
    expected = "1" if is_ours("torch") else "2"
    code = f"{TORCH}import fastsoftmax\nprint(in_child(compute), compute())"
    assert printed(code) == [expected, "2"]
    assert printed(f"{TORCH}print(in_child(compute))") == [expected]


def test_scikit_learn_ran_before():
    pytest.importorskip("sklearn")
    expected = "1" if is_ours("sklearn.cluster") else "2"
    code = f"{SKLEARN}import fastsoftmax\nprint(in_child(compute), compute())"
    assert printed(code) == [expected, "2"]


def test_a_dead_team_would_hang(busy):
    alive = "from fastsoftmax._runtime import teams\nteams.may_be_dead = lambda: False\n"
    code = f"import fastsoftmax{busy}{alive}signal.alarm = lambda s: signal.setitimer(0, 2)\n"
    assert printed(code + "print(in_child(compute))") == ["-14"]


def test_names_in_libraries(busy):
    path = busy.split("'")[1]
    called, needed = _loaded.names(path)
    assert called == "busy.so"
    if shutil.which("readelf") is None:
        pytest.skip("no readelf")
    shown = subprocess.run(["readelf", "-d", path], capture_output=True, text=True).stdout
    assert needed == re.findall(r"NEEDED.*\[(.*)\]", shown)
    assert "libgomp.so.1" in needed
    assert _loaded.names(_core.openmp_library)[0] == "libgomp.so.1"


def test_files_that_are_no_libraries(tmp_path, monkeypatch):
    path = tmp_path / "data.so"
    path.write_bytes(b"\x7fELF")
    assert _loaded.names(str(path)) == ("data.so", [])
    assert teams.needed_by(str(tmp_path / "gone.so")) == []
    assert not _loaded.libraries(1 << 30)
    ours = {_core.openmp_library: "0", str(path): "1"}
    monkeypatch.setattr(_loaded, "libraries", lambda: ours)
    assert not teams.is_shared(_core.openmp_library)


UNSPELLED = """
import os
from fastsoftmax import _core
from fastsoftmax._core import _loaded
from fastsoftmax._runtime import teams
library = _core.openmp_library
print(os.fsencode(library).startswith(FOLDER))
assert library in _loaded.libraries() and not teams.is_shared(library)
"""


def test_a_runtime_in_a_folder_that_the_locale_cannot_spell(tmp_path):
    folder = tmp_path / "Zürich"
    folder.mkdir()
    shutil.copy2(_core.openmp_library, folder / _loaded.names(_core.openmp_library)[0])
    result = run(
        f"FOLDER = {os.fsencode(folder)}\n{UNSPELLED}",
        **{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        LD_LIBRARY_PATH=str(folder),
    )
    assert result.returncode == 0, result.stderr
    if result.stdout != "True\n":
        pytest.skip("a build that has its runtime elsewhere")


def test_a_runtime_of_which_nothing_is_known_may_be_shared(tmp_path):
    assert teams.is_shared(str(tmp_path / "gone.so"))


def test_one_thread_where_the_system_gives_no_more():
    code = """
import resource, fastsoftmax
from fastsoftmax._runtime.teams import can_run
fastsoftmax.softmax([[0.0] * 8], n_threads=1)  # loads what it needs
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (6 << 20), -1))  # less than a stack
assert not can_run(2)
assert abs(fastsoftmax.softmax([[0.0] * 8] * 10_000, n_threads=2) - 0.125).max() == 0
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
assert can_run(2)
"""
    assert printed(code) == []


@pytest.mark.parametrize("left", [8, 40])
@pytest.mark.parametrize("solver", ["lbfgs", "preconditioned-lbfgs"])
def test_a_fit_ends_where_little_memory_is_left(left, solver):
    code = f"""
import resource, warnings
import numpy as np
from fastsoftmax import SoftmaxRegression
X = np.random.default_rng(0).normal(size=(2000, 20))
y = np.arange(2000) % 4
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + ({left} << 20), -1))
model = SoftmaxRegression(solver={solver!r}, n_threads=2)
try:
    model.fit(X, y)
except MemoryError:
    assert not hasattr(model, "coef_")
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
expected = SoftmaxRegression(solver={solver!r}).fit(X, y)
assert np.array_equal(getattr(model, "coef_", expected.coef_), expected.coef_)
print(hasattr(model, "coef_"))
"""
    assert printed(code)[0] in ("True", "False")


@pytest.mark.skipif(sys.platform != "linux", reason="ELF files")
def test_names_of_a_library_whose_strings_lie_in_its_second_segment(tmp_path):
    """As after patchelf; a file of 64 bits written by its definition, elf(5)."""
    strings = b"\0libown.so.3\0libgomp.so.1\0"
    places = 0x40 + 3 * 56, 0x200  # of the dynamic section and of the strings, in the file
    mapped = 0x7000  # where the strings are in memory
    tags = [(1, 13), (14, 1), (5, mapped + 0x20), (0, 0)]
    dynamic = b"".join(struct.pack("<QQ", *tag) for tag in tags)
    segments = [
        (1, 0, 0, 0x100),
        (1, 0x1E0, mapped, 0x100),
        (2, places[0], places[0], len(dynamic)),
    ]
    table = b"".join(
        struct.pack("<IIQQQQQQ", kind, 4, at, address, address, size, size, 8)
        for kind, at, address, size in segments
    )
    header = b"\x7fELF\x02\x01".ljust(32, b"\0") + struct.pack("<Q", 0x40)
    header = header.ljust(56, b"\0") + struct.pack("<H", len(segments))
    file = header.ljust(0x40, b"\0") + table + dynamic
    (tmp_path / "lib.so").write_bytes(file.ljust(places[1], b"\0") + strings)
    assert _loaded.names(str(tmp_path / "lib.so")) == ("libown.so.3", ["libgomp.so.1"])
