"""What a callback sees of a fit that goes on."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray


class FitState:
    """The argument of every estimator's callback, which is called after each iteration.

    An iteration is one of the solver for linear models, an epoch for networks and single neurons,
    and the fit of one fold for one C in cross-validation. If the callback returns a true value, the
    fit ends there. If it raises an exception, the fit ends and leaves the estimator as it was.

    Parameters
    ----------
    history : sequence of named tuples
        Records of the iterations so far; the last one is that of this iteration.
    n_iter : int
    model : callable
        Builds the model, as arrays by name.

    Attributes
    ----------
    n_iter : int
        Number of iterations so far, including this one.
    history : list of named tuples
        Their records so far, as ``history_`` keeps them.
    objective, grad_norm, n_passes, seconds, gap, n_rounds, n_bytes : float or int
        For linear models: fields of the last record. ``gap`` estimates (F - F*) / F. The last two
        are for fits on engines.
    loss, accuracy, validation_loss, validation_accuracy, seconds : float or None
        For networks that classify and for single neurons: fields of the last record. Regressors
        have ``score`` and ``validation_score``.
    C, l1_ratio, fold, score, objective, iterations, seconds : float or int
        For cross-validation: fields of the last record.
    coef, intercept : ndarray of shape (K, D) and (K,)
        The model, except for networks. It is built when you ask for it, which is possible while the
        callback runs.
    coefs, intercepts : list of ndarray
        The same for networks, for each layer, as copies.

    Examples
    --------
    >>> import fastsoftmax
    >>> X, y = fastsoftmax.datasets.load_digits()
    >>> def callback(state):
    ...     return state.n_iter == 3 or state.objective < 0.1 * state.history[0].objective
    >>> model = fastsoftmax.fit(X, y, callback=callback)
    >>> model.n_iter_, model.converged_
    (3, False)
    """

    __module__ = "fastsoftmax"

    objective: float
    grad_norm: float
    n_passes: float
    seconds: float
    gap: float
    n_rounds: int
    n_bytes: int
    loss: float
    accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    validation_score: float | None
    C: float
    l1_ratio: float
    fold: int
    score: float
    iterations: int
    coef: NDArray
    intercept: NDArray
    coefs: list[NDArray]
    intercepts: list[NDArray]

    def __init__(
        self, history: Sequence[Any], n_iter: int, model: Callable[[], Mapping[str, Any]]
    ) -> None:
        self.n_iter = n_iter
        self._history, self._length = history, len(history)
        self._make: Callable[[], Mapping[str, Any]] | None = model
        self._model: Mapping[str, Any] | None = None

    @property
    def history(self) -> list[Any]:
        """Records of the iterations so far."""
        return list(self._history[: self._length])

    @property
    def epoch(self) -> int:
        """``n_iter``, as it was called of networks."""
        warnings.warn("epoch: use n_iter, which every estimator has", FutureWarning, stacklevel=2)
        return self.n_iter

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            record = self._history[self._length - 1]
            if name in record._fields:
                return getattr(record, name)
            if name in MODEL and name in (model := self._made()):
                return model[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _made(self) -> Mapping[str, Any]:
        if self._model is None:
            if self._make is None:
                raise RuntimeError("the model was not asked for while the callback ran")
            self._model = self._make()
        return self._model

    def close(self) -> None:
        """The fit goes on: from here on the model is another."""
        self._make = None

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._history[self._length - 1]._fields})

    def __str__(self) -> str:
        return str(self._history[self._length - 1])

    def __repr__(self) -> str:
        return f"<FitState after {self.n_iter} iterations: {self}>"


MODEL = ("coef", "intercept", "coefs", "intercepts")


def ends(
    callback: Callable[[FitState], object],
    history: Sequence[Any],
    n_iter: int,
    model: Callable[[], Mapping[str, Any]],
) -> bool:
    """Whether a callback, called with what there is of a fit, ends it."""
    state = FitState(history, n_iter, model)
    result = bool(callback(state))
    state.close()
    return result
