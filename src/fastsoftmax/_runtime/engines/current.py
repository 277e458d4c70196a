"""Which engine runs the rounds of a fit."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from fastsoftmax._runtime.engines.in_process import InProcess
from fastsoftmax._runtime.engines.protocol import Engine

_entered: ContextVar[Engine | None] = ContextVar("_entered", default=None)


@contextmanager
def entered(engine: Engine) -> Iterator[Engine]:
    """Make this engine the current one within the context."""
    token = _entered.set(engine)
    try:
        yield engine
    finally:
        _entered.reset(token)


def current_engine() -> Engine:
    """The engine entered last, that of the current Dask client, or this process."""
    return _entered.get() or dask_engine() or InProcess()


def dask_engine() -> Engine | None:
    """The engine of the current client, if there is one: then its package has been imported."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        client = distributed.get_client()
    except ValueError:
        return None
    from fastsoftmax._runtime.engines.dask import Dask

    require_fixed(client.cluster)
    return Dask(client)


def require_fixed(cluster: Any) -> None:
    """Raise where workers come and go by themselves: partitions stay with those there are."""
    adaptive = getattr(cluster, "_adaptive", None)
    runs = getattr(adaptive, "state", None) in ("starting", "running")
    if runs and adaptive.minimum != adaptive.maximum:
        raise RuntimeError(
            "Dask: expected a fixed number of workers while a fit runs, got adaptive scaling "
            f"between {adaptive.minimum} and {adaptive.maximum}: call "
            "cluster.adapt(minimum=n, maximum=n) before, and after it as you did"
        )
