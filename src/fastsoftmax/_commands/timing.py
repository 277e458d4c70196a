"""Median times of several ways to do the same, in one run."""

import time
from collections.abc import Callable, Mapping
from statistics import median

TURN = 4  # calls of a way before it is the next one's turn
PAUSE = 0.1  # seconds before a turn


def medians(ways: Mapping[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Median seconds per call of each way, in turns for about so many seconds.

    A turn is some calls of one way, after a pause and one call that is not counted: the threads
    that NumPy's BLAS leaves spinning for some milliseconds would otherwise take a processor from
    whoever comes next.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or min(map(len, times.values())) < 2 * TURN:
        for name, call in ways.items():
            time.sleep(PAUSE)
            call()
            for _ in range(TURN):
                start = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - start)
    return {name: median(values) for name, values in times.items()}
