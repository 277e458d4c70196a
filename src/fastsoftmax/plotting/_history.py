"""The course of one fit."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

from fastsoftmax._validation import plotting as check
from fastsoftmax.plotting import _curves, _style
from fastsoftmax.plotting._display import Display


@dataclass(eq=False, repr=False)
class HistoryDisplay(Display):
    """A metric over the course of a fit, for training rows and, if there are any, validation rows.

    Usually made by `from_estimator` or `from_history`; several can be drawn on the same axes.

    Parameters
    ----------
    history : list
        ``history_`` of any estimator of fastsoftmax.
    metric : str, default="loss"
        "loss" (the objective of `SoftmaxRegression`), "accuracy", "score" (R²) or "grad_norm",
        whichever the history has.
    x : str, default="iterations"
        "iterations" (epochs of networks), "passes" over the rows, or "seconds".
    name : str, optional
        Name of the fit, for the legend.
    subset_names : tuple of str, default=("training", "validation")
        Names of the training and validation rows in the legend.

    Attributes
    ----------
    lines_ : list of matplotlib.lines.Line2D
        One for training rows and, if there are any, one for validation rows.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    See Also
    --------
    ComparisonDisplay : The same metric of several fits.
    ConvergenceDisplay : Distance from the optimum.

    Examples
    --------
    >>> from fastsoftmax import MLPClassifier
    >>> from fastsoftmax.datasets import load_digits
    >>> from fastsoftmax.plotting import HistoryDisplay
    >>> X, y = load_digits()
    >>> model = MLPClassifier((), feature_scale=1 / 16, random_state=0)
    >>> _ = model.fit(X[:1500], y[:1500], validation_data=(X[1500:], y[1500:]),
    ...               callback=lambda state: state.n_iter == 5)
    >>> from matplotlib.figure import Figure
    >>> display = HistoryDisplay.from_estimator(
    ...     model, metric="accuracy", ax=Figure().subplots()
    ... )
    >>> [line.get_label() for line in display.lines_]
    ['training', 'validation']
    >>> display.lines_[0].get_xdata().tolist()
    [1.0, 2.0, 3.0, 4.0, 5.0]
    """

    _: KW_ONLY
    metric: str = "loss"
    x: str = "iterations"
    name: str | None = None
    subset_names: tuple[str, str] = _curves.SUBSETS

    def plot(self, ax: Any = None, *, line: Any = None) -> Self:
        """Draw on the given axes or on a new figure.

        Parameters
        ----------
        ax, line
            As in `from_estimator`.

        Returns
        -------
        HistoryDisplay
            With ``lines_``, ``ax_`` and ``figure_``.
        """
        history = check.history(self.history)
        along, xlabel = _curves.abscissa(history, self.x)
        curves = [
            _curves.demanded(history, self.metric),
            _curves.numbers(history, self.metric, "validation"),
        ]
        ax = _style.axes(ax)
        curve_style = _style.curve(_style.turn(ax), len(along), marked=False)
        prefix = f"{self.name}, " if self.name else ""
        self.lines_ = []
        for values, name, dashes in zip(curves, self.subset_names, _style.DASHES[:2], strict=True):
            if values is None:
                continue
            label = prefix + name if curves[1] is not None else self.name or name
            style = curve_style | {"label": label, "linestyle": dashes} | (line or {})
            self.lines_ += ax.plot(along, values, **_visible(style, len(along)))
        _style.dress(ax, xlabel, _curves.label(self.metric), log=_curves.is_log(self.metric))
        if self.x == "iterations":
            _style.whole_numbers(ax)
        _style.legend(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _visible(style: dict[str, Any], n_points: int) -> dict[str, Any]:
    """A line of one point shows nothing without a marker."""
    return {"marker": "o"} | style if n_points == 1 else style
