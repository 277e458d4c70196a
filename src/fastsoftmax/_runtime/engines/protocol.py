"""What an engine is: it holds partitions, and works on them in rounds.

A round applies one function to every partition, where it is held, and brings back the results, by
partition or summed. Functions are found by their names on the workers, and depend on nothing but
their arguments, so that an engine may run them again, elsewhere.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self

from fastsoftmax._runtime.engines.wire import Traffic


class Stays:
    """What is of no use on a worker: sent to one, it is None."""

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return type(None), ()


class Held(Protocol):
    """Partitions that workers hold."""

    count: int
    traffic: Traffic  # of them, of those that they were made of, and of those made of them

    def each(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        """``function(partition, *args)`` of each, in order; `PerWorker` arguments are cut."""

    def sum(self, function: Callable[..., Any], *args: Any) -> Any:
        """The same, added by the tree of `tree.py`."""

    def map(
        self, function: Callable[..., Any], *args: Any, per: Sequence[Any] | None = None
    ) -> Self:
        """What the function makes of each stays where it is; `per` has a last argument for each."""

    def only(self, numbers: Sequence[int]) -> Self:
        """Some of them, numbered anew."""


class Engine(Protocol):
    """Workers."""

    def hold(self, load: Callable[..., Any], sources: Sequence[Sequence[Any]]) -> Held:
        """``load(*source)`` of each source becomes a partition, on a worker."""
