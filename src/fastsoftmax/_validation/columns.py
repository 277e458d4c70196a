"""The columns of X by their names, where it has any."""

from collections.abc import Sequence
from typing import Any

from fastsoftmax._validation.arrays import shown


def of_arrow(X: object) -> bool:
    """Whether it is a table of Arrow's, or a batch of rows of one."""
    return type(X).__name__ in ("Table", "RecordBatch")


def column_names(X: Any) -> list[Any] | None:
    """The names of the columns of a frame or a table; None where there are none."""
    names = X.schema.names if of_arrow(X) else getattr(X, "columns", None)
    return None if names is None else list(names)


def by_column(value: Any, X: Any, argument: str) -> Any:
    """A pandas Series in the order of the columns of X, where its index names these; and what else
    there is as it came, by position."""
    index, known = getattr(value, "index", None), column_names(X)
    if known is None or not hasattr(value, "reindex") or list(index) == list(range(len(index))):
        return value
    given = list(index)
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
    names, many = column_names(X), len(columns) > 10
    some = [int(j) if names is None else names[j] for j in columns[:10]]
    return f"column{'s' * (len(columns) > 1)} {', '.join(map(repr, some))}{', …' * many}"
