"""Tasks of a Dask client: what makes partitions, and what is made of them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fastsoftmax._runtime.engines import wire
from fastsoftmax._runtime.engines.dask_workers import workers_of
from fastsoftmax._runtime.engines.failures import Failure
from fastsoftmax._runtime.engines.tree import renumbered, shares
from fastsoftmax._runtime.engines.work import made_of

Groups = dict[str, dict[int, Any]]  # by worker: futures of its partitions, by number


def placed(client: Any, load: Callable[..., Any], sources: Sequence[Any]) -> Groups:
    """Partitions, loaded by the workers there are."""
    import dask

    workers, groups = workers_of(client), {}
    for worker, part in zip(workers, shares(len(sources), len(workers)), strict=False):
        # what a source is made of is to be made by the same worker
        calls = [dask.delayed(attempted, pure=False)(load, *sources[i]) for i in part]
        futures = client.compute(calls, workers=[worker], allow_other_workers=True)
        groups[worker] = dict(zip(part, futures, strict=True))
    return groups


def mapped(client: Any, call: bytes, per: Sequence[Any] | None, groups: Groups) -> Groups:
    """What a function makes of each partition, with an argument of its own."""
    submit = partial(client.submit, made_of_one, pure=False)
    own = {} if per is None else {i: (each,) for i, each in enumerate(per)}
    return {
        worker: {i: submit(part, call, *own.get(i, ())) for i, part in group.items()}
        for worker, group in groups.items()
    }


def kept(numbers: Sequence[int], groups: Groups) -> Groups:
    """Some of the partitions, numbered anew in this order."""
    parts = zip(groups, renumbered([*groups.values()], numbers), strict=True)
    return {worker: part for worker, part in parts if part}


def run(numbers: list[int], partitions: list[Any], call: bytes, size: int | None) -> bytes:
    """The results of a group, or their sums."""
    return wire.packed(made_here(dict(zip(numbers, partitions, strict=True)), call, size))


def made_of_one(partition: Any, call: bytes, *own: Any) -> Any:
    """The result of one partition, with an argument of its own."""
    return made_here({0: partition}, call, per=dict(enumerate(own)))[0]


def made_here(held: dict[int, Any], call: bytes, *args: Any, **more: Any) -> Any:
    """What is made of partitions, with this worker's threads."""
    from distributed import get_worker

    return attempted(partial(made_of, held, call, get_worker().state.nthreads, *args, **more))


def attempted(function: Callable[..., Any], *args: Any) -> Any:
    """What a function returns. What it raises is a Failure: Dask sends texts of 10 000 characters
    at most, and of some exceptions another in their place."""
    import cloudpickle

    try:
        return function(*args)
    except BaseException as error:
        failure = Failure.of(error, cloudpickle)
    raise failure  # here, without the exception as its context, which may not be sent
