"""Arrays cut into blocks of rows."""

import itertools


def cut(*arrays, at):
    """Blocks of the arrays' rows, a tuple each: those before the first of ``at``, and so on."""
    n = arrays[0].shape[0]
    bounds = [0, *sorted(min(a, n) for a in at), n]
    return [tuple(array[a:b] for array in arrays) for a, b in itertools.pairwise(bounds) if b > a]
