"""The example of a large probe: killed at any time it goes on, to the same optimum."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import fastsoftmax
from fastsoftmax.functional import linear_cross_entropy

ROOT = Path(__file__).parents[2]
PACKAGE = str(Path(fastsoftmax.__file__).parents[1])
EXAMPLE = ROOT / "examples" / "imagenet_probe.py"
SHAPE = 4000, 32, 30
ARGUMENTS = [
    *("--rows", "4000", "--features", "32", "--classes", "30"),
    *("--tol", "1e-11", "--path-tol", "1e-11", "--every", "0"),
]


def started(state, *arguments):
    paths = os.pathsep.join([PACKAGE, os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, str(EXAMPLE), "--state", str(state), *ARGUMENTS, *arguments],
        env=os.environ | {"PYTHONPATH": paths}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def read(state):
    with np.load(state) as file:
        return json.loads(str(file["fits"])), file["coef"], file["intercept"]


def written(state, process):
    """The file's identity once it is another than before, while the process runs."""
    before = state.stat().st_mtime_ns if state.exists() else None
    while process.poll() is None:
        if state.exists() and state.stat().st_mtime_ns != before:
            return True
        time.sleep(0.001)
    return False


@pytest.fixture(scope="module")
def at_once(tmp_path_factory):
    state = tmp_path_factory.mktemp("probe") / "state.npz"
    process = started(state)
    process.communicate(timeout=300)
    assert process.returncode == 0
    return read(state)


@pytest.fixture(scope="module")
def made():
    names = {"__name__": "imagenet_probe"}
    exec(compile(EXAMPLE.read_text(encoding="utf-8"), EXAMPLE, "exec"), names)
    return names


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_killed_at_any_time_it_goes_on(tmp_path, at_once):
    state, kills = tmp_path / "state.npz", 0
    for _ in range(4):
        process = started(state)
        if written(state, process):
            process.send_signal(signal.SIGKILL)
        kills += process.wait(timeout=300) == -signal.SIGKILL
        process.stdout.close()
    assert kills >= 3
    process = started(state)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0 and "going on after" in output
    for one, other in zip(at_once[0], read(state)[0], strict=True):
        assert one["C"] == other["C"] and one["certified"] and other["certified"]
        assert abs(one["objective"] - other["objective"]) <= 1e-10 * one["objective"]
        assert one["accuracy"] == other["accuracy"] and one["top_5"] == other["top_5"]


def test_the_last_model_is_the_optimum(at_once, made):
    fits, coef, intercept = at_once
    (X, y), held_out = made["split"](*made["made_rows"](*SHAPE))
    assert len(X) == 3600 and len(held_out[0]) == 400
    X = X.astype(float)
    penalty = np.sum(coef**2) / (2 * fits[-1]["C"] * len(X))
    objective = linear_cross_entropy(X, coef, intercept, y) + penalty
    assert abs(fits[-1]["objective"] - objective) < 1e-12
    z = held_out[0].astype(float) @ coef.T + intercept
    assert fits[-1]["accuracy"] == np.mean(z.argmax(axis=1) == held_out[1])
    first_five = np.argsort(-z, axis=1)[:, :5]
    assert fits[-1]["top_5"] == np.mean((first_five == held_out[1][:, None]).any(axis=1))


def test_a_state_of_another_run_is_refused(tmp_path, made):
    state = tmp_path / "state.npz"
    made["save"](state, "these", [], np.zeros((2, 3)), np.zeros(2))
    assert made["load"](state, "these")[0] == []
    with pytest.raises(SystemExit, match="expected a state of this run, got one of these"):
        made["load"](state, "those")


@pytest.mark.parametrize("kind", ["npy", "parquet"])
def test_shards(tmp_path, made, kind):
    X, y = made["made_rows"](*SHAPE)
    bounds = np.linspace(0, len(X), 13).astype(int)
    for i, (begin, end) in enumerate(pairwise(bounds)):
        rows = slice(begin, end)
        if kind == "npy":
            np.save(tmp_path / f"X{i:02d}.npy", X[rows])
            np.save(tmp_path / f"y{i:02d}.npy", y[rows])
        else:
            arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
            flat = arrow.array(X[rows].astype(np.float32).ravel())
            columns = {"embedding": arrow.FixedSizeListArray.from_arrays(flat, X.shape[1])}
            table = arrow.table(columns | {"label": arrow.array(y[rows])})
            parquet.write_table(table, tmp_path / f"{i:02d}.parquet")
    train, held_out = made["shards"](tmp_path)
    (fit,) = made["run"](train, held_out, [(0.01, 1e-9)], None, "", 30.0)
    out = np.r_[bounds[9] : bounds[10], bounds[11] : bounds[12]]
    kept = np.setdiff1d(np.arange(len(X)), out)
    (same,) = made["run"]((X[kept], y[kept]), (X[out], y[out]), [(0.01, 1e-9)], None, "", 30.0)
    assert abs(fit["objective"] - same["objective"]) <= 1e-8 * same["objective"]
    assert fit["top_5"] == same["top_5"]


def test_a_folder_without_shards_is_named(tmp_path, made):
    with pytest.raises(SystemExit, match=r"expected two or more \*\.parquet"):
        made["shards"](tmp_path)


def test_time_left(made):
    class Record:
        def __init__(self, gap, seconds):
            self.gap, self.seconds = gap, seconds

    halving = [Record(0.5**i, 2.0 * i) for i in range(10)]
    assert made["seconds_left"](halving, 0.5**20) == pytest.approx(2 * (20 - 9))
    assert made["seconds_left"](halving[:1], 1e-6) is None
