"""What a fit is given as Dask's collections."""

from typing import Any

from fastsoftmax._runtime.collections import computed, is_collection, together
from fastsoftmax._runtime.engines.current import dask_engine
from fastsoftmax._validation import partitions as check
from fastsoftmax.blocks import Blocks
from fastsoftmax.partitions import Partitions


def from_collections(X: Any, y: Any, sample_weight: Any, offset: Any) -> tuple[Any, Any, Any, Any]:
    """Partitions where a client's workers can hold them, else Blocks, which are computed one after
    another; what is no collection as it is."""
    graph = "__dask_graph__"  # asked for first: calls are what a small fit takes time for
    if not (hasattr(X, graph) or hasattr(y, graph) or hasattr(sample_weight, graph)):
        return X, y, sample_weight, offset
    of_rows = {"y": y, "sample_weight": sample_weight, "offset": offset}
    if not is_collection(X):
        for name, value in of_rows.items():
            check.no_collection(is_collection(value), name)
        return X, y, sample_weight, offset
    rows = together(X, **of_rows)
    if dask_engine() is not None:
        return Partitions._of_parts(rows), None, None, None
    check.no_offset(offset)
    return Blocks(lambda: computed(rows)), None, None, None
