"""X in partitions that an engine holds: whatever is computed with all rows is a round."""

from fastsoftmax._engine.data.partitioned.by_row import ByRow, as_dtype
from fastsoftmax._engine.data.partitioned.data import (
    Curved,
    DensePartitions,
    PartitionedData,
    SparsePartitions,
    sum_of_rows,
)
from fastsoftmax._engine.data.partitioned.partition import Partition, PartitionRows, View

__all__ = [
    "ByRow",
    "Curved",
    "DensePartitions",
    "Partition",
    "PartitionRows",
    "PartitionedData",
    "SparsePartitions",
    "View",
    "as_dtype",
    "sum_of_rows",
]
