"""How fast a fit nears its optimum."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np

from fastsoftmax._validation import plotting as check
from fastsoftmax.plotting import _curves, _style
from fastsoftmax.plotting._display import Display

ORDINATES = ("gap", "grad_norm")


@dataclass(eq=False, repr=False)
class ConvergenceDisplay(Display):
    """Relative gap or gradient norm, on a logarithmic scale, against the cost so far.

    Usually made by `from_estimator` or `from_history`; several can be drawn on the same axes.

    Parameters
    ----------
    history : list
        ``history_`` of any estimator of fastsoftmax that has a loss.
    y : str, default="gap"
        "gap": (F - F*) / |F*|, F being the objective, or the mean loss of an epoch of a network;
        "grad_norm": max |∇F|, which only batch solvers record.
    x : str, default="passes"
        "passes" over the rows, of which an epoch is one, "seconds" or "iterations".
    optimum : float, optional
        F*. By default the smallest F of this history, whose point is left out.
    name : str, optional
        Name of the fit, for the legend.

    Attributes
    ----------
    line_ : matplotlib.lines.Line2D
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    Notes
    -----
    Points at or below F* are left out: a logarithmic scale has no place for them.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from fastsoftmax import SoftmaxRegression
    >>> from fastsoftmax.datasets import load_digits
    >>> from fastsoftmax.plotting import ConvergenceDisplay
    >>> X, y = load_digits()
    >>> model = SoftmaxRegression(C=0.1, tol=1e-10).fit(X / 16, y)
    >>> display = ConvergenceDisplay.from_estimator(model, ax=Figure().subplots())
    >>> bool(display.line_.get_ydata()[-1] < 1e-6)
    True
    """

    _: KW_ONLY
    y: str = "gap"
    x: str = "passes"
    optimum: float | None = None
    name: str | None = None

    def plot(self, ax: Any = None, *, line: Any = None) -> Self:
        """Draw on the given axes or on a new figure.

        Parameters
        ----------
        ax, line
            As in `from_estimator`.

        Returns
        -------
        ConvergenceDisplay
            With ``line_``, ``ax_`` and ``figure_``.
        """
        check.one_of(self.y, ORDINATES, "y")
        history = check.history(self.history)
        along, xlabel = _curves.abscissa(history, self.x)
        if self.y == "gap":
            values = _curves.demanded(history, "loss")
            least = values.min() if self.optimum is None else check.optimum(self.optimum)
            gaps = (values - least) / (abs(least) or 1.0)
            check.some_gap(gaps, values.min())
            values = np.where(gaps > 0, gaps, np.nan)
            ylabel = "relative gap of the objective"
        else:
            values = _curves.demanded(history, "grad_norm")
            ylabel = _curves.label("grad_norm")
        drawn = np.isfinite(values)
        ax = _style.axes(ax)
        style = _style.curve(_style.turn(ax), drawn.sum()) | {"label": self.name or "fit"}
        (self.line_,) = ax.plot(along[drawn], values[drawn], **style | (line or {}))
        _style.dress(ax, xlabel, ylabel, log=True)
        _style.legend(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self
