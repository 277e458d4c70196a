"""Workers of dask.distributed: tasks without side effects, which it may run again anywhere."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fastsoftmax._runtime.engines import wire
from fastsoftmax._runtime.engines.protocol import Stays
from fastsoftmax._runtime.engines.tree import added, renumbered, shares
from fastsoftmax._runtime.engines.work import joined, made_of

LARGE = 1 << 20  # bytes for all workers, beyond which they get them from each other


class Dask:
    """The workers of a client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def hold(self, load: Callable[..., Any], sources: Sequence[Any]) -> "HeldByDask":
        import dask

        workers = sorted(self._client.scheduler_info(n_workers=-1)["workers"])
        if not workers:
            raise RuntimeError("Dask: expected workers, got a client without any")
        groups, traffic = [], wire.Traffic()
        for worker, part in zip(workers, shares(len(sources), len(workers)), strict=False):
            # what a source is made of is to be made by the same worker
            calls = [dask.delayed(load, pure=False)(*sources[i]) for i in part]
            futures = self._client.compute(calls, workers=[worker], allow_other_workers=True)
            groups.append(dict(zip(part, futures, strict=True)))
        traffic.count()
        return HeldByDask(self._client, groups, traffic)


class HeldByDask(Stays):
    """Futures of partitions, in groups of those that one worker works on."""

    def __init__(self, client: Any, groups: list[dict[int, Any]], traffic: wire.Traffic) -> None:
        self._client, self._groups, self.traffic = client, groups, traffic
        self.count = sum(map(len, groups))
        self._submit = partial(client.submit, pure=False)

    def _tasks(self, size: int | None, function: Callable[..., Any], args: Any) -> list[Any]:
        """A task for each group."""
        calls = wire.calls(function, args, self._groups)
        self.traffic.count(calls)
        if len(calls[0]) >= LARGE and all(call is calls[0] for call in calls):
            calls = [self._client.scatter(calls[0], broadcast=True, hash=False)] * len(calls)
        tasks = zip(self._groups, calls, strict=True)
        return [self._submit(run, [*group], [*group.values()], call, size) for group, call in tasks]

    def _got(self, futures: list[Any]) -> list[Any]:
        answers = self._client.gather(futures)
        self.traffic.got(answers)
        return list(map(wire.unpacked, answers))

    def each(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        parts = self._got(self._tasks(None, function, args))
        return [part[i] for i in range(self.count) for part in parts if i in part]

    def sum(self, function: Callable[..., Any], *args: Any) -> Any:
        sums = self._tasks(self.count, function, args)
        last = added(sums, partial(self._submit, joined, size=self.count))
        return self._got([last])[0][0, self.count]

    def map(
        self, function: Callable[..., Any], *args: Any, per: Sequence[Any] | None = None
    ) -> "HeldByDask":
        [call] = wire.calls(function, args, [range(self.count)])
        self.traffic.count([call] * len(self._groups))
        groups = [
            {i: self._submit(made_of_one, partition, call, *([] if per is None else [per[i]]))
             for i, partition in group.items()}
            for group in self._groups
        ]  # fmt: skip
        return HeldByDask(self._client, groups, self.traffic)

    def only(self, numbers: Sequence[int]) -> "HeldByDask":
        groups = renumbered(self._groups, numbers)
        return HeldByDask(self._client, [group for group in groups if group], self.traffic)


def run(numbers: list[int], partitions: list[Any], call: bytes, size: int | None) -> bytes:
    """The results of a group, or their sums."""
    from distributed import get_worker

    held = dict(zip(numbers, partitions, strict=True))
    return wire.packed(made_of(held, call, get_worker().state.nthreads, size))


def made_of_one(partition: Any, call: bytes, *own: Any) -> Any:
    """The result of one partition, with an argument of its own."""
    from distributed import get_worker

    return made_of({0: partition}, call, get_worker().state.nthreads, per=dict(enumerate(own)))[0]
