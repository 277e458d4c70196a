"""Workers of dask.distributed: tasks without side effects, which may run again anywhere."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fastsoftmax._runtime.engines import dask_faults as faults
from fastsoftmax._runtime.engines import wire
from fastsoftmax._runtime.engines.dask_groups import Remade
from fastsoftmax._runtime.engines.dask_tasks import kept, mapped, placed, run
from fastsoftmax._runtime.engines.protocol import Stays
from fastsoftmax._runtime.engines.tree import added
from fastsoftmax._runtime.engines.work import joined


class Dask:
    """The workers of a client."""

    def __init__(self, client: Any, rules: faults.FaultRules | None = None) -> None:
        self._client, self._rules = client, rules or faults.FaultRules()

    def hold(self, load: Callable[..., Any], sources: Sequence[Any]) -> "HeldByDask":
        place = partial(placed, self._client, load, sources)
        made = Remade(self._client, [place], range(len(sources)), place(), self._rules)
        return HeldByDask(self._client, made, wire.Traffic(1), self._rules)


class HeldByDask(Stays):
    """Rounds over partitions.

    Parameters
    ----------
    client : Client
    made : Remade
        The partitions.
    traffic : Traffic
    rules : FaultRules
    """

    large = 1 << 20  # bytes, beyond which workers get them from each other

    def __init__(
        self, client: Any, made: Remade, traffic: wire.Traffic, rules: faults.FaultRules
    ) -> None:
        self._client, self._made, self.traffic, self._rules = client, made, traffic, rules
        self.count, self._submit = len(made.names), partial(client.submit, pure=False)

    def _tasks(self, size: int | None, function: Callable[..., Any], args: Any) -> list[Any]:
        """A task for each group."""
        groups = [*self._made.groups().values()]
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
            return faults.gathered(self._client, tasks, self._made.groups().keys(), self._rules)

        self.traffic.got(found := faults.lasting(once, self._made.lost, self._rules))
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
        self.traffic.count([call] * len(self._made.groups()))
        return self._of(self._made.then(partial(mapped, self._client, call, per), self._made.names))

    def only(self, numbers: Sequence[int]) -> "HeldByDask":
        names = [self._made.names[i] for i in numbers]
        return self._of(self._made.then(partial(kept, numbers), names))

    def _of(self, made: Remade) -> "HeldByDask":
        return HeldByDask(self._client, made, self.traffic, self._rules)
