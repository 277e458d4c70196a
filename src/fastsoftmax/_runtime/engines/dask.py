"""Workers of dask.distributed: tasks without side effects, which it may run again anywhere."""

import pickle
from collections.abc import Callable, Sequence
from typing import Any

from fastsoftmax._runtime.engines.protocol import Stays
from fastsoftmax._runtime.engines.tree import fold_partitions, join, shares
from fastsoftmax._runtime.threads import of_worker

LARGE = 1 << 20  # bytes of arguments, beyond which workers get them from each other


class Dask:
    """The workers of a client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def hold(self, load: Callable[..., Any], sources: Sequence[Any]) -> "HeldByDask":
        import dask

        self._require_fixed()
        workers = sorted(self._client.scheduler_info(n_workers=-1)["workers"])
        if not workers:
            raise RuntimeError("Dask: expected workers, got a client without any")
        parts = shares(len(sources), len(workers))
        groups = []
        for worker, part in zip(workers, parts, strict=False):
            # what a source is made of is to be made by the same worker
            calls = [dask.delayed(load, pure=False)(*sources[i]) for i in part]
            futures = self._client.compute(calls, workers=[worker], allow_other_workers=True)
            groups.append(dict(zip(part, futures, strict=True)))
        return HeldByDask(self._client, groups)

    def _require_fixed(self) -> None:
        """Raise where workers come and go by themselves: partitions stay with those there are."""
        adaptive = getattr(self._client.cluster, "_adaptive", None)
        runs = getattr(adaptive, "state", None) in ("starting", "running")
        if runs and adaptive.minimum != adaptive.maximum:
            raise RuntimeError(
                "Dask: expected a fixed number of workers while a fit runs, got adaptive scaling "
                f"between {adaptive.minimum} and {adaptive.maximum}: call "
                "cluster.adapt(minimum=n, maximum=n) before, and after it as you did"
            )


class HeldByDask(Stays):
    """Futures of partitions, in groups of those that one worker works on."""

    def __init__(self, client: Any, groups: list[dict[int, Any]]) -> None:
        self._client, self._groups = client, groups
        self.count = sum(map(len, groups))

    def _tasks(self, *call: Any) -> list[Any]:
        """A task for each group."""
        packed = self._packed(call)
        return [
            self._client.submit(run, list(group), list(group.values()), packed, pure=False)
            for group in self._groups
        ]

    def _packed(self, call: Any) -> Any:
        """A function and its arguments, which Dask is not to look into."""
        packed = pickle.dumps(call, pickle.HIGHEST_PROTOCOL)
        if len(packed) < LARGE:
            return packed
        return self._client.scatter(packed, broadcast=True, hash=False)

    def each(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        found: dict[int, Any] = {}
        for part in self._client.gather(self._tasks(apply_each, function, args)):
            found |= part
        return [found[i] for i in range(self.count)]

    def sum(self, function: Callable[..., Any], *args: Any) -> Any:
        sums = self._tasks(fold_partitions, function, args, self.count)
        while len(sums) > 1:
            pairs = [sums[i : i + 2] for i in range(0, len(sums), 2)]
            sums = [
                self._client.submit(join, *pair, count=self.count, pure=False)
                if len(pair) > 1
                else pair[0]
                for pair in pairs
            ]
        return self._client.gather(sums[0])[0, self.count]

    def map(
        self, function: Callable[..., Any], *args: Any, per: Sequence[Any] | None = None
    ) -> "HeldByDask":
        packed = self._packed((apply_each, function, args))
        groups = [
            {i: self._client.submit(
                run_one, future, packed, *(() if per is None else (per[i],)), pure=False
            ) for i, future in group.items()}
            for group in self._groups
        ]  # fmt: skip
        return HeldByDask(self._client, groups)

    def only(self, numbers: Sequence[int]) -> "HeldByDask":
        new = {old: i for i, old in enumerate(numbers)}
        groups = [{new[i]: f for i, f in group.items() if i in new} for group in self._groups]
        return HeldByDask(self._client, [group for group in groups if group])


def run(numbers: list[int], partitions: list[Any], packed: bytes) -> Any:
    """The results of a group, with the worker's threads."""
    apply, function, args, *more = pickle.loads(packed)
    from distributed import get_worker

    token = of_worker.set(get_worker().state.nthreads)
    try:
        held = dict(zip(numbers, partitions, strict=True))
        return apply(held, function, args, *more)
    finally:
        of_worker.reset(token)


def run_one(partition: Any, packed: bytes, *own: Any) -> Any:
    """The result of one partition, with an argument of its own."""
    apply, function, args = pickle.loads(packed)
    return run([0], [partition], pickle.dumps((apply, function, (*args, *own))))[0]


def apply_each(
    held: dict[int, Any], function: Callable[..., Any], args: tuple[Any, ...]
) -> dict[int, Any]:
    """Results by partition."""
    return {i: function(partition, *args) for i, partition in held.items()}
