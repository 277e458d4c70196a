"""Weights along a path over the strengths of a penalty."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np

from fastsoftmax._validation import plotting as check
from fastsoftmax.plotting import _style

MOST_NAMES = 8  # in a legend


@dataclass(eq=False, repr=False)
class PathDisplay:
    """Weights along a path over C, with a line for each feature that enters the path.

    Usually made by `from_path`.

    Parameters
    ----------
    path : SoftmaxPath
        What `softmax_path` returned.
    label : object, default=None
        The class whose weights are drawn. None: the norm of each feature's weights for all classes
        or, with two classes, the weights themselves.
    names : iterable of str, optional
        Names of the features; those that enter first are shown.
    C : float, optional
        A value of C to mark, such as ``C_`` of a cross-validation.

    Attributes
    ----------
    lines_ : list of matplotlib.lines.Line2D
        One for each feature that has weights, in the order in which they enter.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    See Also
    --------
    fastsoftmax.softmax_path : Fits a path.

    Examples
    --------
    >>> import fastsoftmax
    >>> from fastsoftmax.datasets import load_digits
    >>> from fastsoftmax.plotting import PathDisplay
    >>> X, y = load_digits()
    >>> path = fastsoftmax.softmax_path(X, y, Cs=5, l1_group="classes")
    >>> from matplotlib.figure import Figure
    >>> display = PathDisplay.from_path(path, ax=Figure().subplots())
    >>> display.ax_.get_ylabel(), len(display.lines_) == int(path.n_nonzero.max())
    ('norm of the weights', True)
    """

    path: Any
    _: KW_ONLY
    label: object = None
    names: Iterable[object] | None = None
    C: float | None = None

    @classmethod
    def from_path(cls, path: Any, *, ax: Any = None, **how: Any) -> Self:
        """Draw a path.

        Parameters
        ----------
        path : SoftmaxPath
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default on a new figure.
        **how
            ``label``, ``names`` and ``C``, as in the class.

        Returns
        -------
        PathDisplay

        Raises
        ------
        ValueError, TypeError
            If an argument cannot be drawn; the message names it.
        ImportError
            If matplotlib is not installed.
        """
        check.keywords(how, cls)
        return cls(path, **how).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw on the given axes or on a new figure.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional

        Returns
        -------
        PathDisplay
            With ``lines_``, ``ax_`` and ``figure_``.
        """
        coefs = check.path(self.path).coefs
        if self.label is not None:
            chosen = check.class_of(self.label, self.path.classes)
            values, ylabel = coefs[:, chosen % coefs.shape[1]], f"weight for {self.label}"
            values = -values if chosen < 2 - coefs.shape[1] else values  # of a single logit
        elif coefs.shape[1] == 1:
            values, ylabel = coefs[:, 0], f"weight for {self.path.classes[1]}"
        else:
            values, ylabel = np.linalg.norm(coefs, axis=1), "norm of the weights"
        names = (
            None if self.names is None else check.unit_names(self.names, values.shape[1], "feature")
        )
        ax = _style.axes(ax)
        entered = np.where(values.any(axis=0), (values != 0).argmax(axis=0), len(values))
        order = np.lexsort([-np.abs(values).max(axis=0), entered])
        self.lines_ = []
        for i, feature in enumerate(order[: np.count_nonzero(values.any(axis=0))]):
            style = _style.curve(i, len(values), marked=False) | {"linewidth": 1.2}
            label = names[feature] if names is not None and i < MOST_NAMES else None
            self.lines_ += ax.plot(self.path.Cs, values[:, feature], label=label, **style)
        ax.set_xscale("log")
        if self.C is not None:
            C = check.positive(self.C, "C")
            ax.axvline(C, color=_style.INK, linewidth=1, linestyle=_style.DASHES[1])
        _style.dress(ax, "C", ylabel)
        self._count_features(ax)
        _style.legend(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _count_features(self, ax: Any) -> None:
        """How many features there are, above the axes."""
        Cs, counts = self.path.Cs, self.path.n_nonzero
        ticks = [C for C in ax.get_xticks() if Cs[0] <= C <= Cs[-1]]
        if not ticks:
            return
        above = ax.secondary_xaxis("top")
        above.set_xticks(ticks, [str(counts[np.searchsorted(Cs, C)]) for C in ticks])
        above.minorticks_off()
        above.set_xlabel("features")
        above.tick_params(colors=_style.INK)
        above.spines["top"].set_visible(False)
