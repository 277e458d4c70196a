"""Printed tables of estimates, which are frames, too."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._runtime.optional import needed

WIDTH, NARROW = 11, {"z": 9, "P>|z|": 8}  # of the columns, in letters


class Group(NamedTuple):
    """Rows of a table under one title."""

    title: str
    label: object  # in the index of a frame
    names: Sequence[str]
    numbers: NDArray[np.float64]  # (rows, columns)


class Summary(str):
    """A text that an interactive session shows as it prints; its numbers are in `to_frame`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsoftmax import SoftmaxRegression
    >>> X, y = np.repeat([[0.0], [1.0]], 4, axis=0), np.array([0, 0, 0, 1, 0, 1, 1, 1])
    >>> table = SoftmaxRegression(C=np.inf, reference_class=0).fit(X, y).summary().to_frame()
    >>> table.loc[1, "std err"].round(4).tolist()
    [1.1547, 1.633]
    """

    __slots__ = ("_columns", "_groups")
    _columns: Sequence[str]
    _groups: Sequence[Group]

    def __new__(cls, text: str, columns: Sequence[str], groups: Sequence[Group]) -> "Summary":
        new = super().__new__(cls, text)
        new._columns, new._groups = columns, groups
        return new

    def __getnewargs__(self) -> tuple[Any, ...]:
        return str(self), self._columns, self._groups

    def __repr__(self) -> str:
        return str(self)

    def to_frame(self) -> Any:
        """The numbers of the table, with all digits.

        Returns
        -------
        pandas.DataFrame
            Indexed by class and term.

        Raises
        ------
        ImportError
            Without pandas.
        """
        pandas = needed("pandas", "to_frame needs")
        index = [(group.label, name) for group in self._groups for name in group.names]
        return pandas.DataFrame(
            np.concatenate([group.numbers for group in self._groups]),
            index=pandas.MultiIndex.from_tuples(index, names=["class", "term"]),
            columns=list(self._columns),
        )


def number(value: float) -> str:
    """With four decimals, or in powers of ten."""
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.3e}"


def tests_of(
    estimates: NDArray[np.float64], errors: NDArray[np.float64], ends: NDArray[np.float64]
) -> NDArray[np.float64]:
    """For estimates (rows,): them, their errors, z, P>|z| and the ends of intervals."""
    from scipy.special import ndtr

    with np.errstate(divide="ignore", invalid="ignore"):  # effects of what has none
        z = estimates / errors
    return np.column_stack([estimates, errors, z, 2 * ndtr(-np.abs(z)), ends])


def columns_of(estimate: str, alpha: float) -> list[str]:
    return [estimate, "std err", "z", "P>|z|", f"[{alpha / 2:.4g}", f"{1 - alpha / 2:.4g}]"]


def summarised(
    heading: str, facts: Mapping[str, str], columns: Sequence[str], groups: Sequence[Group]
) -> Summary:
    """Facts, and then the groups."""
    width = max(len(name) for group in groups for name in (group.title, *group.names)) + 2
    sizes = [NARROW.get(name, WIDTH) for name in columns]
    line = "-" * (width + sum(sizes))
    lines = [heading, *(f"{name:24}{value:>16}" for name, value in facts.items())]
    for group in groups:
        lines += [line, row_of(group.title, columns, width, sizes), line]
        for name, numbers in zip(group.names, group.numbers, strict=True):
            cells = [
                f"{value:.3f}" if column in NARROW else number(value)
                for column, value in zip(columns, numbers.tolist(), strict=True)
            ]
            lines.append(row_of(name, cells, width, sizes))
    return Summary("\n".join([*lines, line]), columns, groups)


def row_of(name: str, cells: Sequence[str], width: int, sizes: Sequence[int]) -> str:
    return f"{name:{width}}" + "".join(
        f"{cell:>{size}}" for cell, size in zip(cells, sizes, strict=True)
    )
