"""Fixtures that several test files share, and how threads wait."""

import os
import signal
from pathlib import Path

import pytest

# Before anything is imported that reads them: threads that wait must not keep a processor busy,
# least of all where `pytest -n` runs a process on each.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# A shell starts what runs in its background with interrupts ignored; tests send some.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data sets: FASTSOFTMAX_DATA, else ../shared/data beside the project."""
    named = os.environ.get("FASTSOFTMAX_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not (folder / "mnist").is_dir():
        pytest.skip(f"no real data in {folder} (set FASTSOFTMAX_DATA)")
    return folder


@pytest.fixture(autouse=True)
def punctual():
    """Teams of the same sizes whatever else runs on the machine."""
    from support.threads import changed_teams

    with changed_teams(per_second=0):
        yield


@pytest.fixture
def whole_teams():
    """As many threads as are asked for, however small the problem."""
    from support.threads import changed_teams

    with changed_teams(per_thread=1):
        yield


@pytest.fixture
def stays_sparse(monkeypatch):
    """A sparse X is fitted as such, however small it is."""
    monkeypatch.setattr("fastsoftmax._engine.data.dense_if_small", lambda X: X)
    monkeypatch.setattr("fastsoftmax._linear.problem.rows.dense_if_small", lambda X: X)
