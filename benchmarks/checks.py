"""A result is right before it is timed."""

import numpy as np


def assert_close(actual, expected, scale, tolerance):
    """Arrays equal to so many units of the scale."""
    error = float(np.abs(np.asarray(actual) - np.asarray(expected)).max()) / scale
    assert error < tolerance, f"off by {error:.1e} of the scale"
