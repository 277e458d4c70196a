"""The course of several fits, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

from fastsoftmax._validation import plotting as check
from fastsoftmax._validation.plotting import History
from fastsoftmax.plotting import _curves, _style


@dataclass(eq=False, repr=False)
class ComparisonDisplay:
    """A metric over the course of several fits, of linear models and networks alike.

    Usually made by `from_estimators` or `from_histories`.

    Parameters
    ----------
    histories : mapping of str to list
        A ``history_`` for each name in the legend.
    metric : str, default="loss"
        As in `HistoryDisplay`. The "loss" of `SoftmaxRegression` is its objective, penalty
        included.
    subset : str, default="training"
        The rows whose metric is drawn: "training" or "validation".
    x : str, default="iterations"
        "iterations" (epochs of networks), "passes" over the rows, or "seconds".

    Attributes
    ----------
    lines_ : list of matplotlib.lines.Line2D
        One per fit, in the order of the mapping.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    See Also
    --------
    HistoryDisplay : One fit, with its training and validation rows.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from fastsoftmax import MLPClassifier, SoftmaxRegression
    >>> from fastsoftmax.datasets import load_digits
    >>> from fastsoftmax.plotting import ComparisonDisplay
    >>> X, y = load_digits()
    >>> online = MLPClassifier((), alpha=0.01, random_state=0)
    >>> _ = online.fit(X / 16, y, callback=lambda state: state.n_iter == 20)
    >>> batch = SoftmaxRegression(C=100).fit(X / 16, y)
    >>> display = ComparisonDisplay.from_estimators(
    ...     {"Adam": online, "L-BFGS": batch}, x="passes", ax=Figure().subplots()
    ... )
    >>> [line.get_label() for line in display.lines_]
    ['Adam', 'L-BFGS']
    """

    histories: Mapping[str, History]
    _: KW_ONLY
    metric: str = "loss"
    subset: str = "training"
    x: str = "iterations"

    @classmethod
    def from_estimators(
        cls, estimators: Mapping[str, Any], *, ax: Any = None, line: Any = None, **how: Any
    ) -> Self:
        """Draw the histories of fitted estimators.

        Parameters
        ----------
        estimators : mapping of str to estimators of fastsoftmax, fitted
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default on a new figure.
        line : dict, optional
            Properties of all lines, as matplotlib's ``plot`` takes them.
        **how
            ``metric``, ``subset`` and ``x``, as in the class.

        Returns
        -------
        ComparisonDisplay

        Raises
        ------
        NotFittedError
            If an estimator is not fitted.
        ValueError, TypeError
            If an argument cannot be drawn; the message names it.
        ImportError
            If matplotlib is not installed.
        """
        estimators = check.several(estimators, "estimators")
        histories = {name: check.history_of(each) for name, each in estimators.items()}
        check.keywords(how, cls)
        return cls(histories, **how).plot(ax, line=line)

    @classmethod
    def from_histories(
        cls, histories: Mapping[str, History], *, ax: Any = None, line: Any = None, **how: Any
    ) -> Self:
        """Draw histories.

        Parameters
        ----------
        histories : mapping of str to histories
        ax, line, **how
            As in `from_estimators`.

        Returns
        -------
        ComparisonDisplay

        Raises
        ------
        ValueError, TypeError, ImportError
            As in `from_estimators`.
        """
        check.keywords(how, cls)
        return cls(histories, **how).plot(ax, line=line)

    def plot(self, ax: Any = None, *, line: Any = None) -> Self:
        """Draw on the given axes or on a new figure.

        Parameters
        ----------
        ax, line
            As in `from_estimators`.

        Returns
        -------
        ComparisonDisplay
            With ``lines_``, ``ax_`` and ``figure_``.
        """
        check.one_of(self.subset, _curves.SUBSETS, "subset")
        histories = check.several(self.histories, "histories")
        curves, labels = [], []
        for name, history in histories.items():
            history = check.history(history, f"histories[{name!r}]")
            along, xlabel = _curves.abscissa(history, self.x)
            curves.append((name, along, _curves.demanded(history, self.metric, self.subset)))
            labels.append(xlabel)
        ax = _style.axes(ax)
        self.lines_ = []
        for name, along, values in curves:
            style = _style.curve(_style.turn(ax), len(along)) | {"label": name} | (line or {})
            self.lines_ += ax.plot(along, values, **style)
        ylabel = f"{_curves.label(self.metric)}"
        if self.subset != "training":
            ylabel = f"{self.subset} {ylabel}"
        xlabel = " or ".join(dict.fromkeys(labels))
        _style.dress(ax, xlabel, ylabel, log=_curves.is_log(self.metric))
        if self.x == "iterations":
            _style.whole_numbers(ax)
        _style.legend(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self
