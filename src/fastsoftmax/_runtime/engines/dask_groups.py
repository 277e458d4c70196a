"""Partitions of a Dask client, which are made again where workers are lost."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any
from weakref import WeakSet

from fastsoftmax._runtime.engines import dask_faults as faults
from fastsoftmax._runtime.engines.dask_tasks import Groups


class Remade:
    """Groups of partitions, each of which one worker works on, and how they are made.

    Parameters
    ----------
    client : Client
    steps : list of callables
        Make the groups: the first of nothing, and each other of what the one before made.
    names : sequence of int
        The numbers that the sources of the partitions have.
    groups : Groups
        What the steps have made.
    rules : FaultRules
    family : WeakSet, optional
        Of all that was made of the same partitions.
    """

    def __init__(
        self,
        client: Any,
        steps: list[Callable[..., Groups]],
        names: Sequence[int],
        groups: Groups,
        rules: faults.FaultRules,
        family: "WeakSet[Remade] | None" = None,
    ) -> None:
        self._client, self._steps, self.names, self._groups = client, steps, names, groups
        self._rules, self._family = rules, WeakSet() if family is None else family
        self._family.add(self)

    def then(self, step: Callable[[Groups], Groups], names: Sequence[int]) -> "Remade":
        """What a step makes of the groups."""
        made = step(self.groups())
        return Remade(self._client, [*self._steps, step], names, made, self._rules, self._family)

    def groups(self) -> Groups:
        """The groups, made again if they were given up."""
        if not self._groups:
            first, *others = self._steps
            self._groups = reduce(lambda groups, step: step(groups), others, first())
        return self._groups

    def lost(self, workers: bool) -> list[int]:
        """Give up all partitions where workers or some of these were lost; the numbers of these."""
        futures = [future for group in self._groups.values() for future in group.items()]
        gone = [self.names[i] for i, future in futures if future.cancelled()]
        if workers or gone:
            faults.wait_for_workers(self._client, len(self._groups), self._rules)
            for held in self._family:  # whoever waits for a block keeps it with the lost worker
                held.give_up()
        return gone

    def give_up(self) -> None:
        """Cancel the partitions."""
        self._client.cancel([each for group in self._groups.values() for each in group.values()])
        self._groups = {}
