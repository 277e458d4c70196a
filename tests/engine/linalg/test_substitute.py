"""Small triangular systems."""

import numpy as np
import pytest
from scipy.linalg import solve_triangular

from fastsoftmax._engine.linalg import substitute


@pytest.mark.parametrize("m", [1, 2, 7, 40])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("order", "CF")
def test_substitute(m, transposed, order):
    rng = np.random.default_rng(m)
    whole = np.array(rng.normal(size=(m, m)) + 2 * m * np.eye(m), order=order)
    z = rng.normal(size=m)
    expected = solve_triangular(whole, z, trans=int(transposed))  # what is below is not read
    before = whole.copy()
    np.testing.assert_allclose(
        substitute(whole, z.copy(), transposed=transposed), expected, rtol=1e-13
    )
    np.testing.assert_array_equal(whole, before)


def test_a_triangle_of_fewer_rows_is_refused():
    with pytest.raises(ValueError, match="upper: expected at least 9 elements, got 4"):
        substitute(np.eye(2), np.ones(3))
