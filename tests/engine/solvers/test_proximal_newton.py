"""When Newton's method with an L1 penalty gives up."""

import pytest

from fastsoftmax._engine.solvers.proximal_newton import Progress


@pytest.mark.parametrize(
    ("values", "gaps", "stalls"),
    [
        ([5.0, 5.0, 5.0], [1.0, 1.0, 1.0], [False, False, True]),
        ([5.0, 5.0, 5.0], [3.0, 2.0, 1.0], [False, False, False]),  # the bound falls
        ([5.0, 4.0, 3.0], [1.0, 1.0, 1.0], [False, False, False]),  # F falls
        ([5.0, 4.99, 4.98], [1.0, 1.0, 1.0], [False, False, True]),  # by no more than its rounding
        ([5.0, 6.0, 5.5], [1.0, 2.0, 1.5], [False, False, True]),  # not below the least so far
    ],
)
def test_two_iterations_in_which_nothing_falls(values, gaps, stalls):
    progress = Progress(2)
    given = zip(values, gaps, strict=True)
    assert [progress.stalls(value, gap, rounding=0.01) for value, gap in given] == stalls
