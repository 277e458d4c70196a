"""Whatever is interrupted, at whatever instruction: the object and the process are whole."""

import sys

import numpy as np
import pytest
from support.interrupted import CASES, WITH_THREADS, Interrupted, injected
from support.interrupts import PACKAGE, signalled

from fastsoftmax._runtime import atomic

# What counts as an instruction, and where one may be interrupted, is Python's own affair.
of_python_311 = pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="instructions are traced as Python 3.11 has them"
)
POINTS = 15  # of each case; more of them: `.ci/long interrupts`


@pytest.fixture
def formulas(request):
    if "[formula]" in request.node.name:
        pytest.importorskip("formulaic")


@of_python_311
@pytest.mark.usefixtures("formulas")
@pytest.mark.parametrize("name", CASES)
def test_an_error_at_any_instruction_leaves_old_or_new(name):
    found = list(injected(Interrupted(CASES[name]), POINTS))
    assert len(found) == POINTS
    assert [each for each in found if each[2]] == []


@pytest.mark.usefixtures("formulas")
@pytest.mark.parametrize("name", [*CASES, *WITH_THREADS])
def test_no_sigint_is_lost(name):
    interrupted = Interrupted((CASES | WITH_THREADS)[name])
    for seconds in np.random.default_rng(0).uniform(0, interrupted.seconds, 3):
        assert interrupted.fault(lambda call, s=seconds: signalled(call, s)) is None


# The checks above are no use if they find nothing.
PLANTED = {
    "neither old nor new": """
def planted(draft, estimator):
    for name in list(vars(estimator)):
        if name.endswith("_"):
            delattr(estimator, name)
    for name, value in vars(draft).items():
        setattr(estimator, name, value)
""",
    "the error was lost": """
def planted(draft, estimator):
    try:
        estimator.__dict__ = dict(vars(draft))
    except BaseException:
        estimator.__dict__ = dict(vars(draft))
""",
}


@of_python_311
@pytest.mark.parametrize("fault", PLANTED)
def test_faults_are_found(fault, monkeypatch):
    names = {}
    exec(compile(PLANTED[fault], f"{PACKAGE}/planted.py", "exec"), names)
    monkeypatch.setattr(atomic, "publish", names["planted"])
    found = injected(Interrupted(CASES["refit, neuron"]), 500)
    assert fault in {each[2] for each in found} - {None}
