"""Logits in the tiles in which kernels keep them."""

import numpy as np

from fastsoftmax._engine.data import StoredLogits


def stored(z, dtype, n_threads=1, logistic=False):
    """Logits z (n, K) as kernels keep them, the rows that the last tile lacks being NaN."""
    out = StoredLogits(*z.shape, np.dtype(dtype), n_threads, logistic)
    table = np.full((out.tiles.shape[0] * out.tiles.shape[2], z.shape[1]), np.nan)
    table[: len(z)] = z
    out.tiles[...] = table.reshape(len(out.tiles), -1, z.shape[1]).transpose(0, 2, 1)
    return out
