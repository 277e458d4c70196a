"""One after another in this process: what every other engine equals to the bit."""

from collections.abc import Callable, Sequence
from typing import Any

from fastsoftmax._runtime.engines.protocol import Stays
from fastsoftmax._runtime.engines.tree import fold_partitions, total


class InProcess:
    """No workers: partitions are held here."""

    def hold(self, load: Callable[..., Any], sources: Sequence[Any]) -> "HeldHere":
        return HeldHere([load(*source) for source in sources])


class HeldHere(Stays):
    """Partitions in a list."""

    def __init__(self, partitions: list[Any]) -> None:
        self._partitions, self.count = partitions, len(partitions)

    def each(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        return [function(partition, *args) for partition in self._partitions]

    def sum(self, function: Callable[..., Any], *args: Any) -> Any:
        held = dict(enumerate(self._partitions))
        return total(fold_partitions(held, function, args, self.count), count=self.count)

    def map(
        self, function: Callable[..., Any], *args: Any, per: Sequence[Any] | None = None
    ) -> "HeldHere":
        if per is None:
            return HeldHere(self.each(function, *args))
        pairs = zip(self._partitions, per, strict=True)
        return HeldHere([function(partition, *args, own) for partition, own in pairs])

    def only(self, numbers: Sequence[int]) -> "HeldHere":
        return HeldHere([self._partitions[i] for i in numbers])
