"""Fits of data larger than memory should be: mapped from a file, and in blocks, beside in memory.

    pytest benchmarks/bench_stream.py --benchmark-only --benchmark-json=run.json
    python benchmarks/report_stream.py run.json > benchmarks/results/stream.md

FASTSOFTMAX_STREAM_GB is the size of the file, 4 unless it says otherwise; the page cache is warm.
Each fit runs in a process of its own, whose anonymous memory is watched, to the same tolerance.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from checks import rest

D, K = 512, 10
SLOWEST, MOST = 0.7, 1e9  # of the speed in memory; bytes of anonymous memory
WAYS = ("in memory", "mapped", "blocks")
REPEATS = 3


@pytest.fixture(scope="module")
def file(tmp_path_factory, request):
    """(path, rows) of float16 features and of their labels."""
    small = request.config.getoption("benchmark_disable")
    size = 0.02 if small else float(os.environ.get("FASTSOFTMAX_STREAM_GB", 4))
    n = int(size * 1e9 / (2 * D))
    folder = tmp_path_factory.mktemp("stream")
    rng = np.random.default_rng(0)
    X = np.memmap(folder / "X", np.float16, "w+", shape=(n, D))
    labels = np.empty(n, np.int32)
    W = rng.standard_normal((D, K), np.float32) / 8
    for start in range(0, n, 1 << 16):
        rows = rng.standard_normal((min(1 << 16, n - start), D), np.float32)
        X[start : start + len(rows)] = rows
        z = rows @ W
        labels[start : start + len(rows)] = np.argmax(z + rng.gumbel(size=z.shape), axis=1)
    X.flush()
    np.save(folder / "y.npy", labels)
    yield folder, n
    for path in folder.iterdir():
        path.unlink()


@pytest.fixture(scope="module")
def results(file):
    """What each way took, in turns: {way: [facts of a fit]}."""
    path, n = file
    facts = {way: [] for way in WAYS}
    for _ in range(REPEATS):
        for way in WAYS:
            rest()
            command = [sys.executable, Path(__file__).with_name("fit_stream.py"), path, str(n), way]
            done = subprocess.run(command, capture_output=True, check=True, text=True)
            facts[way].append(json.loads(done.stdout))
    return facts


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
@pytest.mark.parametrize("way", WAYS)
def test_fit(results, file, way, benchmark, record):
    _, n = file
    entries = results[way]
    best = results["in memory"][0]["objective"]
    assert all(abs(entry["objective"] - best) < 1e-6 * best for entry in entries)
    speeds = [n * entry["passes"] / entry["seconds"] for entry in entries]
    benchmark.group = "stream"
    benchmark.pedantic(lambda: None, rounds=1)  # timed where it ran
    record(
        peer=way, speed=float(np.median(speeds)), bytes=2 * n * D, rows=n,
        seconds=float(np.median([entry["seconds"] for entry in entries])),
        anonymous=max(entry["anonymous"] for entry in entries), slowest=SLOWEST, most=MOST,
    )  # fmt: skip
