"""A sum over partitions whose bits depend on their number alone.

The partitions are halved, each half is halved again, and so on; every node of that tree is the sum
of its halves. Whoever holds some partitions adds as many whole nodes as these make up, and whoever
gets the nodes of several adds further, so that who holds what does not show in the result.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np

Node: TypeAlias = tuple[int, int]  # partitions from a first to one before the last


class Sums(tuple[Any, ...]):
    """Numbers and arrays that are added one by one."""

    __slots__ = ()

    def __add__(self, other: object) -> "Sums":
        assert isinstance(other, Sums)
        return Sums(a + b for a, b in zip(self, other, strict=True))


class Largest(NamedTuple):
    """Numbers of which the larger ones count: added, an array of the largest."""

    numbers: Any

    def __add__(self, other: Any) -> "Largest":
        return Largest(np.maximum(self.numbers, other.numbers))


class Norms(NamedTuple):
    """Roots of sums of squares: added, those of all."""

    numbers: Any

    def __add__(self, other: Any) -> "Norms":
        return Norms(np.hypot(self.numbers, other.numbers))


def fold(nodes: Sequence[Node], value: Callable[[Node], Any], root: Node) -> dict[Node, Any]:
    """Sums of the largest nodes that some make up: disjoint ones, in order, inside the root."""
    if not nodes:
        return {}
    if nodes[0] == root:
        return {root: value(root)}
    middle = sum(root) // 2
    halves = (root[0], middle), (middle, root[1])
    cut = bisect_left(nodes, (middle, 0))
    parts = nodes[:cut], nodes[cut:]
    found = {}
    for half, part in zip(halves, parts, strict=True):
        found |= fold(part, value, half)
    if all(half in found for half in halves):
        return {root: found[halves[0]] + found[halves[1]]}
    return found


def fold_partitions(
    held: Mapping[int, Any], function: Callable[..., Any], args: tuple[Any, ...], count: int
) -> dict[Node, Any]:
    """Sums of what a function makes of partitions, by their numbers, of so many in all."""
    leaves = [(i, i + 1) for i in sorted(held)]
    return fold(leaves, lambda leaf: function(held[leaf[0]], *args), (0, count))


def join(*sums: dict[Node, Any], count: int) -> dict[Node, Any]:
    """Sums of several who hold partitions, added."""
    every = reduce(lambda a, b: a | b, sums)
    return fold(sorted(every), every.__getitem__, (0, count))


def total(*sums: dict[Node, Any], count: int) -> Any:
    """The sum over all partitions."""
    return join(*sums, count=count)[0, count]


def added(sums: Sequence[Any], add: Callable[[Any, Any], Any]) -> Any:
    """Sums of workers, added in pairs of neighbours, and these again."""
    while len(sums) > 1:
        pairs = [sums[i : i + 2] for i in range(0, len(sums), 2)]
        sums = [add(*pair) if len(pair) > 1 else pair[0] for pair in pairs]
    return sums[0]


def renumbered(groups: Sequence[Mapping[int, Any]], numbers: Sequence[int]) -> list[dict[int, Any]]:
    """Some of the partitions in groups, numbered anew in this order."""
    new = {old: i for i, old in enumerate(numbers)}
    return [{new[i]: held for i, held in group.items() if i in new} for group in groups]


def shares(count: int, workers: int) -> list[range]:
    """Numbers of partitions for each of some workers, about as many each, side by side."""
    workers = min(count, workers)
    ends = [count * i // workers for i in range(workers + 1)]
    return [range(*pair) for pair in pairwise(ends)]
