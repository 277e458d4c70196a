"""Logistic regression: two classes, more, or several labels per row."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._engine import solvers
from fastsoftmax._linear.model import LinearModel
from fastsoftmax._linear.partial_fit import OF_A_STREAM, PartialFit
from fastsoftmax._linear.sklearn_spellings import SklearnSpellings
from fastsoftmax._linear.sparse_coefficients import SparseCoefficients
from fastsoftmax._neural.neuron import train_neuron
from fastsoftmax._runtime.atomic import atomic
from fastsoftmax._runtime.callbacks import FitState
from fastsoftmax._runtime.typing import MatrixLike
from fastsoftmax._validation import networks as check_networks
from fastsoftmax._validation import saved, spellings
from fastsoftmax.blocks import Blocks
from fastsoftmax.partitions import Partitions

ITERATIONS, EPOCHS = 1000, 100  # at most, by default


@spellings.naming_replacements
@dataclass(eq=False, repr=False)
class LogisticRegression(SparseCoefficients, SklearnSpellings, PartialFit, LinearModel):
    """Logistic regression with an L2, L1 or elastic net penalty.

    With two classes there is one logit z = w x + b, and the probability of the second class is
    σ(z) = 1 / (1 + exp(-z)). With more classes there is a softmax. For several labels per row, y
    has a column of 0 and 1 for each label, and each label has its own logistic function. The fit
    minimises

        F(W, b) = Σᵢ sᵢ·Σₖ CEᵢₖ / Σᵢ sᵢ + (½·(1 - r)·‖W‖² + r·‖W‖₁) / (C·Σᵢ sᵢ),

    with CEᵢₖ = -yᵢₖ log σ(zᵢₖ) - (1 - yᵢₖ) log(1 - σ(zᵢₖ)), or the cross-entropy of the softmax.
    The optimum is that of scikit-learn's ``LogisticRegression`` with the same ``C`` and
    ``l1_ratio``; for several labels, that of a separate fit for each.

    Parameters
    ----------
    C, l1_ratio, fit_intercept, tol
        As in `SoftmaxRegression`; "sgd" does not use them. ``tol`` is a share of the objective,
        whereas scikit-learn's is a limit for the gradient.
    max_iter : int, default=None
        Maximum number of iterations, >= 0; with "sgd" the number of epochs, >= 1. None: 1000
        iterations, or 100 epochs.
    solver : str, default="auto"
        Those of `SoftmaxRegression`, or "sgd" for two classes: the online rule w ← w - η (a - y) x,
        b ← b - η (a - y) with a = σ(w x + b), from zero, without a penalty, for one row at a time
        or for ``batch_size`` rows. scikit-learn's names "lbfgs", "newton-cg", "newton-cholesky",
        "sag" and "saga" mean "auto": the optimum is the same. So does "liblinear" without an
        intercept; with an intercept it has another optimum and raises an error.
    max_memory, feature_scale, standardize, penalty_factor
        As in `SoftmaxRegression`; not for "sgd".
    class_weight : dict, "balanced" or list of these, default=None
        As in `SoftmaxRegression`. With several labels per row it weights the values 0 and 1 of each
        label: a dict applies to all labels, "balanced" is computed for each label by itself, and a
        list has a dict or "balanced" for each label. Each label is then fitted by itself, and a
        callback sees one fit after another; ``n_iter_``, ``objective_`` and ``gap_bound_`` are
        sums. Not for `Partitions`.
    n_threads
        As in `SoftmaxRegression`.
    random_state : int, Generator, RandomState or None, default=0
        Seed of the rows that "preconditioned-lbfgs" draws, or of the shuffling of "sgd". None
        counts as 0, so that a fit always gives the same result; from a generator a seed is drawn.
    warm_start, verbose
        As in `SoftmaxRegression`; of these "sgd" uses ``verbose``.
    learning_rate_init : float, default=0.1
        The rate η of "sgd", > 0.
    batch_size : int, "auto" or "full", default=1
        Number of rows whose gradients a step of "sgd" averages. "auto": min(200, N); "full": all
        rows. More rows than there are mean all, with a warning.
    shuffle : bool, default=True
        Whether each epoch of "sgd" takes the rows in a new order; False: in the order of X.
    n_jobs : int or None, default=None
        scikit-learn's name for ``n_threads``, which must then be None: -1 for all processors, -2
        for all but one.
    penalty : {"l1", "l2", "elasticnet", None, "deprecated"}, default="deprecated"
        Deprecated as in scikit-learn: use ``l1_ratio``, and ``C=np.inf`` in place of None.
    dual, intercept_scaling : bool, float, default=False, 1
        For compatibility with scikit-learn: only its defaults are accepted.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
        The labels, in order.
    coef_ : ndarray of shape (K, D), or (1, D) for two classes
        Weights.
    intercept_ : ndarray of shape (K,) or (1,)
        Intercepts.
    history_ : list of Iteration, or of Epoch with "sgd"
        The iterations, as in `SoftmaxRegression`; or for each epoch
        ``(loss, accuracy, validation_loss, validation_accuracy, seconds)``. Loss and accuracy are
        those of the rows when training reached them, and those of validation are None.
    n_iter_ : ndarray of shape (1,)
        Iterations, or epochs.
    n_features_in_ : int
        Number of features, D.
    converged_, certified_, objective_, grad_norm_, gap_bound_, n_passes_
        As in `SoftmaxRegression`; not with "sgd".

    See Also
    --------
    SoftmaxRegression : For probabilities or counts of classes as targets.
    fastsoftmax.inference.results : Standard errors and tests of a fit with ``C=np.inf``.
    Adaline : The online rule without the logistic function, a = w x + b.

    References
    ----------
    .. [1] Bishop, Pattern Recognition and Machine Learning, Springer 2006, section 4.3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsoftmax import LogisticRegression
    >>> X = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    >>> model = LogisticRegression(C=10).fit(X, [0, 0, 1, 1])
    >>> bool(model.predict_proba([[3.0]])[0, 1] > 0.9)
    True

    Two labels, of which a row has none, one or both:

    >>> model = LogisticRegression().fit(X, [[0, 1], [0, 0], [1, 1], [1, 0]])
    >>> model.predict([[3.0], [-3.0]])[:, 0].tolist()
    [1, 0]
    """

    C: float = 1.0
    _: KW_ONLY
    l1_ratio: float = 0.0
    fit_intercept: bool = True
    tol: float = 1e-6
    max_iter: int | None = None
    solver: str = "auto"
    max_memory: int | None = None
    feature_scale: ArrayLike | None = None
    standardize: bool = False
    penalty_factor: ArrayLike | None = None
    class_weight: Mapping[Hashable, float] | str | list[Any] | None = None
    n_threads: int | None = None
    random_state: Any = 0
    warm_start: bool = False
    verbose: bool = False
    learning_rate_init: float = 0.1
    batch_size: int | str = 1
    shuffle: bool = True
    n_jobs: int | None = None
    penalty: str | None = spellings.DEPRECATED
    dual: bool = False
    intercept_scaling: float = 1

    _indicators = True
    _solvers = (*solvers.SOLVERS, "sgd")
    _saved = LinearModel._saved.and_also(n_iter_=saved.counts("1"), **OF_A_STREAM)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = self.solver != "sgd"
        tags.classifier_tags.multi_class = self.solver != "sgd"
        tags.input_tags.sparse = self.solver != "sgd"
        return tags

    @atomic
    def fit(
        self,
        X: MatrixLike | Blocks | Partitions,
        y: MatrixLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        offset: ArrayLike | None = None,
        callback: Callable[[FitState], object] | None = None,
    ) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix or array of shape (n, D), Blocks or Partitions
            Features, as in `SoftmaxRegression.fit`; a dense array for "sgd".
        y : array-like of shape (n,), or array-like or sparse matrix of shape (n, K)
            Labels of at least two classes; or a matrix of 0 and 1, which says whether a row has
            each of K >= 2 labels.
        sample_weight : array-like of shape (n,), optional
            Weights of the rows, >= 0.
        offset : array-like of shape (n, K), or (n,) for two classes, optional
            Known terms that are added to the logits, as in `SoftmaxRegression.fit`.
        callback : callable, optional
            Called with a `FitState` after every iteration, or epoch of "sgd"; if it returns a true
            value, the fit ends.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            For input or parameters out of range, naming the argument.
        FloatingPointError
            If the loss is no longer finite with "sgd", naming epoch and step. The estimator then
            has the last finite weights.

        Warns
        -----
        ConvergenceWarning
            If the fit ended before its stopping rule was met.
        """
        native = self._native()
        spellings.warn_of_penalty(self.penalty, self.C, self.l1_ratio)
        if native.solver == "sgd":
            check_networks.nothing_for_sgd(sample_weight, "sample_weight")
            check_networks.nothing_for_sgd(offset, "offset")
            check_networks.nothing_for_sgd(self.class_weight, "class_weight")
            self._train(native, X, y, callback)
            return self
        max_iter = ITERATIONS if self.max_iter is None else self.max_iter
        return self._fit(X, y, sample_weight, max_iter=max_iter, offset=offset, callback=callback)

    def _train(self, native: Self, X: MatrixLike, y: ArrayLike | None, callback: Any) -> None:
        if self.random_state is not None:
            native.random_state = self.random_state
        native.max_iter = EPOCHS if self.max_iter is None else self.max_iter
        train_neuron(self, native, X, y, loss="binary_cross_entropy", callback=callback)
        self._several_labels = False

    def _native(self) -> Self:
        native = super()._native()
        native.C, native.l1_ratio = spellings.penalty(self.penalty, self.C, self.l1_ratio)
        return native

    @staticmethod
    def _counted(iterations: int) -> NDArray[np.int32]:
        return np.array([iterations], np.int32)


LogisticRegression.__module__ = "fastsoftmax"  # not earlier: dataclasses look KW_ONLY up there
