"""Threads that run out of memory: who waits for them gets an error, and does not wait for ever."""

import time
from queue import SimpleQueue

import pytest
from support.processes import run
from support.threads import are_at_most, running_threads

from fastsoftmax._runtime.background_thread import BackgroundThread


def test_answers_come_in_order():
    answers = SimpleQueue()

    def work(count):
        for i in range(count):
            answers.put(i)

    before = running_threads()
    thread = BackgroundThread(work, 3)
    assert [thread.answer(answers) for _ in range(3)] == [0, 1, 2]
    thread.join()
    assert not thread.is_alive() and are_at_most(before)
    with pytest.raises(MemoryError, match="a thread has ended without its result"):
        thread.answer(answers)


def test_it_is_alive_while_its_function_runs_and_no_longer():
    go_on, errors = SimpleQueue(), []

    def work():
        try:
            go_on.get()
            raise ValueError("whose traceback has the frames of the thread")
        except ValueError as error:
            errors.append(error)

    thread = BackgroundThread(work)
    time.sleep(0.01)
    assert thread.is_alive()
    go_on.put(None)
    thread.join()
    assert len(errors) == 1 and not thread.is_alive()


USES = {
    "blocks": "SoftmaxRegression().fit(Blocks([(X[:150], y[:150]), (X[150:], y[150:])]))",
    "several targets": "fit_many(X, [y, y[::-1].copy()])",
    "processes": "Speaker().ask(len, X)",
}


@pytest.mark.parametrize("use", USES)
def test_a_thread_that_ends_before_its_first_line(use):
    code = f"""
import sys
import numpy as np
from fastsoftmax import Blocks, SoftmaxRegression, fit_many
from fastsoftmax._runtime import background_thread
from fastsoftmax._runtime.engines.pipes import Speaker

def without_memory(*args):
    raise MemoryError
background_thread.run = without_memory
sys.unraisablehook = lambda lost: None
rng = np.random.default_rng(0)
X, y = rng.normal(size=(300, 40)), rng.integers(0, 3, 300)
try:
    {USES[use]}
except MemoryError as error:
    print(error)
"""
    result = run(code)
    assert result.stdout.startswith("a thread has ended without its result"), result.stderr
    assert result.returncode == 0


LIMITED = """
import resource, sys, warnings
import numpy as np
from fastsoftmax import Blocks, SoftmaxRegression

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X, y = rng.standard_normal((2000, 200)), rng.integers(0, 20, 2000)
blocks = [(X[i : i + 500], y[i : i + 500]) for i in range(0, 2000, 500)]
model = SoftmaxRegression(max_iter=3).fit(Blocks(lambda: iter(blocks)))
before = model.coef_.tobytes()
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + LEFT, -1))
try:
    model.fit(Blocks(lambda: iter(blocks)))
except MemoryError:
    pass
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
sys.stdout.write("whole" if model.coef_.tobytes() == before else "changed")
"""


@pytest.mark.parametrize("left", [0, 8192])
def test_a_fit_of_blocks_with_hardly_any_memory_left_ends(left):
    """Once in some fifty times the C library finds no memory for a thread, and ends the process."""
    result = run(LIMITED.replace("LEFT", str(left)))
    by_library = "cannot allocate memory for thread-local data" in result.stderr
    assert by_library or (result.returncode, result.stdout) == (0, "whole"), result.stderr


FIRST = """
import resource
import numpy as np
from fastsoftmax import Blocks, SoftmaxRegression

X = np.random.default_rng(0).standard_normal((20000, 100)).astype(np.float32)
y, model = np.arange(20000) % 10, SoftmaxRegression(max_iter=1)
begins = range(0, 20000, 2000)
blocks = Blocks(lambda: ((X[i : i + 2000].copy(), y[i : i + 2000]) for i in begins))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 10_240_000, -1))
try:
    model.fit(blocks)
except (MemoryError, SystemError):  # which NumPy's indexing may raise
    pass
"""


def test_a_first_fit_of_blocks_with_megabytes_left_does_not_end_the_process():
    """NumPy's C++ would, where it finds no memory in a thread."""
    result = run(FIRST)
    assert result.returncode == 0, result.stderr
