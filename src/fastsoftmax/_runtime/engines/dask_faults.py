"""How a round of a Dask client ends where workers are lost: done again, or as an error in time.

Dask runs tasks again. It does not send again what a client sent; and a task that was to run on one
worker waits for that one if there was no other when it was ready, whoever comes later.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from concurrent.futures import CancelledError, Future, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from fastsoftmax._runtime.engines.dask_workers import known_workers

Result = TypeVar("Result")


@dataclass(frozen=True)
class FaultRules:
    """How long a client waits (docs/experiments/0080-lost-workers.md)."""

    poll: float = 2.0  # seconds between questions whether workers work
    wait: float = 60.0  # seconds, for workers and for them to take data
    slowest: float = 1e6  # bytes of it per second
    tries: int = 6  # of a round: what was sent may be lost twice before workers are missed
    pause: float = 0.5  # seconds between them, in which Dask learns who is gone


class Lost(Exception):
    """Something that a round needs is lost.

    Parameters
    ----------
    workers : bool
        Whether tasks wait for workers that are lost, rather than for what was sent.
    """

    def __init__(self, workers: bool) -> None:
        super().__init__(workers)
        self.workers = workers


def lasting(
    once: Callable[[], Result], lost: Callable[[bool], list[int]], rules: FaultRules
) -> Result:
    """What a round gives, in one of some tries.

    ``lost(workers)`` makes ready for another, and has the numbers of partitions that were lost.
    """
    for _ in range(rules.tries):
        try:
            return once()
        except Lost as error:
            cause, gone = error, lost(error.workers)
            time.sleep(rules.pause)
    if gone:
        raise RuntimeError(
            "Dask: expected partitions that workers can load again, got rows that are lost with "
            f"the workers that had them, of partition {', '.join(map(str, gone))}: let workers "
            "read the rows, rather than scatter them"
        ) from cause
    raise RuntimeError(f"Dask: workers were lost {rules.tries} times during one round") from cause


def begun(client: Any, coroutine: Coroutine[Any, Any, Result]) -> "Future[Result]":
    """A call of a client, which goes on while this process waits."""
    return asyncio.run_coroutine_threadsafe(coroutine, client.loop.asyncio_loop)


def sent(client: Any, data: list[bytes], broadcast: bool, rules: FaultRules) -> list[Any]:
    """Data of workers. Raises Lost where workers do not take it."""
    sending = begun(
        client, client.scatter(data, broadcast=broadcast, hash=False, asynchronous=True)
    )
    try:
        return sending.result(rules.wait + sum(map(len, data)) / rules.slowest)
    except Exception as error:  # KeyError, OSError, …: it depends on when it was lost
        raise Lost(workers=False) from error
    finally:
        sending.cancel()


def gathered(
    client: Any, tasks: Sequence[Any], workers: Collection[str], rules: FaultRules
) -> list[Any]:
    """Results of tasks, whose partitions were placed on these workers.

    Raises Lost where they will not come.
    """
    gathering = begun(client, client.gather(tasks, asynchronous=True))
    idle = 0
    try:
        while not wait([gathering], rules.poll).done:
            if all(task.done() for task in tasks):  # what they return is on its way
                continue
            at_work = client.processing()
            gone = [worker for worker in workers if worker not in at_work]
            waits = gone and (len(gone) == len(workers) or not any(at_work.values()))
            idle = idle + 1 if waits else 0
            if idle == 2:
                client.cancel(tasks)
                raise Lost(workers=True)
        return gathering.result()
    except CancelledError as error:
        if client.status != "running":
            raise
        raise Lost(workers=False) from error
    finally:
        gathering.cancel()


def wait_for_workers(client: Any, n: int, rules: FaultRules) -> None:
    """Wait for so many. Raises RuntimeError where there are none at all."""
    with suppress(TimeoutError):
        client.wait_for_workers(n, timeout=rules.wait)
    if not known_workers(client):
        raise RuntimeError(
            f"Dask: expected workers, got none for {rules.wait:g} s after all of them were lost, "
            "with the partitions that they held"
        )
