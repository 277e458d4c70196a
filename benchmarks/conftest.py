"""What the benchmarks share: the machine's name in the results, and facts about a row."""

import json

import pytest

from fastsoftmax import _core
from fastsoftmax._runtime.threads import available_threads
from fastsoftmax._runtime.versions import processor


def pytest_benchmark_update_machine_info(config, machine_info):
    machine_info["processor"] = processor()
    machine_info["threads"] = available_threads()
    machine_info["kernels"] = _core.level


@pytest.fixture
def record(benchmark):
    """Attach facts about a row to its timing, for the report."""

    def attach(**facts):
        benchmark.extra_info.update(json.loads(json.dumps(facts)))

    return attach
