"""Fits on actors of Ray: the same bits."""

import operator
import os
from functools import partial
from pathlib import Path

import pytest
from support.failing import ends, raises, require_as_raised, with_one
from support.partitions import broken, partitions, same_bits

from fastsoftmax import Partitions, SoftmaxRegression
from fastsoftmax.engines import Ray

ray = pytest.importorskip("ray")
pytestmark = [
    pytest.mark.filterwarnings("default"),  # of other packages
    pytest.mark.xdist_group("ray"),
]


@pytest.fixture(scope="module")
def cluster():
    here = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    ray.init(
        num_cpus=3, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1",
        runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(filter(None, here))}},  # of support
    )  # fmt: skip
    yield
    ray.shutdown()


@pytest.mark.parametrize(("name", "workers"), [("dense", 2), ("dense", 3), ("sparse", 2)])
def test_the_bits_are_those_of_this_process(cluster, name, workers):
    expected = SoftmaxRegression(C=0.1).fit(partitions(name))
    with Ray(workers):
        assert same_bits(SoftmaxRegression(C=0.1).fit(partitions(name)), expected)


def test_more_workers_than_processors(cluster):
    with pytest.raises(RuntimeError, match="expected 8 processors for 4 workers, got a cluster of"):
        Ray(4, n_threads=2).__enter__()


def test_what_a_loader_raises_is_raised_here(cluster):
    with Ray(2), pytest.raises(OSError, match="no such shard") as raised:
        SoftmaxRegression().fit(Partitions([*partitions("dense").loaders, broken]))
    assert raised.value.__notes__ == ["in partition 7"]
    assert "in broken" in str(raised.value.__cause__)


def test_what_arrives_of_it(cluster):
    with Ray(2):
        for name in ("misread", "a lock", "exit"):
            with pytest.raises(Exception, match=r".") as raised:
                SoftmaxRegression().fit(with_one(partial(raises, name)))
            require_as_raised(raised.value, name)


def test_what_a_sum_raises_is_raised_here(cluster):
    with Ray(2) as engine:
        held = engine.hold(operator.index, [(i,) for i in range(4)])
        with pytest.raises(ZeroDivisionError) as raised:
            held.sum(operator.floordiv, 0)
    assert "in fold" in str(raised.value.__cause__)


def test_an_actor_that_a_loader_ends(cluster):
    message = "an actor has ended, with partitions 2, 3; enter a new context"
    with Ray(2), pytest.raises(RuntimeError, match=message):
        SoftmaxRegression().fit(with_one(partial(ends, "exit code 3")))
