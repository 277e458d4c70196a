"""Median times of several ways to do the same, in one run."""

import time
from collections.abc import Callable, Mapping
from statistics import median


def medians(ways: Mapping[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Median seconds a call of each way, taken in turn so that a slow spell hits all alike.

    Every way is called once unmeasured, then in rounds for about so many seconds, 5 at least.
    """
    for call in ways.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in ways}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or min(map(len, times.values())) < 5:
        for name, call in ways.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: median(values) for name, values in times.items()}
