"""How OpenMP's threads wait: set while the runtime is loaded, for it alone."""

import os
import re
import subprocess
import sys

import pytest
from support.processes import EMULATOR

from fastsoftmax._core import _cpu, _openmp

needs_gomp = pytest.mark.skipif(
    "libgomp" not in _cpu.start_openmp(), reason="another OpenMP runtime than GNU's"
)


def run(code, **variables):
    """What a new process prints."""
    env = {k: v for k, v in os.environ.items() if k not in _openmp.BY_USER}
    command = [*EMULATOR, sys.executable, "-c", code]
    done = subprocess.run(command, env=env | variables, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


STATE = """import os
import fastsoftmax._core as core
print(core.spins_long, core.waiting(), [k for k in os.environ if k in core._openmp.BY_USER])
"""


@needs_gomp
def test_the_runtime_spins_briefly_and_the_environment_is_as_before():
    shown = run(STATE, OMP_DISPLAY_ENV="verbose")
    (turns,) = re.findall(r"GOMP_SPINCOUNT = '([0-9]+)'", shown)
    assert 100 <= int(turns) <= 5000  # 20 µs of turns of 4 to 200 ns
    assert "False spinning briefly at barriers []" in shown


@needs_gomp
@pytest.mark.parametrize(
    ("name", "value", "count"),
    [("OMP_WAIT_POLICY", "passive", "0"), ("GOMP_SPINCOUNT", "77", "77")],
)
def test_what_the_user_says_counts(name, value, count):
    shown = run(STATE, OMP_DISPLAY_ENV="verbose", **{name: value})
    assert f"GOMP_SPINCOUNT = '{count}'" in shown
    assert f"False waiting as the environment says ['{name}']" in shown


@needs_gomp
def test_a_runtime_that_was_loaded_before_is_known_to_spin_for_long():
    load = f"import ctypes; ctypes.CDLL({_cpu.start_openmp()!r})\n"
    assert "True spinning for long" in run(load + STATE)
    teams = (
        "from fastsoftmax._runtime import threads\n"
        "threads.team_rules.set(threads.TeamRules(per_second=0))  # whatever else runs\n"
        "print(threads.team(2, 10**7), threads.team(2, 10**8))"
    )
    assert run(load + STATE + teams).endswith("1 2\n")
    assert run(STATE + teams).endswith("2 2\n")


def test_variables_are_taken_away_after_an_error(monkeypatch):
    for name in _openmp.BY_USER:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ZeroDivisionError), _openmp.spinning_briefly(2e-8):
        1 / (1 - _openmp.set_by_user())
    assert not _openmp.set_by_user()


def test_spins_for_a_time():
    assert _openmp.briefly(2e-8)["GOMP_SPINCOUNT"] == "1000"
    assert _openmp.briefly(0.0)["GOMP_SPINCOUNT"] == "300"  # no turn is known
