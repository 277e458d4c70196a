"""How the partitions of a Dask client were made, so that they can be made again."""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any, Self
from weakref import WeakSet

from fastsoftmax._runtime.engines.dask_faults import FaultRules, wait_for_workers
from fastsoftmax._runtime.engines.dask_tasks import Groups, kept, placed
from fastsoftmax._runtime.engines.failures import text_of
from fastsoftmax._runtime.places import note, partitions


class Lineage:
    """Partitions, as futures in groups of those that one worker works on, and the steps to them.

    Parameters
    ----------
    client : Client
    names : sequence of int
        The numbers that the sources of the partitions have.
    steps : list of callables
        Make the groups: the first of nothing, and each other of what the one before made.
    groups : Groups
        What the steps have made.
    family : WeakSet
        All lineages from the same sources.
    """

    def __init__(
        self,
        client: Any,
        names: Sequence[int],
        steps: list[Callable[..., Groups]],
        groups: Groups,
        family: "WeakSet[Lineage]",
    ) -> None:
        self._client, self._names, self._steps = client, names, steps
        self._groups, self._family = groups, family
        self._unmade: list[int] = []  # names of those that were not made when workers were lost
        family.add(self)

    @classmethod
    def of_sources(cls, client: Any, load: Callable[..., Any], sources: Sequence[Any]) -> Self:
        """Partitions that workers load."""
        place = partial(placed, client, load, sources)
        return cls(client, range(len(sources)), [place], place(), WeakSet())

    def __len__(self) -> int:
        return len(self._names)

    def mapped(self, step: Callable[[Groups], Groups]) -> "Lineage":
        """What a step makes of each partition."""
        return self._then(step, self._names)

    def only(self, numbers: Sequence[int]) -> "Lineage":
        """Some of the partitions, numbered anew."""
        return self._then(partial(kept, numbers), [self._names[i] for i in numbers])

    def _then(self, step: Callable[[Groups], Groups], names: Sequence[int]) -> "Lineage":
        groups = step(self.groups())
        return Lineage(self._client, names, [*self._steps, step], groups, self._family)

    def groups(self) -> Groups:
        """The futures; made again if they were given up."""
        if not self._groups:
            first, *others = self._steps
            self._groups = reduce(lambda groups, step: step(groups), others, first())
        return self._groups

    def lost(self, workers: bool, rules: FaultRules) -> list[int]:
        """Give up all partitions where workers or some of these were lost; the names of these."""
        gone = [name for name, future in self._futures() if future.cancelled()]
        if workers or gone:
            self._unmade = [name for name, future in self._futures() if future.status == "pending"]
            wait_for_workers(self._client, len(self._groups), rules)
            for lineage in self._family:  # who waits for a block keeps it with the lost worker
                lineage._give_up()
        return gone

    def _futures(self) -> list[tuple[int, Any]]:
        """Those there are, with the names of their partitions."""
        pairs = sorted(pair for group in self._groups.values() for pair in group.items())
        return [(self._names[i], future) for i, future in pairs]

    def blame(self, error: Exception) -> None:
        """Note the partitions that raised an error of a round, or that were not made when workers
        were lost."""
        erred = [(name, future) for name, future in self._futures() if future.status == "error"]
        same = [name for name, future in erred if text_of(future.exception()) == text_of(error)]
        for name in same or [name for name, _ in erred]:  # Dask may raise another in its place
            note(error, partitions([name]))
        if self._unmade and not erred:
            error.add_note(
                f"{partitions(self._unmade)}: expected to be made, got workers that were lost "
                "before: a loader may end its worker, or take more memory than that has; the logs "
                "of workers say which"
            )

    def _give_up(self) -> None:
        self._client.cancel([each for group in self._groups.values() for each in group.values()])
        self._groups = {}
