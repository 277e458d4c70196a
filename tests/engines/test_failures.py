"""Where a loader raised something, or ended its worker, is said by what is raised here."""

import pickle
import traceback
from functools import partial

import pytest
from support.failing import HERE, RAISED, ends, raises, require_as_raised, with_one

from fastsoftmax import SoftmaxRegression
from fastsoftmax._runtime import places
from fastsoftmax._runtime.engines import entered
from fastsoftmax._runtime.engines.failures import Failure
from fastsoftmax._runtime.engines.in_process import InProcess
from fastsoftmax.engines import Processes


@pytest.fixture(scope="module")
def two():
    with Processes(2) as engine:
        yield engine


def raised_by(partitions):
    """What a fit raises."""
    with pytest.raises((Exception, SystemExit)) as raised:
        SoftmaxRegression().fit(partitions)
    return raised.value


@pytest.mark.parametrize("name", RAISED)
def test_in_this_process_it_is_the_exception_itself(name):
    with entered(InProcess()):
        error = raised_by(with_one(partial(raises, name)))
    assert type(error).__name__ == type(RAISED[name]()).__name__
    assert error.__notes__ == ["in partition 2"]
    assert HERE in "".join(traceback.format_tb(error.__traceback__))


@pytest.mark.parametrize("name", RAISED)
def test_from_a_process_it_is_the_exception_or_what_is_known_of_it(two, name):
    require_as_raised(raised_by(with_one(partial(raises, name))), name)


def message():
    raise ValueError("bad header")


def nothing():
    return None


@pytest.mark.parametrize("loader", [message, nothing])
def test_messages_begin_with_the_partition(two, loader):
    error = raised_by(with_one(loader))
    assert type(error) is ValueError and str(error).startswith("partition 2: ")
    assert "__notes__" not in vars(error)


def test_what_a_round_raises_has_its_traceback(two):
    held = two.hold(number, [(i,) for i in range(4)])
    for ask in (held.each, held.sum, held.map):
        with pytest.raises(OSError, match=r"cannot read x.npy") as raised:
            ask(misread)
        assert "in misread" in str(raised.value.__cause__)


def test_an_exception_that_only_the_worker_can_import():
    sent = pickle.dumps(None).replace(b"N", b"cno_such_module\nno_such_class\n")
    failure = pickle.loads(pickle.dumps(Failure(sent, "Theirs: text", ["in partition 1"], "where")))
    with pytest.raises(RuntimeError, match="a worker raised Theirs: text") as raised:
        failure.raise_here()
    assert raised.value.__notes__ == ["in partition 1"]
    assert "where" in str(raised.value.__cause__)


def number(i):
    return i


def misread(partition):
    raise OSError("cannot read x.npy")


def ends_one(partition, how):
    return partition if partition < 2 else ends(how)


@pytest.mark.parametrize(
    ("how", "advice"),
    [
        ("exit code 3", "standard error"),
        ("SIGKILL", "memory runs out"),
        ("SIGSEGV", "PYTHONFAULTHANDLER=1"),
        ("SIGTERM", "standard error"),
    ],
)
def test_a_worker_that_a_loader_ends(how, advice):
    with Processes(2):
        error = raised_by(with_one(partial(ends, how)))
        again = raised_by(with_one(partial(ends, how)))
    assert type(error) is RuntimeError
    assert str(error).startswith(
        f"a worker process has ended ({how}), with partitions 2, 3; enter a new context. "
    )
    assert advice in str(error)
    assert str(again) == "a worker process has ended; enter a new context"


def test_partitions_of_an_ended_worker_have_the_numbers_of_their_loaders():
    with Processes(2) as engine:
        held = engine.hold(number, [(i,) for i in range(8)]).only([1, 4, 5, 7])
        with pytest.raises(RuntimeError, match=r"\(SIGKILL\), with partitions 4, 5, 7; enter"):
            held.sum(ends_one, "SIGKILL")


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([3], "partition 3"),
        ([3, 4], "partitions 3, 4"),
        ([0, 1, 2, 5, 7, 8, 9], "partitions 0 to 2, 5, 7 to 9"),
    ],
)
def test_names_of_partitions(numbers, text):
    assert places.partitions(numbers) == text
