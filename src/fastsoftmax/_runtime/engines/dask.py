"""Workers of dask.distributed: tasks without side effects, which it may run again anywhere."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fastsoftmax._runtime.engines import wire
from fastsoftmax._runtime.engines.dask_workers import workers_of
from fastsoftmax._runtime.engines.protocol import Stays
from fastsoftmax._runtime.engines.tree import added, renumbered, shares
from fastsoftmax._runtime.engines.work import joined, made_of

COPIES = 3  # of what is one worker's own: another may have to go on with it


class Dask:
    """The workers of a client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def hold(self, load: Callable[..., Any], sources: Sequence[Any]) -> "HeldByDask":
        import dask

        workers, groups = workers_of(self._client), []
        for worker, part in zip(workers, shares(len(sources), len(workers)), strict=False):
            # what a source is made of is to be made by the same worker
            calls = [dask.delayed(load, pure=False)(*sources[i]) for i in part]
            futures = self._client.compute(calls, workers=[worker], allow_other_workers=True)
            groups.append(dict(zip(part, futures, strict=True)))
        return HeldByDask(self._client, groups, wire.Traffic(1))


class HeldByDask(Stays):
    """Futures of partitions, in groups of those that one worker works on."""

    large = 1 << 20  # bytes, beyond which workers get them from each other

    def __init__(self, client: Any, groups: list[dict[int, Any]], traffic: wire.Traffic) -> None:
        self._client, self._groups, self.traffic = client, groups, traffic
        self.count, self._submit = sum(map(len, groups)), partial(client.submit, pure=False)

    def _tasks(self, size: int | None, function: Callable[..., Any], args: Any) -> list[Any]:
        """A task for each group."""
        calls = wire.calls(function, args, self._groups)
        self.traffic.count(calls)
        if max(map(len, calls)) >= self.large:
            if all(call is calls[0] for call in calls):
                calls = [self._client.scatter(calls[0], broadcast=True, hash=False)] * len(calls)
            else:
                calls = self._client.scatter(calls, broadcast=COPIES, hash=False)
        tasks = zip(self._groups, calls, strict=True)
        return [self._submit(run, [*group], [*group.values()], call, size) for group, call in tasks]

    def _got(self, futures: list[Any]) -> list[Any]:
        self.traffic.got(answers := self._client.gather(futures))
        return list(map(wire.unpacked, answers))

    def each(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        parts = self._got(self._tasks(None, function, args))
        found = {i: result for part in parts for i, result in part.items()}
        return [found[i] for i in range(self.count)]

    def sum(self, function: Callable[..., Any], *args: Any) -> Any:
        sums = self._tasks(self.count, function, args)
        [found] = self._got([added(sums, partial(self._submit, joined, size=self.count))])
        return found[0, self.count]

    def map(
        self, function: Callable[..., Any], *args: Any, per: Sequence[Any] | None = None
    ) -> "HeldByDask":
        [call] = wire.calls(function, args, [range(self.count)])
        self.traffic.count([call] * len(self._groups))
        own = [() if per is None else (per[i],) for i in range(self.count)]
        groups = [
            {i: self._submit(made_of_one, part, call, *own[i]) for i, part in group.items()}
            for group in self._groups
        ]
        return HeldByDask(self._client, groups, self.traffic)

    def only(self, numbers: Sequence[int]) -> "HeldByDask":
        groups = renumbered(self._groups, numbers)
        return HeldByDask(self._client, [group for group in groups if group], self.traffic)


def run(numbers: list[int], partitions: list[Any], call: bytes, size: int | None) -> bytes:
    """The results of a group, or their sums."""
    return wire.packed(made_here(dict(zip(numbers, partitions, strict=True)), call, size))


def made_of_one(partition: Any, call: bytes, *own: Any) -> Any:
    """The result of one partition, with an argument of its own."""
    return made_here({0: partition}, call, per=dict(enumerate(own)))[0]


def made_here(held: dict[int, Any], call: bytes, *args: Any, **more: Any) -> Any:
    """What is made of partitions, with this worker's threads."""
    from distributed import get_worker

    return made_of(held, call, get_worker().state.nthreads, *args, **more)
