"""What goes between this process and workers: bytes, which are counted."""

import pickle
from collections.abc import Callable, Collection, Sequence
from typing import Any

unpacked = pickle.loads


def packed(sent: object) -> bytes:
    """What is sent, as bytes."""
    return pickle.dumps(sent, pickle.HIGHEST_PROTOCOL)


class Traffic:
    """What partitions, and all that became of them, took so far.

    Attributes
    ----------
    rounds : int
    bytes : int
        Of functions and arguments that this process sent, for each worker, and of results that it
        got.
    """

    def __init__(self, rounds: int = 0) -> None:
        self.rounds, self.bytes = rounds, 0

    def count(self, messages: Sequence[bytes] = ()) -> None:
        """Count a round and what was sent for it."""
        self.rounds += 1
        self.got(messages)

    def got(self, messages: Sequence[bytes]) -> None:
        """Count what came back."""
        self.bytes += sum(map(len, messages))


class PerWorker:
    """An argument of which each worker is sent what its partitions need."""

    @property
    def whole(self) -> Any:
        """What functions get in this process."""
        raise NotImplementedError

    def of(self, numbers: Collection[int]) -> Any:
        """What they get where the partitions of these numbers are."""
        raise NotImplementedError


def arguments(args: tuple[Any, ...], numbers: Collection[int] | None = None) -> tuple[Any, ...]:
    """Those of a function in this process, or where the partitions of these numbers are."""
    return tuple(
        arg if not isinstance(arg, PerWorker) else arg.whole if numbers is None else arg.of(numbers)
        for arg in args
    )


def calls(
    function: Callable[..., Any], args: tuple[Any, ...], groups: Sequence[Collection[int]]
) -> list[bytes]:
    """A function and its arguments for groups of partitions; where all get the same, once."""
    if any(isinstance(arg, PerWorker) for arg in args):
        return [packed((function, arguments(args, group))) for group in groups]
    return [packed((function, args))] * len(groups)
