"""Times beside other work: the default, one thread, passive waiting, and OpenMP's own long spin.

    python -m benchmarks.company.bench > benchmarks/results/company.md

They take turns under the same load. What counts is the default over the lesser of one thread and
passive waiting: more threads should never make a call slower.
"""

import contextlib
import os
import statistics
import subprocess
import sys
import time

from benchmarks.company.workloads import (
    after_openmp,
    banking77,
    beside_numpy,
    digits,
    jobs,
    letter,
    network,
    processes,
    selection,
    softmax,
    threads_predicting,
    wide_pass,
)  # fmt: skip
from fastsoftmax._runtime.threads import available_threads
from fastsoftmax._runtime.versions import processor

WAYS = {  # threads, 0 for the default, and environment variables
    "default": (0, {}),
    "1 thread": (1, {}),
    "passive": (0, {"OMP_WAIT_POLICY": "passive"}),
    "long spin": (0, {"GOMP_SPINCOUNT": "300000"}),  # what GNU OpenMP does by itself
}
ROUNDS = 15
FEW = 5  # of the way that may take a hundred times as long
REST = 0.02  # seconds between two calls
VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_NUM_THREADS")
LOOP = "while True: pass"


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
def alone():
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


def busy():
    return loops(sorted(os.sched_getaffinity(0)))


def one_busy():
    return loops(sorted(os.sched_getaffinity(0))[-1:])


def timed(workload, company, at_once=1):
    """Milliseconds of each way, medians; the time until the last of those at once ends."""
    workers = {way: [Worker(workload, way) for _ in range(at_once)] for way in WAYS}
    times = {way: [] for way in WAYS}
    with company():
        for i in range(ROUNDS):
            for way, some in workers.items():
                if way == "long spin" and i >= FEW:
                    continue
                time.sleep(REST)
                for worker in some:
                    worker.begin()
                times[way].append(max(worker.end() for worker in some))
    for some in workers.values():
        for worker in some:
            worker.close()
    return {way: statistics.median(some) for way, some in times.items()}


CASES = [
    ("alone", alone, 1, [digits, letter, banking77, softmax, wide_pass, network, selection]),
    ("a busy loop on each core", busy, 1, [digits, softmax, network, banking77, selection]),
    ("a busy loop on one core", one_busy, 1, [digits, letter]),
    ("two at once", alone, 2, [letter, wide_pass]),
    ("the system's OpenMP loaded before", alone, 1, [after_openmp]),
    ("the same, a busy loop on each core", busy, 1, [after_openmp]),
    ("after each a product by NumPy", alone, 1, [beside_numpy]),
    ("16 Python threads", alone, 1, [threads_predicting]),
    ("joblib, 4 threads", alone, 1, [jobs]),
    ("joblib, 4 processes", alone, 1, [processes]),
]


def main(chosen):
    """All companies, or those whose words begin like this."""
    print("# Beside other work\n")
    print(
        f"{processor()}, {available_threads()} threads. Milliseconds, medians of {ROUNDS}, the "
        "ways in turns under the same load; *ratio* is the default over the lesser of 1 thread and "
        "passive; *long spin* is what GNU OpenMP does by itself.\n"
    )
    print(f"| company | workload | {' | '.join(WAYS)} | ratio |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for company, make, at_once, workloads in CASES:
        if not company.startswith(chosen):
            continue
        for workload in workloads:
            t = timed(workload, make, at_once)
            ratio = t["default"] / min(t["1 thread"], t["passive"])
            cells = " | ".join(f"{t[way]:.3g}" for way in WAYS)
            print(f"| {company} | {workload.__name__} | {cells} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or "")
