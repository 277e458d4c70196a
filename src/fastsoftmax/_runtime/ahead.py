"""Items that are read ahead, by a thread that an interrupt does not wait for."""

from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from typing import Any, TypeVar

from fastsoftmax._runtime.background_thread import BackgroundThread

Item = TypeVar("Item")
END = object()


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The items, each fetched while the one before it is worked on.

    Where the source blocks, neither an interrupt nor the end of the process waits for the thread.
    Without one each item is fetched when it is needed.
    """
    wanted: SimpleQueue[bool] = SimpleQueue()
    fetched: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
    wanted.put(True)
    try:
        try:
            thread = BackgroundThread(fetch, items, wanted, fetched)
        except RuntimeError:  # the system has no thread to give
            yield from items
            return
        while (item := next_of(thread, fetched)) is not END:
            wanted.put(True)
            yield item
            del item  # so that two items are held at a time, not three
    finally:
        wanted.put(False)


def fetch(items: Iterable[Item], wanted: SimpleQueue, fetched: SimpleQueue) -> None:
    """Put an item, or what was raised instead, for each that is wanted."""
    try:
        iterator = iter(items)
        while wanted.get():
            fetched.put((next(iterator, END), None))
    except BaseException as error:
        fetched.put((None, error))


def next_of(thread: BackgroundThread, fetched: SimpleQueue) -> Any:
    """What was fetched next; raises what was raised."""
    item, error = thread.answer(fetched)
    if error is not None:
        raise error
    return item
