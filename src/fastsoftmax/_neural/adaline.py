"""ADALINE: the adaptive linear neuron."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

from numpy.typing import ArrayLike

from fastsoftmax._neural.labels import Labels
from fastsoftmax._neural.neuron import train_neuron
from fastsoftmax._neural.training import Epoch
from fastsoftmax._runtime.atomic import atomic
from fastsoftmax._runtime.sklearn_compat import BaseEstimator, ClassifierMixin
from fastsoftmax._saving import Saved
from fastsoftmax._validation import saved


@dataclass(eq=False, repr=False)
class Adaline(Labels, Saved, ClassifierMixin, BaseEstimator):
    """Adaptive linear neuron: a binary classifier by least squares.

    The activation is the identity, a = w x + b. The loss is ½ (a - y)², with targets y of 0 and 1,
    and the threshold lies between them: a > ½ means ``classes_[1]``. Weights begin at zero and
    follow the rule of Widrow and Hoff [1]_, w ← w - η (a - y) x and b ← b - η (a - y).

    Parameters
    ----------
    learning_rate_init : float or "auto", default="auto"
        The rate η, > 0. "auto" chooses a rate with which the rule cannot diverge, whatever the
        units of the features. With ``batch_size="full"`` it is 1 / λ, λ being the largest
        eigenvalue of the mean of x xᵀ, estimated by power iteration. For steps of fewer rows it is
        0.2 / max ‖x‖², since a single row may lie in any direction. Here x includes a 1 for the
        intercept.
    max_iter : int, default=50
        Number of epochs, all of which are run unless a callback ends the fit.
    batch_size : int, "auto" or "full", default=1
        Number of rows whose gradients a step averages. "auto": min(200, N); "full": all rows. A
        number above N means all rows, with a warning.
    shuffle : bool, default=True
        Whether each epoch takes the rows in a new order; False: in the order of X.
    random_state : int, Generator, RandomState or None, default=None
        Seed of the shuffling.
    verbose : bool, default=False
        Whether to show progress on standard error: a bar in terminals and notebooks if tqdm is
        installed, otherwise at most one line per second.
    n_threads : int or None, default=None
        Threads of the kernels, >= 1. None: one for each processor that this process may use. Small
        steps use one thread. The result does not depend on the number.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The labels, in order.
    coef_ : ndarray of shape (1, D)
        Weights w.
    intercept_ : ndarray of shape (1,)
        Intercept b.
    history_ : list of Epoch
        ``(loss, accuracy, validation_loss, validation_accuracy, seconds)`` of each epoch. Loss and
        accuracy are those of the rows when training reached them, and those of validation are None.
    n_iter_ : int
        Number of epochs.
    n_features_in_ : int
        Number of features, D.

    See Also
    --------
    LogisticRegression : The same rule, a being the logistic function of w x + b.

    References
    ----------
    .. [1] Widrow & Hoff, "Adaptive switching circuits", IRE WESCON Convention Record 4 (1960).

    Examples
    --------
    >>> import numpy as np
    >>> from fastsoftmax import Adaline
    >>> X = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    >>> model = Adaline(learning_rate_init=0.1, shuffle=False).fit(X, ["no", "no", "yes", "yes"])
    >>> model.predict([[3.0]]).tolist()
    ['yes']
    """

    _: KW_ONLY
    learning_rate_init: float | str = "auto"
    max_iter: int = 50
    batch_size: int | str = 1
    shuffle: bool = True
    random_state: Any = None
    verbose: bool = False
    n_threads: int | None = None

    _automatic_rate = True
    _threshold = 0.5
    _saved = saved.Attributes(
        {
            "n_features_in_": saved.size("D"),
            "classes_": saved.labels("2"),
            "coef_": saved.floats("1", "D"),
            "intercept_": saved.floats("1"),
        },
        {
            "feature_names_in_": saved.names("D"),
            "history_": saved.listed(saved.record(Epoch)),
            "n_iter_": saved.count,
        },
    )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    @atomic
    def fit(self, X: ArrayLike, y: ArrayLike, *, callback: Any = None) -> Self:
        """Train for ``max_iter`` epochs, from zero.

        Parameters
        ----------
        X : array-like of shape (N, D)
            Features, preferably of similar scales: the rule is slow if scales differ much, and
            diverges if ``learning_rate_init`` is a number above about 2 / ‖x‖².
        y : array-like of shape (N,)
            Labels of two classes; the greater one is ``classes_[1]``, whose target is 1.
        callback : callable, optional
            Called with a `FitState` after every epoch; if it returns a true value, the fit ends.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            For input or parameters out of range, naming the argument.
        FloatingPointError
            If the loss is no longer finite; the message names the epoch, the step and the largest
            rate that is stable. The estimator then has the last finite weights.
        """
        train_neuron(self, self, X, y, loss="mse", callback=callback)
        return self


Adaline.__module__ = "fastsoftmax"  # not earlier: dataclasses look KW_ONLY up there
