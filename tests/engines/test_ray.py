"""Fits on actors of Ray: the same bits."""

import os
from pathlib import Path

import pytest
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
    with Ray(2), pytest.raises(OSError, match="no such shard"):
        SoftmaxRegression().fit(Partitions([*partitions("dense").loaders, broken]))
