"""Norms of groups, which an L1 penalty adds up: of single numbers, or of some of them together.

Arrays of numbers come with the number of each one's group, in the same shape, or with None where
each is a group of its own. A group's norm is then its absolute value, and what follows from norms
takes one form: the penalty Σ t‖w‖, its gradient t w/‖w‖, and what is orthogonal to w, along which
the norm is curved.
"""

import numpy as np
from numpy.typing import NDArray

Groups = NDArray[np.intp] | None
Numbers = NDArray[np.float64]


def norms(x: Numbers, groups: Groups) -> Numbers:
    """For each number the norm of its group."""
    return np.abs(x) if groups is None else np.sqrt(sums(np.square(x), groups))


def unit(x: Numbers, groups: Groups) -> Numbers:
    """Each group divided by its norm; 0 where that is 0."""
    if groups is None:
        return np.sign(x)
    return divided(x, norms(x, groups))


def total(x: Numbers, groups: Groups) -> float:
    """The sum of the norms of all groups."""
    return float(np.sum(x * unit(x, groups)))


def within(x: Numbers, radius: Numbers | float, groups: Groups) -> Numbers:
    """Each group shortened to a norm of no more than its radius."""
    if groups is None:
        return np.clip(x, -radius, radius)
    length = norms(x, groups)
    return np.where(length > radius, radius * divided(x, length), x)


def inner(x: Numbers, y: Numbers, groups: Groups) -> Numbers:
    """For each number the inner product of its group in x with that in y."""
    return x * y if groups is None else sums(x * y, groups)


def sums(x: Numbers, groups: NDArray[np.intp]) -> Numbers:
    """For each number the sum of its group."""
    return np.bincount(groups.ravel(), x.ravel())[groups] if x.size else x


def sizes(groups: Groups) -> Numbers | float:
    """For each number how many its group has."""
    return 1.0 if groups is None else np.bincount(groups.ravel())[groups].astype(float)


def divided(x: Numbers, by: Numbers) -> Numbers:
    """x / by, 0 where that is divided by 0."""
    return np.divide(x, by, out=np.zeros(np.shape(x)), where=by > 0)
