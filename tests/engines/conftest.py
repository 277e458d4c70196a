"""No test of engines waits for a worker that never answers."""

import signal

import pytest

SECONDS = 120


@pytest.fixture(autouse=True)
def bounded():
    def late(number, frame):
        raise TimeoutError(f"a test of engines took more than {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
