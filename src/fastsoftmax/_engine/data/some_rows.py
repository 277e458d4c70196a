"""X, some rows at a time, so that what is computed of them takes little memory."""

from collections.abc import Iterator

from fastsoftmax._engine.data.protocol import Data


def some_rows(data: Data, most: int, first: int = 0) -> Iterator[tuple[slice, Data]]:
    """All rows from the first on, at most so many at a time."""
    for rows, part in data.pieces():
        for start in range(0, part.shape[0], most):
            some = slice(start, min(start + most, part.shape[0]))
            if rows.start + start >= first:
                at = slice(rows.start + some.start, rows.start + some.stop)
                yield at, part.rows(some)
