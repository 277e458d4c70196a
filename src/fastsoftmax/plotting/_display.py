"""What displays of one history share: how they are made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Self

from fastsoftmax._validation import plotting as check
from fastsoftmax._validation.plotting import History


@dataclass(eq=False, repr=False)
class Display(ABC):
    """A display of one ``history_``; subclasses add parameters and offer `plot`."""

    history: History

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Any = None, line: Any = None, **how: Any
    ) -> Self:
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        estimator : estimator of fastsoftmax, fitted
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default on a new figure.
        line : dict, optional
            Properties of all lines, as matplotlib's ``plot`` takes them.
        **how
            The keyword parameters of the class.

        Returns
        -------
        Self
            A display of this class, drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError, TypeError
            If an argument cannot be drawn; the message names it.
        ImportError
            If matplotlib is not installed.
        """
        return cls.from_history(check.history_of(estimator), ax=ax, line=line, **how)

    @classmethod
    def from_history(
        cls, history: History, *, ax: Any = None, line: Any = None, **how: Any
    ) -> Self:
        """Draw a ``history_``.

        Parameters
        ----------
        history : list, as ``history_``
        ax, line, **how
            As in `from_estimator`.

        Returns
        -------
        Self
            A display of this class, drawn.

        Raises
        ------
        ValueError, TypeError, ImportError
            As in `from_estimator`.
        """
        check.keywords(how, cls)
        return cls(history, **how).plot(ax, line=line)

    @abstractmethod
    def plot(self, ax: Any = None, *, line: Any = None) -> Self:
        """Draw on the given axes or on a new figure."""
