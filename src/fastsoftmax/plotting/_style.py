"""How all pictures look. The colours are those of Okabe and Ito, which the colour-blind tell apart.

https://jfly.uni-koeln.de/color/; the diverging scale of weights, red and blue about white, is
ColorBrewer's RdBu, colour-blind-safe too.
"""

from typing import Any

from fastsoftmax._runtime.optional import needed

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)))
DIVERGING = "RdBu_r"
WIDTH, HEIGHT, DPI = 5.0, 3.6, 120  # inches of one panel; dots an inch of files
INK, RULE = "#333333", "#DDDDDD"


def axes(ax: Any = None, *, width: float = WIDTH, height: float = HEIGHT) -> Any:
    """The axes to draw on: the user's, or those of a new figure."""
    needed("matplotlib.figure", "drawing needs")
    if ax is None:
        from matplotlib import pyplot

        _, ax = pyplot.subplots(figsize=(width, height), dpi=DPI, layout="constrained")
    return ax


def panels(rows: int, columns: int, *, width: float = WIDTH, height: float = HEIGHT) -> Any:
    """(figure, axes (rows, columns)) for a file, apart from pyplot and its windows."""
    needed("matplotlib.figure", "drawing needs")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height * rows), dpi=DPI, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def dress(ax: Any, xlabel: str, ylabel: str, *, log: bool = False) -> None:
    """Labels, rules and frame of axes that hold curves."""
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    if log:
        ax.set_yscale("log")
    ax.grid(True, color=RULE, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(INK)
    ax.tick_params(colors=INK)


def whole_numbers(ax: Any) -> None:
    """No fractions of an epoch on the x axis."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def legend(ax: Any) -> None:
    """A legend, where there is more than one curve to tell apart."""
    if len(ax.get_legend_handles_labels()[1]) > 1:
        ax.legend(frameon=True, framealpha=0.85, edgecolor="none", fontsize="small")


def turn(ax: Any) -> int:
    """How many displays have drawn curves on these axes before; counts this one."""
    turns = getattr(ax, "_fastsoftmax_turns", 0)
    ax._fastsoftmax_turns = turns + 1
    return turns


def curve(number: int, n_points: int, *, marked: bool = True) -> dict[str, Any]:
    """How the curve of that number looks: colour, marker, and dashes once colours repeat."""
    curve_style: dict[str, Any] = {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": DASHES[number // len(COLOURS) % len(DASHES)],
        "linewidth": 1.8,
    }
    if marked:
        every = max(1, n_points // 8)
        curve_style |= {
            "marker": MARKERS[number % len(MARKERS)],
            "markersize": 4.5,
            "markevery": (number * every // 4 % every, every),
        }
    return curve_style
