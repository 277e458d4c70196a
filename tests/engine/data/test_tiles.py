"""Evenly spread tiles of rows."""

import numpy as np
import pytest
from support.logits import stored


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [5, 16, 100, 1000])
@pytest.mark.parametrize("n_tiles", [1, 2, 7])
def test_some_are_whole_tiles_and_all_of_their_rows(dtype, rows, n_tiles):
    size = stored(np.zeros((1, 2)), dtype).tiles.shape[2]
    n = n_tiles * size - 3  # of which the last tile lacks some
    z = np.arange(2.0 * n).reshape(n, 2)
    some = stored(z, dtype).some(rows)
    table = some.table()
    assert len(table) == some.n
    assert np.isfinite(table).all()  # no row that there is not
    assert np.isin(table[:, 0], z[:, 0]).all()
    if n_tiles == 1:
        assert some.n == n
    else:
        assert some.n % size == 0
        assert min(rows // 2, n - n % size) <= some.n <= max(2 * rows, size)
