"""One after another in this process: what every other engine equals to the bit."""

from collections.abc import Callable, Sequence
from typing import Any

from fastsoftmax._runtime.engines.protocol import Stays
from fastsoftmax._runtime.engines.tree import fold_partitions, total
from fastsoftmax._runtime.engines.wire import Traffic, arguments


class InProcess:
    """No workers: partitions are held here."""

    def hold(self, load: Callable[..., Any], sources: Sequence[Any]) -> "HeldHere":
        return HeldHere([load(*source) for source in sources], Traffic(1))


class HeldHere(Stays):
    """Partitions in a list."""

    def __init__(self, partitions: list[Any], traffic: Traffic) -> None:
        self._partitions, self.count, self.traffic = partitions, len(partitions), traffic

    def each(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        self.traffic.count()
        return [function(partition, *arguments(args)) for partition in self._partitions]

    def sum(self, function: Callable[..., Any], *args: Any) -> Any:
        self.traffic.count()
        held = dict(enumerate(self._partitions))
        sums = fold_partitions(held, function, arguments(args), self.count)
        return total(sums, count=self.count)

    def map(
        self, function: Callable[..., Any], *args: Any, per: Sequence[Any] | None = None
    ) -> "HeldHere":
        self.traffic.count()
        own = [()] * self.count if per is None else [(each,) for each in per]
        pairs = zip(self._partitions, own, strict=True)
        return HeldHere(
            [function(partition, *args, *each) for partition, each in pairs], self.traffic
        )

    def only(self, numbers: Sequence[int]) -> "HeldHere":
        return HeldHere([self._partitions[i] for i in numbers], self.traffic)
