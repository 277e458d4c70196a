"""Some rows at a time as a dense array of float64, whatever X is: where the last digits matter."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data.protocol import Data

PIECE = 1 << 22  # bytes of a piece, about: what caches hold


def float64_pieces(
    data: Data, most_bytes: int = PIECE
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Rows in order, each with a copy of their features times their factors, (m, D)."""
    most = max(32, most_bytes // (8 * data.shape[1]))
    for rows, part in data.pieces():
        for first in range(0, part.shape[0], most):
            some = slice(first, min(first + most, part.shape[0]))
            yield slice(rows.start + some.start, rows.start + some.stop), part.in_float64(some)
