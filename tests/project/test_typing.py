"""The package's types, as a user's type checker sees them."""

import runpy
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("typing_user.py")
WRONG = """
import fastsoftmax
fastsoftmax.SoftmaxRegression(C="much")
fastsoftmax.softmax([0.0, 1.0]).no_such_method()
fastsoftmax.fit([[0.0], [1.0]], [0, 1]).predict("a", "b")
"""


def checked(path):
    """What mypy says of a file: (status, lines)."""
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", path.name]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout.splitlines()


def installed(name):
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


needs_mypy = pytest.mark.skipif(
    not (installed("mypy") and installed("scipy-stubs")), reason="needs mypy and scipy-stubs"
)


@needs_mypy
def test_mypy_accepts_a_users_program():
    status, lines = checked(PROGRAM)
    assert status == 0, "\n".join(lines)


@needs_mypy
def test_mypy_sees_types(tmp_path):
    (tmp_path / "wrong.py").write_text(WRONG)
    status, lines = checked(tmp_path / "wrong.py")
    assert status == 1
    assert [line.split(":")[1] for line in lines[:-1]] == ["3", "4", "5"]


@pytest.mark.filterwarnings("ignore")  # two iterations are enough here
def test_the_program_runs(capsys):
    runpy.run_path(str(PROGRAM), run_name="__main__")
    assert "LOG-LIKELIHOOD" in capsys.readouterr().out
