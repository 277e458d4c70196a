"""Workers of dask.distributed: tasks without side effects, which may run again anywhere."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fastsoftmax._runtime.engines import dask_faults as faults
from fastsoftmax._runtime.engines import wire
from fastsoftmax._runtime.engines.dask_lineage import Lineage
from fastsoftmax._runtime.engines.dask_tasks import mapped, run
from fastsoftmax._runtime.engines.failures import Failure
from fastsoftmax._runtime.engines.protocol import Stays
from fastsoftmax._runtime.engines.tree import added
from fastsoftmax._runtime.engines.work import joined


class Dask:
    """The workers of a client."""

    def __init__(self, client: Any, rules: faults.FaultRules | None = None) -> None:
        self._client, self._rules = client, rules or faults.FaultRules()

    def hold(self, load: Callable[..., Any], sources: Sequence[Any]) -> "HeldByDask":
        partitions = Lineage.of_sources(self._client, load, sources)
        return HeldByDask(self._client, partitions, wire.Traffic(1), self._rules)


class HeldByDask(Stays):
    """Partitions that are futures of a client."""

    large = 1 << 20  # bytes, beyond which workers get them from each other

    def __init__(
        self, client: Any, partitions: Lineage, traffic: wire.Traffic, rules: faults.FaultRules
    ) -> None:
        self._client, self._partitions, self._rules = client, partitions, rules
        self.count, self.traffic = len(partitions), traffic
        self._submit = partial(client.submit, pure=False)

    def _of(self, partitions: Lineage) -> "HeldByDask":
        return HeldByDask(self._client, partitions, self.traffic, self._rules)

    def _tasks(self, size: int | None, function: Callable[..., Any], args: Any) -> list[Any]:
        """A task for each group."""
        groups = [*self._partitions.groups().values()]
        calls = wire.calls(function, args, groups)
        self.traffic.count(calls)
        if max(map(len, calls)) >= self.large:
            same = all(call is calls[0] for call in calls)
            data = faults.sent(self._client, calls[:1] if same else calls, same, self._rules)
            calls = data * len(calls) if same else data
        tasks = zip(groups, calls, strict=True)
        return [self._submit(run, [*group], [*group.values()], call, size) for group, call in tasks]

    def _answers(
        self, function: Callable[..., Any], args: Any, size: int | None = None
    ) -> list[Any]:
        """The results of each group, or their sum."""

        def once() -> list[bytes]:
            tasks = self._tasks(size, function, args)
            if size is not None:
                tasks = [added(tasks, partial(self._submit, joined, size=size))]
            workers = self._partitions.groups().keys()
            return faults.gathered(self._client, tasks, workers, self._rules)

        lost = partial(self._partitions.lost, rules=self._rules)
        try:
            found = faults.lasting(once, lost, self._rules)
        except Failure as failure:
            failure.raise_here()
        except Exception as error:
            self._partitions.blame(error)
            raise
        self.traffic.got(found)
        return list(map(wire.unpacked, found))

    def each(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        found = {i: made for part in self._answers(function, args) for i, made in part.items()}
        return [found[i] for i in range(self.count)]

    def sum(self, function: Callable[..., Any], *args: Any) -> Any:
        [found] = self._answers(function, args, self.count)
        return found[0, self.count]

    def map(
        self, function: Callable[..., Any], *args: Any, per: Sequence[Any] | None = None
    ) -> "HeldByDask":
        [call] = wire.calls(function, args, [range(self.count)])
        self.traffic.count([call] * len(self._partitions.groups()))
        return self._of(self._partitions.mapped(partial(mapped, self._client, call, per)))

    def only(self, numbers: Sequence[int]) -> "HeldByDask":
        return self._of(self._partitions.only(numbers))
