"""Which engine runs the rounds of a fit."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

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

    return Dask(client)
