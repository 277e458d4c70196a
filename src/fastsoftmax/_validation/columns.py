"""The columns of X by their names, where it has any."""

from collections.abc import Sequence
from typing import Any

from fastsoftmax._validation.arrays import shown


def by_column(value: Any, X: Any, argument: str) -> Any:
    """A pandas Series in the order of the columns of X, where its index names these; and what else
    there is as it came, by position."""
    index, columns = getattr(value, "index", None), getattr(X, "columns", None)
    if columns is None or not hasattr(value, "reindex") or list(index) == list(range(len(index))):
        return value
    known, given = list(columns), list(index)
    wrong = [name for name in known if given.count(name) != 1]
    wrong += [name for name in given if name not in known]
    if wrong:
        raise ValueError(
            f"{argument}: expected one value per column of X, by its name or without names, got "
            f"{given.count(wrong[0])} for {shown(wrong[0])}"
            + (", which X does not have" if wrong[0] not in known else "")
        )
    return value.reindex(known)


def named_columns(X: Any, columns: Sequence[int]) -> str:
    """Some columns, to show: by their names where X has any."""
    names, many = getattr(X, "columns", None), len(columns) > 10
    some = [int(j) if names is None else names[j] for j in columns[:10]]
    return f"column{'s' * (len(columns) > 1)} {', '.join(map(repr, some))}{', …' * many}"
