"""What X may be. Each kind offers the products that an objective needs, and never copies X."""

from fastsoftmax._engine.data.batch import Batch, Point, is_per_logit
from fastsoftmax._engine.data.column_space import column_space
from fastsoftmax._engine.data.dense import DenseData, Gradients
from fastsoftmax._engine.data.diagonals import DiagonalFactors, Variances, diagonals
from fastsoftmax._engine.data.dual_rows import DualRows
from fastsoftmax._engine.data.float64 import float64_pieces
from fastsoftmax._engine.data.kinds import better_dense, data_of, dense_if_small
from fastsoftmax._engine.data.moments import merged
from fastsoftmax._engine.data.partitioned import (
    ByRow,
    Curved,
    DensePartitions,
    Partition,
    PartitionRows,
    SparsePartitions,
    View,
    as_dtype,
    sum_of_rows,
)
from fastsoftmax._engine.data.protocol import Data
from fastsoftmax._engine.data.row_sample import RowSample, numbers_of
from fastsoftmax._engine.data.row_space import RowSpace, row_space
from fastsoftmax._engine.data.shared import SharedPasses, digest
from fastsoftmax._engine.data.some_rows import some_rows
from fastsoftmax._engine.data.sparse import SparseData
from fastsoftmax._engine.data.sparse_array import Change
from fastsoftmax._engine.data.standardised import Standardisation
from fastsoftmax._engine.data.stored_logits import DualPoint, Step, StoredLogits
from fastsoftmax._engine.data.streamed.dense import DenseBlocks
from fastsoftmax._engine.data.streamed.sparse import SparseBlocks

__all__ = [
    "Batch",
    "ByRow",
    "Change",
    "Curved",
    "Data",
    "DenseBlocks",
    "DenseData",
    "DensePartitions",
    "DiagonalFactors",
    "DualPoint",
    "DualRows",
    "Gradients",
    "Partition",
    "PartitionRows",
    "Point",
    "RowSample",
    "RowSpace",
    "SharedPasses",
    "SparseBlocks",
    "SparseData",
    "SparsePartitions",
    "Standardisation",
    "Step",
    "StoredLogits",
    "Variances",
    "View",
    "as_dtype",
    "better_dense",
    "column_space",
    "data_of",
    "dense_if_small",
    "diagonals",
    "digest",
    "float64_pieces",
    "is_per_logit",
    "merged",
    "numbers_of",
    "row_space",
    "some_rows",
    "sum_of_rows",
]
