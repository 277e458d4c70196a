"""What macOS and Windows lack is not missed: a process from which it has been taken away.

The compiled modules stay those of this system. What they say on others is said here in their place.
"""

from support.processes import run

WORK = """
import numpy as np
import fastsoftmax
rng = np.random.default_rng(0)
X = rng.standard_normal((40_000, 30))
y = (X[:, :4] + rng.gumbel(size=(40_000, 4))).argmax(axis=1)
model = fastsoftmax.SoftmaxRegression(n_threads=2).fit(X, y)
"""
SHOW = "\nprint(model.coef_.tobytes().hex())"
TAKEN_AWAY = """
import builtins, io, os, signal, tempfile
import numpy as np
for module, names in (
    (os, ("fork", "register_at_fork", "chown", "sched_getaffinity", "sched_setaffinity")),
    (signal, ("SIGPIPE",)),
):
    for name in filter(lambda name: hasattr(module, name), names):
        delattr(module, name)
def without_proc(call):
    def replacement(path, *args, **kwargs):
        if str(path).startswith(("/proc", "/sys")):
            raise FileNotFoundError(path)
        return call(path, *args, **kwargs)
    return replacement
builtins.open = io.open = without_proc(open)
os.listdir = without_proc(os.listdir)

from fastsoftmax import _core
system, cpu = _core._system, _core._cpu
system.processor, system.processors = lambda: -1, lambda: 0
system.waited, system.turn, system.threads_asked = lambda thread: None, lambda: 0.0, lambda: b""
original = cpu.start_team
cpu.start_team = lambda n: original(n) and [0] * (n - 1)
from fastsoftmax._core._caches import DEFAULT, detect
assert _core.caches == detect() == DEFAULT
assert not _core._loaded.libraries()
"""
REST = """
from fastsoftmax._runtime import teams, threads, versions
assert threads.available_threads() == os.cpu_count()
assert teams.can_run(2) and teams.lateness() == 0
assert "logical processors" in versions.processor() and versions.versions()
with tempfile.TemporaryDirectory() as folder:
    for _ in range(2):  # the second takes the place of the first
        model.save(os.path.join(folder, "model"))
    assert os.listdir(folder) == ["model"]
    loaded = fastsoftmax.load(os.path.join(folder, "model"))
np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
"""


def test_results_are_those_of_this_system():
    here, there = run(WORK + SHOW), run(TAKEN_AWAY + WORK + REST + SHOW)
    assert there.returncode == 0, there.stderr
    assert there.stdout == here.stdout != ""


NO_FOLDERS = """
import os
real = os.open
def no_folder(path, *args):
    if os.path.isdir(path):
        raise PermissionError(path)
    return real(path, *args)
"""


def test_a_system_that_cannot_open_folders_saves(tmp_path):
    """As Windows cannot: a folder is put on the disk where the system is POSIX."""
    save = f"""
import pathlib
{NO_FOLDERS}
os.open, os.name = no_folder, "other"
model.save({str(tmp_path / "model")!r})
assert (fastsoftmax.load({str(tmp_path / "model")!r}).coef_ == model.coef_).all()
"""
    result = run(WORK + "fastsoftmax.load\nimport fastsoftmax._saving.replacement" + save)
    assert result.returncode == 0, result.stderr
