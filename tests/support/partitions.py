"""Partitions of arrays, loaded by functions that a worker can import; engines that count."""

import operator
from functools import cache, partial, reduce
from itertools import pairwise

import numpy as np
from support.sparse_rows import uniform

from fastsoftmax import Partitions
from fastsoftmax._runtime.engines.in_process import HeldHere, InProcess
from fastsoftmax._runtime.engines.tree import shares, total
from fastsoftmax._runtime.engines.wire import Traffic, calls, packed, unpacked
from fastsoftmax._runtime.engines.work import made_of


@cache
def rows(name):
    """X and y of a problem, and logits they were drawn by."""
    rng = np.random.default_rng(0)
    n, d, k = {"small": (900, 6, 3), "sparse": (3000, 400, 5), "float32": (6000, 20, 8)}.get(
        name, (6000, 20, 4)
    )
    if name == "sparse":
        X = uniform(n, d, 0.03, rng)
    else:
        X = rng.normal(size=(n, d)) * np.exp(rng.normal(size=d)) + rng.normal(size=d)
        X = X.astype(np.float32) if name == "float32" else X
    z = X @ rng.normal(size=(d, k)) / np.sqrt(d) * (10 if name == "sparse" else 1)
    z = z + rng.gumbel(size=(n, k))
    return X, z.argmax(axis=1), z


def part(name, begin, end):
    """Some rows."""
    X, y, _ = rows(name)
    return X[begin:end], y[begin:end]


def partitions(name, count=7):
    """All rows, in partitions that are not equally long."""
    n = rows(name)[0].shape[0]
    ends = np.linspace(0, 1, count + 1) ** 1.3 * n
    ends = ends.astype(int)
    return Partitions([partial(part, name, a, b) for a, b in pairwise(ends)])


def broken(*args):
    """A loader that fails."""
    raise OSError("no such shard")


def of_arrays(X, y, weights=None, offset=None, ends=(0, 100, 101, 101, 700, 2000)):
    """Partitions of arrays that are here: one of a row, one empty."""
    ends = [*ends, X.shape[0]]

    def loader(begin, end):
        return tuple(
            None if array is None else array[begin:end] for array in (X, y, weights, offset)
        )

    return Partitions([partial(loader, a, b) for a, b in pairwise(ends)])


class Counting(InProcess):
    """Two workers in this process, and what is sent to that with more and got from it.

    ``rounds`` has (name of the function, bytes sent, bytes got) of each, ``tasks`` is how many Dask
    would run.
    """

    def __init__(self):
        self.rounds, self.tasks = [], 0

    def hold(self, load, sources):
        return CountingHeld(super().hold(load, sources)._partitions, Traffic(), self)


class CountingHeld(HeldHere):
    def __init__(self, partitions, traffic, counting):
        super().__init__(partitions, traffic)
        self._counting = counting

    def _noted(self, function, sent, got, tasks):
        self._counting.rounds.append((function.__name__, sent, got))
        self._counting.tasks += tasks

    def _answers(self, function, args, size=None):
        """Of both workers."""
        groups = shares(self.count, 2)
        sent = calls(function, args, groups)
        held = [{i: self._partitions[i] for i in group} for group in groups]
        got = [packed(made_of(part, call, 1, size)) for part, call in zip(held, sent, strict=True)]
        self._noted(function, max(map(len, sent)), max(map(len, got)), 2 + (size is not None))
        return map(unpacked, got)

    def each(self, function, *args):
        return list(reduce(operator.or_, self._answers(function, args)).values())

    def sum(self, function, *args):
        return total(*self._answers(function, args, self.count), count=self.count)

    def map(self, function, *args, per=None):
        made = super().map(function, *args, per=per)._partitions
        self._noted(function, len(packed(args)), 0, self.count)
        return CountingHeld(made, self.traffic, self._counting)

    def only(self, numbers):
        return CountingHeld(super().only(numbers)._partitions, self.traffic, self._counting)


def same_bits(one, other):
    """Whether two fits ended alike."""
    return all(
        getattr(one, name).tobytes() == getattr(other, name).tobytes()
        for name in ("coef_", "intercept_")
    ) and (one.objective_, one.gap_bound_, one.n_iter_) == (
        other.objective_, other.gap_bound_, other.n_iter_
    )  # fmt: skip
