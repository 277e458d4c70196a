"""What an error says of where it was raised: in which partition or block of rows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby


@contextmanager
def named(place: str) -> Iterator[None]:
    """Messages about what is read there begin with its name; other exceptions have it as a note."""
    try:
        yield
    except BaseException as error:
        if is_message(error):
            raise type(error)(f"{place}: {error}") from error
        note(error, place)
        raise


def is_message(error: BaseException) -> bool:
    """Whether an exception is a message alone: others have a type, arguments or attributes of
    their own."""
    return type(error) in (TypeError, ValueError) and len(error.args) == 1 and not vars(error)


def note(error: BaseException, place: str) -> None:
    """Add the name of a place, unless the exception has it already."""
    added, notes = f"in {place}", getattr(error, "__notes__", ())
    begins = any(isinstance(arg, str) and arg.startswith(f"{place}: ") for arg in error.args[:1])
    if added not in notes and not begins:
        error.add_note(added)


def partitions(numbers: Sequence[int]) -> str:
    """Partitions of these numbers, which are in order, by their names."""
    runs = []
    for _, pairs in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        run = [number for _, number in pairs]
        runs += [f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run)
    return f"partition{'s' * (len(numbers) > 1)} {', '.join(runs)}"
