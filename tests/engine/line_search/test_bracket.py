"""The search for a step along a function whose curvature is not known."""

import numpy as np
import pytest

from fastsoftmax._engine.line_search.bracket import search
from fastsoftmax._engine.line_search.phi import Trial


class Bent:
    """φ' from -1 to `steep` - 1, nearly all of it at small t: the loss of a far row and others."""

    near = 0.8

    def __init__(self, at, steep):
        self.at, self.steep, self.evaluations = at, steep, 0

    def evaluate(self, t):
        self.evaluations += 1
        rise = self.steep * (t + self.at * np.expm1(-t / self.at))
        return Trial(rise - t, -self.steep * np.expm1(-t / self.at) - 1, np.nan)


@pytest.mark.parametrize("at", [1e-2, 1e-5, 1e-9])
@pytest.mark.parametrize("steep", [1.5, 30.0])
def test_a_slope_that_bends_where_t_is_small(at, steep):
    path = Bent(at, steep)
    t = search(path, 0.0, -1.0, 1.0, rounding=1e-14)
    best = -at * np.log1p(-1 / steep)
    assert 0.01 * best < t < 10 * best
    assert path.evaluate(t).value < 0
    assert path.evaluations < 30


def test_a_parabola_takes_two_evaluations():
    class Parabola:
        near, evaluations = 0.1, 0

        def evaluate(self, t):
            self.evaluations += 1
            return Trial(2 * t * t - t, 4 * t - 1, np.nan)

    path = Parabola()
    assert search(path, 0.0, -1.0, 1.0, rounding=1e-14) == pytest.approx(0.25)
    assert path.evaluations == 2


def test_no_step_where_the_function_rises_at_once():
    """However short: the bracket ends where no number lies between its ends."""

    class Step:
        near = 0.1

        def evaluate(self, t):
            return Trial(1.0, -1.0, np.nan)

    assert search(Step(), 0.0, -1.0, 5e-324, rounding=1e-14) is None
