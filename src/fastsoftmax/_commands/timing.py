"""Times of several ways to do the same, in one run, and whether other work disturbed them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median, quantiles

TURN = 4  # calls of a way before it is the next one's turn
PAUSE = 0.15  # seconds before a turn
PROBE = 0.1  # seconds
QUIET = 0.9  # share of a processor that a process alone gets at least


@dataclass(frozen=True)
class Timing:
    """Seconds per call: the least, the median, and what three of four calls stay below.

    Other work can only add to a time, so that the least is what the call itself takes, on a busy
    machine too, as long as one of the calls is not interrupted.
    """

    least: float
    median: float
    upper: float

    def milliseconds(self, places: int) -> str:
        """The least, and in brackets how far most of the calls spread."""
        return f"{1e3 * self.least:.{places}f} ms (to {1e3 * self.upper:.{places}f})"


def in_turns(ways: Mapping[str, Callable[[], object]], seconds: float) -> dict[str, Timing]:
    """The times of each way, in turns for about so many seconds.

    A turn is some calls of one way, after a pause and one call that is not counted: the threads
    that NumPy's BLAS leaves spinning for a tenth of a second would otherwise take a processor from
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
    return {
        name: Timing(min(values), median(values), quantiles(values, n=4)[2])
        for name, values in times.items()
    }


def processor_share(seconds: float = PROBE) -> float:
    """What share of a processor this thread gets: 1 on an idle machine."""
    start, used = time.perf_counter(), time.thread_time()
    while time.perf_counter() - start < seconds:
        pass
    return (time.thread_time() - used) / (time.perf_counter() - start)


def disturbance(share: float) -> str | None:
    """What to print beside times, if a thread got no more than this share of a processor."""
    if share >= QUIET:
        return None
    return (
        f"busy machine: other work takes {1 - share:.0%} of a processor; fits take longer than at "
        "rest, and times of calls are the least of many"
    )
