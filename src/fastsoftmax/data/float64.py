"""Some rows at a time as a dense array of float64, whatever X is: where the last digits matter."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fastsoftmax.data.csr import SparseData
from fastsoftmax.data.dense import DenseData
from fastsoftmax.data.streamed import BlocksData

PIECE = 1 << 22  # bytes of a piece, about


def float64_pieces(
    data: BlocksData | DenseData | SparseData,
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Rows in order, each with a copy of their features times their factors, (m, D)."""
    most = max(32, PIECE // (8 * data.shape[1]))
    whole = [(slice(0, data.shape[0]), data)]
    for rows, part in data.pieces() if isinstance(data, BlocksData) else whole:
        for first in range(0, part.shape[0], most):
            some = slice(first, min(first + most, part.shape[0]))
            yield slice(rows.start + some.start, rows.start + some.stop), part.in_float64(some)
