"""What a worker makes of partitions."""

from collections.abc import Mapping
from typing import Any

from fastsoftmax._runtime.engines.tree import fold_partitions, join
from fastsoftmax._runtime.engines.wire import packed, unpacked
from fastsoftmax._runtime.threads import of_worker


def made_of(
    held: Mapping[int, Any],
    call: bytes,
    n_threads: int,
    size: int | None = None,
    per: Mapping[int, Any] | None = None,
) -> Any:
    """What a function makes of partitions, by their numbers; or sums of it, of so many in all.

    `per` has a last argument for each.
    """
    function, args = unpacked(call)
    token = of_worker.set(n_threads)
    try:
        if size is not None:
            return fold_partitions(held, function, args, size)
        own = {} if per is None else {i: (argument,) for i, argument in per.items()}
        return {i: function(partition, *args, *own.get(i, ())) for i, partition in held.items()}
    finally:
        of_worker.reset(token)


def joined(*sums: bytes, size: int) -> bytes:
    """Sums of several workers, added."""
    return packed(join(*map(unpacked, sums), count=size))
