"""Logistic regression."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax import _validation_networks as check_networks
from fastsoftmax import functional
from fastsoftmax.linear._neuron import Neuron

SOLVERS = ("sgd",)


class LogisticRegression(Neuron):
    """Logistic regression, a binary classifier, by the online rule.

    With a = σ(w x + b) the loss -y log a - (1 - y) log(1 - a) has the gradient (a - y) x, the same
    as ADALINE's: from zero, step by step, w ← w - η (a - y) x and b ← b - η (a - y). There is no
    penalty.

    Parameters
    ----------
    solver : str, default="sgd"
        "sgd": that rule, for rows one at a time or ``batch_size`` at a time.
    learning_rate_init : float, default=0.1
        The rate η, > 0.
    max_iter : int, default=100
        Epochs, all of which are run unless a callback ends them.
    batch_size : int, "auto" or "full", default=1
        Rows whose gradients a step averages; "auto": min(200, N), "full": all. At most N.
    shuffle : bool, default=True
        Whether each epoch takes the rows in another order; False: as they stand.
    random_state : int, Generator, RandomState or None, default=None
        Seed of the shuffling.
    verbose : bool, default=False
        Whether to show progress: a bar if tqdm is installed, else a line on standard error.
    n_threads : int or None, default=None
        Threads of the kernels, >= 1. None: as many as the processors this process may use. Small
        steps take one. The result does not depend on it.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The labels, in order.
    coef_ : ndarray of shape (1, D)
        Weights w.
    intercept_ : ndarray of shape (1,)
        Intercept b.
    history_ : list of Epoch
        ``(loss, accuracy, validation_loss, validation_accuracy, seconds)`` of each epoch: loss and
        accuracy of the rows as training met them, the validation's None.
    n_iter_ : int
        Epochs.
    n_features_in_ : int
        D.

    See Also
    --------
    SoftmaxRegression : With two classes this model at its penalised optimum.
    Adaline : The same rule for a linear a.

    References
    ----------
    .. [1] Bishop, Pattern Recognition and Machine Learning, Springer 2006, section 4.3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsoftmax import LogisticRegression
    >>> X = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    >>> model = LogisticRegression(shuffle=False).fit(X, [0, 0, 1, 1])
    >>> bool(model.predict_proba([[3.0]])[0, 1] > 0.9)
    True
    """

    _loss, _threshold = "binary_cross_entropy", 0.0

    def __init__(
        self,
        *,
        solver: str = "sgd",
        learning_rate_init: float = 0.1,
        max_iter: int = 100,
        batch_size: int | str = 1,
        shuffle: bool = True,
        random_state: Any = None,
        verbose: bool = False,
        n_threads: int | None = None,
    ) -> None:
        self.solver = solver
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.random_state = random_state
        self.verbose = verbose
        self.n_threads = n_threads

    def fit(self, X: ArrayLike, y: ArrayLike, *, callback: Any = None) -> Self:
        check_networks.name(self.solver, SOLVERS, "solver")
        return super().fit(X, y, callback=callback)

    fit.__doc__ = Neuron.fit.__doc__

    def predict_proba(self, X: ArrayLike) -> NDArray:
        """Probability of each class, by the order of ``classes_``: (N, 2), rows sum to 1."""
        z = self._outputs(X)
        return functional.sigmoid(np.column_stack([-z, z]), n_threads=self.n_threads)

    def predict_log_proba(self, X: ArrayLike) -> NDArray:
        """Logarithm of `predict_proba`, finite where that underflows: (N, 2)."""
        z = self._outputs(X)
        return functional.log_sigmoid(np.column_stack([-z, z]), n_threads=self.n_threads)
