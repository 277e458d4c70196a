"""Times beside other work: the default, one thread, passive waiting, and another version.

    python -m benchmarks.company.bench [--before CHECKOUT] [COMPANY ...] > company.md

They take turns under the same load. What counts is the default over the lesser of one thread and
passive waiting: more threads should never make a call slower. A fair share is what the scheduler
leaves of the processors: the time alone, in the same run, multiplied by their load.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.company.workloads import (
    after_openmp,
    after_torch,
    banking77,
    beside_numpy,
    digits,
    four_jobs,
    four_processes,
    letter,
    network,
    selection,
    softmax,
    threads_predicting,
    two_jobs,
    two_processes,
    wide_pass,
)
from fastsoftmax._runtime.threads import available_threads
from fastsoftmax._runtime.versions import processor

WAYS = {  # threads, 0 for the default, and environment variables
    "default": (0, {}),
    "1 thread": (1, {}),
    "passive": (0, {"OMP_WAIT_POLICY": "passive"}),
}
ROUNDS = 15
REST = 0.02  # seconds between two calls
BOUND = 1.3
VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_NUM_THREADS")
LOOP = "while True: pass"
GROUPS = Path("/sys/fs/cgroup")


class Worker:
    """A process that calls a workload when it is told to."""

    def __init__(self, workload, way):
        n_threads, variables = WAYS[way]
        env = {k: v for k, v in os.environ.items() if k not in VARIABLES}
        command = [sys.executable, "-m", "benchmarks.company.workloads", workload.__name__]
        self.process = subprocess.Popen(
            [*command, str(n_threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env | variables,
        )  # fmt: skip
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError(f"{workload.__name__}, {way}: no result")

    def begin(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self):
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


@contextlib.contextmanager
def alone(workers):
    yield


@contextlib.contextmanager
def loops(processors):
    """A busy loop on each of these processors."""
    running = []
    for one in processors:
        loop = subprocess.Popen([sys.executable, "-c", LOOP])
        os.sched_setaffinity(loop.pid, {one})
        running.append(loop)
    try:
        yield
    finally:
        for loop in running:
            loop.kill()
            loop.wait()


def busy(workers):
    return loops(sorted(os.sched_getaffinity(0)))


def one_busy(workers):
    return loops(sorted(os.sched_getaffinity(0))[-1:])


@contextlib.contextmanager
def quota(workers, processors=1.5, period=100_000):
    """A control group for each worker, of one and a half processors; it takes root."""
    by_version_1 = (GROUPS / "cpu" / "cpu.cfs_quota_us").exists()
    root, made = GROUPS / "cpu" if by_version_1 else GROUPS, []
    amount = int(processors * period)
    try:
        for worker in workers:
            group = root / f"fastsoftmax-{worker.process.pid}"
            group.mkdir()
            made.append(group)
            if by_version_1:
                (group / "cpu.cfs_period_us").write_text(str(period))
                (group / "cpu.cfs_quota_us").write_text(str(amount))
            else:
                (group / "cpu.max").write_text(f"{amount} {period}")
            (group / "cgroup.procs").write_text(str(worker.process.pid))
        yield
    finally:
        for worker, group in zip(workers, made, strict=False):
            (root / "cgroup.procs").write_text(str(worker.process.pid))
            group.rmdir()


def timed(workload, company, at_once=1):
    """Milliseconds of each way, medians; the time until the last of those at once ends."""
    workers = {way: [Worker(workload, way) for _ in range(at_once)] for way in WAYS}
    times = {way: [] for way in WAYS}
    with company([worker for some in workers.values() for worker in some]):
        for _ in range(ROUNDS):
            for way, some in workers.items():
                time.sleep(REST)
                for worker in some:
                    worker.begin()
                times[way].append(max([worker.end() for worker in some]))
    for some in workers.values():
        for worker in some:
            worker.close()
    return {way: statistics.median(some) for way, some in times.items()}


CASES = [  # company, how it is made, calls at once, load of the processors, workloads
    ("alone", alone, 1, 1, [digits, letter, banking77, softmax, wide_pass, network, selection]),
    ("a busy loop on each core", busy, 1, 2, [digits, softmax, network, banking77, selection]),
    ("a busy loop on one core", one_busy, 1, 1.5, [digits, letter, softmax, network]),
    ("two at once", alone, 2, 2, [letter, wide_pass]),
    ("a quota of 1.5 cores", quota, 1, 4 / 3, [digits, letter, softmax, banking77]),
    ("after each a product by NumPy", alone, 1, 1, [beside_numpy]),
    ("joblib, 2 threads", alone, 1, 1, [two_jobs]),
    ("joblib, 4 threads", alone, 1, 1, [four_jobs]),
    ("joblib, 2 processes", alone, 1, 1, [two_processes]),
    ("joblib, 4 processes", alone, 1, 1, [four_processes]),
    ("16 Python threads", alone, 1, 1, [threads_predicting]),
    ("PyTorch imported first", alone, 1, 1, [after_torch]),
    ("PyTorch first, a busy loop on each core", busy, 1, 2, [after_torch]),
    ("the system's OpenMP loaded first", alone, 1, 1, [after_openmp]),
    ("OpenMP first, a busy loop on each core", busy, 1, 2, [after_openmp]),
]


def main(chosen, before):
    """All companies, or those whose words begin like this."""
    if before:
        path = os.pathsep.join([str(Path(before).resolve() / "src"), str(Path.cwd())])
        WAYS["before"] = (0, {"PYTHONPATH": path})
    explained = (
        "*passive* is with `OMP_WAIT_POLICY=passive`, *ratio* the default over the lesser of "
        "1 thread and passive, *fair share* the default over its time alone multiplied by the load "
        "of the processors"
    )
    if before:
        explained += "; *before* is the default of the version before, with its ratio"
    print("# Beside other work\n")
    print(
        f"{processor()}, {available_threads()} threads. Milliseconds, medians of {ROUNDS}; the "
        f"columns of a row take turns under the same load. {explained}.\n"
    )
    ratios = ["ratio", *["ratio before"] * bool(before), "fair share"]
    print(f"| other work | workload | {' | '.join([*WAYS, *ratios])} |")
    print("|---|---|" + "---:|" * (len(WAYS) + len(ratios)))
    missed = rows = 0
    for company, make, at_once, load, workloads in CASES:
        if not company.startswith(tuple(chosen)):
            continue
        for workload in workloads:
            t = timed(workload, make, at_once)
            least = min(t["1 thread"], t["passive"])
            cells = [f"{ms:.3g}" for ms in t.values()]
            cells += [f"{t[way] / least:.2f}" for way in ("default", "before") if way in t]
            undisturbed = t if load == 1 else timed(workload, alone)
            cells.append(f"{t['default'] / (load * undisturbed['default']):.2f}")
            print(f"| {company} | {workload.__name__} | {' | '.join(cells)} |", flush=True)
            rows, missed = rows + 1, missed + (t["default"] > BOUND * least)
    print(f"\n{missed} of {rows} rows are above {BOUND}, the bound.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("company", nargs="*", default=[""])
    parser.add_argument("--before", help="a checkout of another version, compiled in place")
    given = parser.parse_args()
    main(given.company, given.before)
