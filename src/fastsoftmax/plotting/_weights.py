"""Weights of the units of a layer, as images or as rows of a heat map."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._validation import plotting as check
from fastsoftmax.plotting import _style

COLUMN, LINE = 1.12, 1.38  # from one image to the next, in units of its width and height
MOST_NAMES = 40  # of units: more would overlap
LONGEST = 14  # letters of a name above an image
SIDE = 1.15  # inches of an image


@dataclass(eq=False, repr=False)
class WeightsDisplay:
    """Weights on a diverging colour scale centred at 0: red excites a unit, blue inhibits it.

    Usually made by `from_estimator` or `from_weights`.

    Parameters
    ----------
    weights : array-like of shape (units, features)
        A row for each unit, or class.
    image_shape : "auto", None or (int, int), default="auto"
        Height and width of the image that shows each unit. "auto" selects a square if the
        number of features is a square number. None: units are the rows of a heat map.
    names : iterable of str, optional
        Names of the units; by default their numbers.
    halfrange : float, optional
        The absolute weight at the ends of the scale; by default the largest one.

    Attributes
    ----------
    images_ : list of matplotlib.image.AxesImage
        One per unit, or the heat map.
    colorbar_ : matplotlib.colorbar.Colorbar
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from fastsoftmax import SoftmaxRegression
    >>> from fastsoftmax.datasets import load_digits
    >>> from fastsoftmax.plotting import WeightsDisplay
    >>> X, y = load_digits()
    >>> model = SoftmaxRegression(C=0.01).fit(X, y)
    >>> display = WeightsDisplay.from_estimator(model, ax=Figure().subplots())
    >>> len(display.images_), display.images_[3].get_array().shape
    (10, (8, 8))
    """

    weights: ArrayLike
    _: KW_ONLY
    image_shape: Any = "auto"
    names: Iterable[object] | None = None
    halfrange: float | None = None

    @classmethod
    def from_estimator(cls, estimator: Any, *, layer: int = 0, ax: Any = None, **how: Any) -> Self:
        """Draw the weights of a layer of a fitted estimator.

        Parameters
        ----------
        estimator : estimator of fastsoftmax, fitted
            With two classes a linear model has one row of weights, for ``classes_[1]``.
        layer : int, default=0
            The layer of a network: 0 is the first, whose inputs are the features, and -1 the last.
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default on a new figure.
        **how
            ``image_shape``, ``names`` and ``halfrange``, as in the class. By default, the units of
            the last layer of a classifier have the names of their classes.

        Returns
        -------
        WeightsDisplay

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError, TypeError
            If an argument cannot be drawn; the message names it.
        ImportError
            If matplotlib is not installed.
        """
        weights, classes = _weights_of(estimator, layer)
        if classes is not None:
            how.setdefault("names", classes)
        check.keywords(how, cls)
        return cls(weights, **how).plot(ax)

    @classmethod
    def from_weights(cls, weights: ArrayLike, *, ax: Any = None, **how: Any) -> Self:
        """Draw weights.

        Parameters
        ----------
        weights : array-like of shape (units, features)
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default on a new figure.
        **how
            ``image_shape``, ``names`` and ``halfrange``, as in the class.

        Returns
        -------
        WeightsDisplay

        Raises
        ------
        ValueError, TypeError, ImportError
            As in `from_estimator`.
        """
        check.keywords(how, cls)
        return cls(weights, **how).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw on the given axes or on a new figure.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional

        Returns
        -------
        WeightsDisplay
            With ``images_``, ``colorbar_``, ``ax_`` and ``figure_``.
        """
        W = check.weights(self.weights)
        shape = check.image_shape(self.image_shape, W.shape[1])
        names = check.unit_names(self.names, len(W))
        most = self.halfrange
        most = np.abs(W).max() if most is None else check.positive(most, "halfrange")
        colours = {"cmap": _style.DIVERGING, "vmin": -(most or 1.0), "vmax": most or 1.0}
        if shape is None:
            ax = _style.axes(ax)
            self.images_ = [_heat_map(ax, W, names, colours)]
        else:
            columns = _columns(len(W))
            lines = -(-len(W) // columns)
            aspect = shape[0] / shape[1]
            ax = _style.axes(
                ax,
                width=max(3.0, columns * SIDE + 1.2),
                height=max(1.8, lines * SIDE * (aspect + LINE - 1) + 0.3),
            )
            self.images_ = _images(ax, W.reshape(-1, *shape), names, columns, colours)
        self.colorbar_ = ax.figure.colorbar(
            self.images_[0], ax=ax, label="weight", shrink=0.9, pad=0.02, aspect=25
        )
        self.colorbar_.outline.set_visible(False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _weights_of(estimator: Any, layer: int) -> tuple[NDArray, NDArray | list[str] | None]:
    """Weights (units, inputs) of a layer, and the classes that its units stand for, if they do."""
    check.fitted(estimator)
    classes = getattr(estimator, "classes_", None)
    if hasattr(estimator, "coef_"):
        check.layer(layer, 1)
        W = np.atleast_2d(estimator.coef_)
        return W, classes if len(W) == len(classes) else [f"{classes[1]} against {classes[0]}"]
    layer = check.layer(layer, len(estimator.coefs_))
    W = estimator.coefs_[layer].T
    last = layer == len(estimator.coefs_) - 1
    return W, classes if last and classes is not None and len(classes) == len(W) else None


def _columns(n_units: int) -> int:
    """Images a line: five of ten classes, and never much higher than wide."""
    if n_units <= 4:
        return n_units
    return 5 if n_units <= 10 else int(np.ceil(np.sqrt(1.6 * n_units)))


def _images(
    ax: Any, images: NDArray, names: list[str], columns: int, colours: dict[str, Any]
) -> list[Any]:
    """Each image in a place of its own, its width being 1, with its name above it."""
    aspect = images.shape[1] / images.shape[2]
    named = len(names) <= MOST_NAMES
    down = aspect + (LINE if named else COLUMN) - 1
    size = "medium" if max(map(len, names)) <= LONGEST // 2 else "x-small"
    drawn = []
    for i, (image, name) in enumerate(zip(images, names, strict=True)):
        left, top = i % columns * COLUMN, -(i // columns) * down
        place = (left, left + 1, top - aspect, top)
        drawn.append(ax.imshow(image, extent=place, interpolation="nearest", **colours))
        if named:
            name = name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
            ax.text(left + 0.5, top + 0.05, name, ha="center", size=size, color=_style.INK)
    lines = -(-len(names) // columns)
    ax.set_xlim(-0.02, (columns - 1) * COLUMN + 1.02)
    ax.set_ylim(-(lines - 1) * down - aspect - 0.02, down - aspect + 0.02)
    ax.set_aspect("equal")
    ax.axis("off")
    return drawn


def _heat_map(ax: Any, W: NDArray, names: list[str], colours: dict[str, Any]) -> Any:
    image = ax.imshow(W, aspect="auto", interpolation="nearest", **colours)
    ax.set_xlabel("input")
    ax.set_ylabel("unit")
    _style.whole_numbers(ax)
    if len(names) <= MOST_NAMES // 2:
        ax.set_yticks(range(len(names)), names)
    ax.tick_params(colors=_style.INK)
    return image
