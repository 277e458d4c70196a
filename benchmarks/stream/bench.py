"""Fits of data larger than memory should be: mapped from a file, and in blocks, beside in memory.

    pytest benchmarks/stream/bench.py --benchmark-only --benchmark-json=run.json
    python -m benchmarks.stream.report run.json > benchmarks/results/stream.md

FASTSOFTMAX_STREAM_GB is the size of the file, 4 unless it says otherwise; the page cache is warm.
Each fit runs in a process of its own, whose anonymous memory is watched, to the same tolerance.
"""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.support.checks import rest

D, K = 512, 10
SLOWEST, MOST = 0.7, 1e9  # of the speed in memory; bytes of anonymous memory
GROUPS = {"dense": ("in memory", "mapped", "blocks"), "sparse": ("in memory", "blocks")}
FEATURES, WORDS = 50_000, 100  # of sparse X, and entries a row
SPARSE = 32  # of the dense file's size, a part like this is the sparse one's: it takes many passes
REPEATS = 3  # or one, where nothing is timed


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
    rows = n * D * 2 // (SPARSE * 12 * WORDS)
    write_sparse(folder, rows, rng)
    yield folder, {"dense": n, "sparse": rows}
    for path in folder.iterdir():
        path.unlink()


def write_sparse(folder, n, rng):
    """Rows of words by Zipf's law, float64 and int32, and labels that depend on them."""
    indices = np.lib.format.open_memmap(folder / "indices.npy", "w+", np.int32, (n, WORDS))
    values = np.lib.format.open_memmap(folder / "values.npy", "w+", np.float64, (n, WORDS))
    labels, W = np.empty(n, np.int32), rng.standard_normal((FEATURES, K))
    for start in range(0, n, 1 << 14):
        count = min(1 << 14, n - start)
        words = np.minimum(rng.zipf(1.2, (count, WORDS)), FEATURES) - 1
        x = rng.uniform(0.5, 2, (count, WORDS)) / np.sqrt(WORDS)
        indices[start : start + count], values[start : start + count] = words, x
        z = np.einsum("nw,nwk->nk", x, W[words])
        labels[start : start + count] = np.argmax(z + rng.gumbel(size=z.shape), axis=1)
    np.save(folder / "sparse_y.npy", labels)


@pytest.fixture(scope="module")
def results(file, request):
    """What each way of a group took, in turns: group -> {way: [facts of a fit]}, when asked for."""

    repeats = 1 if request.config.getoption("benchmark_disable") else REPEATS

    @functools.cache
    def of_group(group):
        facts = {way: [] for way in GROUPS[group]}
        script = Path(__file__).with_name("fit.py")
        for _ in range(repeats):
            for way in facts:
                rest()
                command = [sys.executable, script, file[0], str(file[1][group]), group, way]
                done = subprocess.run(command, capture_output=True, check=True, text=True)
                facts[way].append(json.loads(done.stdout))
        return facts

    return of_group


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
@pytest.mark.parametrize(("group", "way"), [(g, way) for g, ways in GROUPS.items() for way in ways])
def test_fit(results, file, group, way, benchmark, record):
    n, results = file[1][group], results(group)
    entries = results[way]
    best = results["in memory"][0]["objective"]
    assert all(abs(entry["objective"] - best) < 1e-6 * best for entry in entries)
    speeds = [n * entry["passes"] / entry["seconds"] for entry in entries]
    benchmark.group = group
    benchmark.pedantic(lambda: None, rounds=1)  # timed where it ran
    record(
        peer=way, speed=float(np.median(speeds)), rows=n,
        bytes=2 * n * D if group == "dense" else 12 * n * WORDS,
        seconds=float(np.median([entry["seconds"] for entry in entries])),
        anonymous=max(entry["anonymous"] for entry in entries), slowest=SLOWEST, most=MOST,
    )  # fmt: skip
