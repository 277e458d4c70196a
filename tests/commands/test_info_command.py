"""``python -m fastsoftmax info`` and its ``--plan``."""

import re

import numpy as np
import pytest

from fastsoftmax import _core
from fastsoftmax.__main__ import main
from fastsoftmax._commands.info import plan
from fastsoftmax._core._caches import Caches
from fastsoftmax._engine.data import Batch, DenseData, Point


def test_versions(capsys):
    assert main(["info"]) == 0
    assert "kernels" in capsys.readouterr().out


def test_plan_of_many_classes(capsys):
    assert main(["info", "--plan", "20000", "1024", "1000"]) == 0
    out = capsys.readouterr().out
    assert f"caches per core  {_core.caches}" in out
    assert "20000×1024, K = 1000, float32" in out
    assert out.count("one shared gradient") == 2
    assert re.search(r"classes in L2, logits +\d+", out)


def test_plan_of_few_classes():
    found = plan(60000, 784, 10, "float32")
    assert found["scheme"] == "partitions of the rows"
    assert found["partitions"] == "16"
    assert found["logits"] == "lanes summed"
    assert found["rows per sum in X's precision"] == "640"


def test_sizes_that_are_none(capsys):
    assert main(["info", "--plan", str(10**20), "3", "2"]) == 2
    assert main(["info", "--plan", "0", "3", "2"]) == 2
    assert (
        "plan: expected sizes of at least 1 whose arrays could be in memory, got 0, 3 and 2"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("shape", [(5000, 784, 10), (3000, 500, 90), (2000, 300, 900)])
def test_scratch_is_what_a_pass_asks_for(shape):
    n, d, k = shape
    X, y = np.zeros((n, d), np.float32), np.zeros(n, np.int32)
    asked = []

    def workspace(size):
        asked.append(size)
        return np.empty(size, np.uint8)

    DenseData(X, 2, workspace).value_and_grad(Point(np.zeros((k, d)), np.zeros(k)), Batch(y))
    assert asked == [_core.kernels(np.dtype("f4")).linear.plan(n, d, k, 2)["bytes"]]


@pytest.mark.kernel
def test_blocks_follow_the_caches_and_sums_do_not():
    tables = (Caches(32 << 10, 1 << 20, 16 << 20), Caches(64 << 10, 4 << 20, 16 << 20))
    differ = []
    small, large = (_core.Groups(np.dtype("f4"), table, _core.level).linear for table in tables)
    for shape in ((60000, 784, 100), (20000, 1024, 1000)):
        one, other = (kernel.plan(*shape, 2) for kernel in (small, large))
        for name in ("by_partitions", "scheme", "n_partitions", "summed"):
            assert one[name] == other[name]
        assert one["rows"] <= other["rows"]
        differ.append(one != other)
    assert any(differ)
    assert one["features"] <= other["features"]
    assert one["group"] <= other["group"]


@pytest.mark.kernel
@pytest.mark.parametrize("shape", [(20000, 1024, 1000), (4000, 16384, 256), (50000, 300, 150)])
def test_some_hundred_rows_or_features_per_call(shape):
    for dtype in (np.float32, np.float64):
        kernel = _core.Groups(
            np.dtype(dtype), Caches(48 << 10, 2 << 20, 32 << 20), _core.level
        ).linear
        found = kernel.plan(*shape, 2)
        assert found["features"] >= 128
        assert found["rows"] >= 128
