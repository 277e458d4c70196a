"""The package's types, as a user's type checker sees them."""

import inspect
import runpy
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

import fastsoftmax
from fastsoftmax._engine import solvers
from fastsoftmax._linear import fitting, softmax_regression
from fastsoftmax._neural import estimator, initial, schedules
from fastsoftmax._runtime import typing
from fastsoftmax._validation import targets

PROGRAM = Path(__file__).with_name("typing_user.py")
WRONG = """
import fastsoftmax
fastsoftmax.SoftmaxRegression(C="much")
fastsoftmax.softmax([0.0, 1.0]).no_such_method()
fastsoftmax.fit([[0.0], [1.0]], [0, 1]).predict("a", "b")
fastsoftmax.fit([[0.0], [1.0]], [0, 1], max_itr=3)
fastsoftmax.SoftmaxRegression(solver="LBFGS")
fastsoftmax.MLPClassifier(activation="swish")
fastsoftmax.MLPRegressor(loss="cross_entropy")
fastsoftmax.cross_entropy([[0.0, 1.0]], [0], reduction="avg")
fastsoftmax.cross_entropy([[0.0, 1.0]], [0]).shape
fastsoftmax.linear_cross_entropy_value_and_grad([[0.0]], [[0.0], [1.0]], None, [0])[1].X.shape
"""
FIRST, LAST = 3, 12  # its lines that are wrong


def run_checker(*command, path):
    """What a type checker says of a file: (status, lines)."""
    done = subprocess.run(
        [*command, path.name], cwd=path.parent, capture_output=True, text=True, timeout=300
    )
    return done.returncode, done.stdout.splitlines()


def checked(path):
    return run_checker(sys.executable, "-m", "mypy", "--strict", "--no-incremental", path=path)


def checked_by_pyright(path):
    """The lines of errors, by pyright, in a folder of its own: no settings but its default."""
    status, lines = run_checker(
        sys.executable, "-m", "pyright", "--pythonpath", sys.executable, path=path
    )
    return status, [line.split(":")[1] for line in lines if " - error" in line], lines


def installed(name):
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


needs_pyright = pytest.mark.skipif(not installed("pyright"), reason="needs pyright")
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
    found = {line.split(":")[1] for line in lines if ": error:" in line}
    assert found == {str(line) for line in range(FIRST, LAST + 1)}, "\n".join(lines)


@needs_pyright
def test_pyright_accepts_a_users_program():
    status, _, lines = checked_by_pyright(PROGRAM)
    assert status == 0, "\n".join(lines)


@needs_pyright
def test_pyright_sees_types(tmp_path):
    (tmp_path / "wrong.py").write_text(WRONG)
    status, found, lines = checked_by_pyright(tmp_path / "wrong.py")
    assert status == 1
    assert set(found) == {str(line) for line in range(FIRST, LAST + 1)}, "\n".join(lines)


def public():
    """Each function, estimator and method of ours by name."""
    for name in fastsoftmax.__all__:
        found = getattr(fastsoftmax, name)
        if inspect.ismodule(found):
            continue
        yield name, found
        for own, member in inspect.getmembers(found, inspect.isfunction):
            if not own.startswith("_") and member.__module__.startswith("fastsoftmax"):
                yield f"{name}.{own}", member


@pytest.mark.parametrize("name", dict(public()))
def test_help_shows_short_names_of_types(name):
    shown = str(inspect.signature(dict(public())[name]))
    assert "_typing" not in shown and "Union[" not in shown
    assert len(shown) < 1200


NAMES_OF = {
    typing.Solver: solvers.SOLVERS,
    typing.Target: [kind for kind in targets.KINDS if kind != "indicators"],
    typing.Activation: estimator.ACTIVATIONS,
    typing.UpdateRule: estimator.SOLVERS,
    typing.LearningRate: schedules.FACTORS,
    typing.InitialCoefs: initial.BOUNDS,
    typing.ClassifierLoss: ("auto", *fastsoftmax.MLPClassifier._losses),
    typing.RegressorLoss: fastsoftmax.MLPRegressor._losses,
}


@pytest.mark.parametrize("literal", NAMES_OF)
def test_literals_name_what_there_is(literal):
    assert set(get_args(literal)) == set(NAMES_OF[literal])


def test_the_parameters_of_fit_are_those_of_the_estimator():
    hints = {name: str(hint) for name, hint in get_type_hints(fitting.Parameters).items()}
    own = get_type_hints(fastsoftmax.SoftmaxRegression.__init__, localns=vars(softmax_regression))
    assert hints == {
        name: str(own[name]) for name in fitting.parameters(fastsoftmax.SoftmaxRegression)
    }
    of_fit = get_type_hints(fitting.ParametersOfFit).keys() - hints.keys()
    assert of_fit == set(fitting.OF_FIT)


@pytest.mark.filterwarnings("ignore")  # two iterations are enough here
def test_the_program_runs(capsys):
    runpy.run_path(str(PROGRAM), run_name="__main__")
    assert "LOG-LIKELIHOOD" in capsys.readouterr().out
