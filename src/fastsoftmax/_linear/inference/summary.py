"""The printed table of coefficients."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

COLUMNS = "coef", "std err", "z", "P>|z|", "[0.025", "0.975]"
WIDTHS = 11, 11, 9, 8, 11, 11  # of the columns, in letters


class Summary(str):
    """A text that an interactive session shows as it prints."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def number(value: float) -> str:
    """With four decimals, or in powers of ten."""
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.3e}"


def summarised(
    facts: Mapping[str, str],
    reference: str,
    classes: Sequence[str],
    names: Sequence[str],
    table: NDArray[np.float64],
    errors: NDArray[np.float64],
) -> Summary:
    """Facts, and then for each class the coefficients (m, q) and their standard errors."""
    from scipy.special import ndtr, ndtri

    titles = [f"{label} against {reference}" for label in classes]
    width = max(map(len, [*names, *titles])) + 2
    line = "-" * (width + sum(WIDTHS))
    z = table / errors
    half = -ndtri(0.025)
    texts = [
        [[number(v) for v in row] for row in column]
        for column in (table, errors, table - half * errors, table + half * errors)
    ]
    coef, error, low, high = texts
    kind = "Binary" if len(classes) == 1 else "Multinomial"
    lines = [f"{kind} logistic regression, maximum likelihood"]
    lines += [f"{name:24}{value:>16}" for name, value in facts.items()]
    for k, title in enumerate(titles):
        lines += [line, row_of(title, COLUMNS, width), line]
        for j, name in enumerate(names):
            cells = (
                *(coef[k][j], error[k][j], f"{z[k, j]:.3f}"),
                *(f"{2 * ndtr(-abs(z[k, j])):.3f}", low[k][j], high[k][j]),
            )
            lines.append(row_of(name, cells, width))
    return Summary("\n".join([*lines, line]))


def row_of(name: str, cells: Sequence[str], width: int) -> str:
    return f"{name:{width}}" + "".join(
        f"{cell:>{size}}" for cell, size in zip(cells, WIDTHS, strict=True)
    )
