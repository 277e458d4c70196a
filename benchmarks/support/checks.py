"""A result is right before it is timed, and nobody else's threads are in its way."""

import time

import numpy as np


def assert_close(actual, expected, scale, tolerance):
    """Arrays equal to so many units of the scale."""
    error = float(np.abs(np.asarray(actual) - np.asarray(expected)).max()) / scale
    assert error < tolerance, f"off by {error:.1e} of the scale"


def ratio_in_turns(call, reference, turns):
    """Median of call's time over the reference's, pair by pair: the machine's pace cancels."""
    ratios = []
    for _ in range(turns):
        seconds = []
        for each in (reference, call):
            start = time.perf_counter()
            each()
            seconds.append(time.perf_counter() - start)
        ratios.append(seconds[1] / seconds[0])
    return float(np.median(ratios))


def rest():
    """Wait until the threads of the last call have stopped spinning for more work."""
    time.sleep(0.2)
