"""Workers of dask.distributed: tasks without side effects, which may run again anywhere."""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any
from weakref import WeakSet

from fastsoftmax._runtime.engines import dask_faults as faults
from fastsoftmax._runtime.engines import wire
from fastsoftmax._runtime.engines.dask_tasks import Groups, kept, mapped, placed, run
from fastsoftmax._runtime.engines.protocol import Stays
from fastsoftmax._runtime.engines.tree import added
from fastsoftmax._runtime.engines.work import joined


class Dask:
    """The workers of a client."""

    def __init__(self, client: Any, rules: faults.FaultRules | None = None) -> None:
        self._client, self._rules = client, rules or faults.FaultRules()

    def hold(self, load: Callable[..., Any], sources: Sequence[Any]) -> "HeldByDask":
        place = partial(placed, self._client, load, sources)
        names, traffic = range(len(sources)), wire.Traffic(1)
        return HeldByDask(self._client, [place], names, traffic, place(), WeakSet(), self._rules)


class HeldByDask(Stays):
    """Futures of partitions, in groups of those that one worker works on.

    Parameters
    ----------
    client : Client
    steps : list of callables
        Make the groups: the first of nothing, and each other of what the one before made.
    names : sequence of int
        The numbers that the sources of the partitions have.
    traffic : Traffic
    groups : Groups
        What the steps have made.
    family : WeakSet
        Of all that was made of the same partitions.
    rules : FaultRules
    """

    large = 1 << 20  # bytes, beyond which workers get them from each other

    def __init__(
        self,
        client: Any,
        steps: list[Callable[..., Groups]],
        names: Sequence[int],
        traffic: wire.Traffic,
        groups: Groups,
        family: "WeakSet[HeldByDask]",
        rules: faults.FaultRules,
    ) -> None:
        self._client, self._steps, self._names, self.traffic = client, steps, names, traffic
        self.count, self._submit = len(names), partial(client.submit, pure=False)
        self._groups, self._family, self._rules = groups, family, rules
        family.add(self)

    def _then(self, step: Callable[[Groups], Groups], names: Sequence[int]) -> "HeldByDask":
        steps, more = [*self._steps, step], (step(self._there()), self._family, self._rules)
        return HeldByDask(self._client, steps, names, self.traffic, *more)

    def _there(self) -> Groups:
        """The groups, made again if they were given up."""
        if not self._groups:
            first, *others = self._steps
            self._groups = reduce(lambda groups, step: step(groups), others, first())
        return self._groups

    def _tasks(self, size: int | None, function: Callable[..., Any], args: Any) -> list[Any]:
        """A task for each group."""
        groups = [*self._there().values()]
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
            return faults.gathered(self._client, tasks, self._groups.keys(), self._rules)

        self.traffic.got(found := faults.lasting(once, self._lost, self._rules))
        return list(map(wire.unpacked, found))

    def _lost(self, workers: bool) -> list[int]:
        """Give up all partitions where workers or some of these were lost; the numbers of these."""
        futures = [future for group in self._groups.values() for future in group.items()]
        gone = [self._names[i] for i, future in futures if future.cancelled()]
        if workers or gone:
            faults.wait_for_workers(self._client, len(self._groups), self._rules)
            for held in self._family:  # whoever waits for a block keeps it with the lost worker
                held._give_up()
        return gone

    def _give_up(self) -> None:
        self._client.cancel([each for group in self._groups.values() for each in group.values()])
        self._groups = {}

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
        self.traffic.count([call] * len(self._there()))
        return self._then(partial(mapped, self._client, call, per), self._names)

    def only(self, numbers: Sequence[int]) -> "HeldByDask":
        return self._then(partial(kept, numbers), [self._names[i] for i in numbers])
