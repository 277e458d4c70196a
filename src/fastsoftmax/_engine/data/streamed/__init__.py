"""X in blocks, read anew in every pass."""

from fastsoftmax._engine.data.streamed.dense import DenseBlocks
from fastsoftmax._engine.data.streamed.sparse import SparseBlocks

__all__ = ["DenseBlocks", "SparseBlocks"]
