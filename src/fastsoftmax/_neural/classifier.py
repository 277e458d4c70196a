"""Networks that classify."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from types import MethodType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax import functional
from fastsoftmax._neural.estimator import Learned, Perceptron, attributes_of
from fastsoftmax._neural.goals import Goal
from fastsoftmax._neural.ranking import Ranking
from fastsoftmax._neural.training import Epoch
from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._runtime.atomic import atomic, of_one_fit
from fastsoftmax._runtime.parts import joined
from fastsoftmax._runtime.sklearn_compat import ClassifierMixin
from fastsoftmax._runtime.typing import ClassifierLoss
from fastsoftmax._validation import check, saved
from fastsoftmax._validation import labels as check_labels
from fastsoftmax._validation import networks as check_networks
from fastsoftmax._validation import targets as check_targets


class WithProbabilities:
    """A method that is an attribute of those networks only whose outputs are probabilities."""

    def __init__(self, method: Callable[..., NDArray]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(self, model: Any, owner: type | None = None) -> Callable[..., NDArray]:
        if model is None:
            return self._method
        check_networks.has_probabilities(_loss_of_outputs(model))
        return MethodType(self._method, model)


@dataclass(eq=False, repr=False)
class MLPClassifier(Ranking, ClassifierMixin, Perceptron):
    """Network of dense layers (multi-layer perceptron) that classifies.

    Minimises the mean loss of the rows plus an L2 penalty by stochastic gradient descent. Compiled
    code runs the steps of an epoch: it gathers the rows, computes outputs and gradients, and
    updates the weights.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Number of units of each hidden layer. () means no hidden layer: softmax regression.
    activation : str or sequence of str, default="relu"
        Activation of the hidden layers, one name for all or one per layer: "identity", "logistic"
        (or "sigmoid"), "tanh", "relu", "leaky_relu" (with slope ``negative_slope`` below 0).
    loss : str, default="auto"
        "auto": "binary_cross_entropy" if y is a matrix of integers 0 and 1 of shape (N, K), which
        mean several labels per row, and otherwise "cross_entropy".
        "cross_entropy": that of the softmax of the outputs, which are one per class, also with two
        classes; y holds labels (N,), or probabilities (N, K), floats that sum to 1 in each row.
        "binary_cross_entropy": that of the logistic function of each output; y holds labels (N,),
        or zeros and ones (N, K) for several labels per row, which need not exclude each other.
        "mse" (half the squared errors) and "mae": the errors of the outputs themselves against the
        one-hot rows. The loss of a row is a sum over its outputs, so that ∂loss/∂z is a - y, except
        for "mae", which draws outputs to medians: with many classes the median of a one-hot column
        is 0.
    solver : str, default="adam"
        "sgd": gradient descent, with ``momentum`` unless that is 0, and with Nesterov's if
        ``nesterovs_momentum`` is True; "momentum" and "nesterov": with the momentum of that name,
        whatever ``nesterovs_momentum`` is; "adagrad"; "rmsprop" (squares averaged by ``beta_2``);
        "adam"; "adamw". With ``batch_size="full"`` each step uses all rows. "lbfgs": SciPy's L-BFGS
        on all rows, without early stopping, until max |gradient| <= tol; an iteration counts as an
        epoch.
    alpha : float, default=1e-4
        Strength of the L2 penalty, >= 0: alpha/2 ‖W‖² / (weight of the batch) is added to the mean
        loss of the batch. Intercepts are not penalised. "adamw" shrinks the coefficients by rate *
        alpha per step instead.
    batch_size : int, "auto" or "full", default="auto"
        Number of rows of a step. "auto": min(200, N); "full": all rows. A number
        above N means all rows, with a warning as in scikit-learn.
    learning_rate : str, default="constant"
        The schedule of the rate, with any solver but "lbfgs". "constant": always
        learning_rate_init. "invscaling": learning_rate_init / (rows seen + 1)**power_t.
        "adaptive": divided by 5 where training would otherwise stop, down to 1e-6. "step":
        multiplied by step_factor every step_size epochs. "cosine": falling to 0 at max_iter.
    learning_rate_init : float, default=0.001
        The initial rate, > 0.
    power_t : float, default=0.5
        Exponent of "invscaling".
    step_size, step_factor : int, float, default=10, 0.1
        For "step": the number of epochs between two changes, and the factor.
    max_iter : int, default=200
        Maximum number of epochs.
    shuffle : bool, default=True
        Whether each epoch takes the rows in a new order.
    random_state : int, Generator, RandomState or None, default=None
        Seed of initial coefficients, shuffling and the rows held out.
    tol : float, default=1e-4
        Training stops when the loss has not fallen by tol below its minimum so far for more than
        ``n_iter_no_change`` epochs in a row; with ``warm_start`` this minimum includes earlier
        fits. With ``early_stopping`` it stops when the validation score has not risen by tol above
        its maximum in this fit for as many epochs.
    verbose : bool, default=False
        Whether to show progress on standard error: a bar in terminals and notebooks if tqdm is
        installed, otherwise at most one line per second.
    warm_start : bool, default=False
        Whether another ``fit`` starts from the present coefficients.
    momentum : float, default=0.9
        Momentum of "sgd", "momentum" and "nesterov", in [0, 1).
    nesterovs_momentum : bool, default=True
        Whether the momentum of "sgd" is Nesterov's.
    early_stopping : bool, default=False
        Whether to hold out rows, follow the score on them, and keep the coefficients of the epoch
        with the best score.
    validation_fraction : float, default=0.1
        Share of the rows that are held out, the same share of each class.
    n_iter_no_change : int or inf, default=10
        See ``tol``.
    max_fun : int, default=15000
        Maximum number of evaluations of the loss by "lbfgs".
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay rates of the means of the gradients and of their squares, in [0, 1).
    epsilon : float, default=1e-8
        Added to the square roots of those means of squares, > 0.
    negative_slope : float, default=0.1
        Slope of "leaky_relu" below 0, >= 0.
    init : str, default="auto"
        Distribution of the initial coefficients: "he", uniform with variance 2 / inputs; "glorot",
        uniform with variance 2 / (inputs + units), for logistic units a third of that; or "zeros".
        "auto" selects "he" for relu and leaky_relu, and otherwise "glorot". Intercepts start at
        zero.
    feature_scale : float, default=1.0
        Factor by which X is multiplied as it is read, such as 1/255 for pixels in uint8.
    n_threads : int or None, default=None
        Threads of the kernels, >= 1. None: one for each processor that this process may use. Small
        steps use one thread. The result does not depend on the number.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
        The labels, in order; 0..K-1 if y has the shape (N, K).
    coefs_ : list of ndarray of shape (inputs, units)
        Weights of each layer.
    intercepts_ : list of ndarray of shape (units,)
    history_ : list of Epoch
        ``(loss, accuracy, validation_loss, validation_accuracy, seconds)`` of each epoch.
    loss_, loss_curve_ : float, list of float
        The last loss in ``history_``, and all of them. Where "lbfgs" takes no step, there are none,
        and ``loss_`` is that of the start.
    best_loss_ : float or None
        The smallest loss; None with early stopping.
    validation_scores_, best_validation_score_ : list of float, float, or None
        With early stopping: accuracy of the validation rows, and the greatest in the last fit.
    n_iter_, t_ : int
        Number of epochs of the fit, and of rows trained on.
    n_layers_, n_outputs_ : int
        Number of layers, including inputs and outputs, and of outputs.
    out_activation_ : str
        "softmax", "logistic" or "identity".
    n_features_in_ : int
        Number of features, D.

    See Also
    --------
    SoftmaxRegression : The model without hidden layers, at its optimum.

    Notes
    -----
    ``history_`` has the accuracy of the rows when training reached them, before the step that uses
    them, since this needs no extra pass.

    References
    ----------
    .. [1] Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors",
       Nature 323 (1986).
    .. [2] Glorot & Bengio, AISTATS 2010; He et al., ICCV 2015: initial coefficients.
    .. [3] Sutskever et al., ICML 2013; Duchi et al., JMLR 12 (2011); Kingma & Ba, arXiv 1412.6980;
       Loshchilov & Hutter, arXiv 1711.05101: the solvers.

    Examples
    --------
    >>> from fastsoftmax import MLPClassifier
    >>> from fastsoftmax.datasets import load_digits
    >>> X, y = load_digits()
    >>> model = MLPClassifier(32, max_iter=30, tol=0, n_iter_no_change=30, random_state=0,
    ...                       feature_scale=1 / 16)
    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore"):  # 30 epochs do not settle
    ...     _ = model.fit(X[:1500], y[:1500], validation_data=(X[1500:], y[1500:]))
    >>> model.history_[-1].validation_accuracy > 0.85
    True
    """

    _: KW_ONLY
    loss: ClassifierLoss = "auto"

    _losses = ("cross_entropy", "binary_cross_entropy", "mse", "mae")
    _epoch = Epoch
    _saved = attributes_of(Epoch, classes_=saved.labels("K"), _multilabel=saved.flag)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = self.loss in ("auto", "binary_cross_entropy")
        return tags

    @atomic
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch, from where the last call ended; the solver's state is kept.

        Parameters
        ----------
        X, y
            As in `fit`. If ``batch_size`` is larger than the number of rows, all rows are used,
            without a warning.
        classes : array-like of shape (K,)
            All labels that will occur in any call; needed in the first call if y holds labels. If y
            has the shape (N, K), ``classes_`` are 0..K-1, whatever is given here.
        sample_weight : array-like of shape (N,), optional
            As in `fit`.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError, FloatingPointError
            As in `fit`.
        """
        return self._train(X, y, sample_weight, partial=True, classes=classes)

    def _loss_of(self, y: ArrayLike, goes_on: bool) -> str:
        loss = check.one_of(self.loss, ("auto", *self._losses), "loss")
        several = _is_table(y) and check_targets.says_several_labels(check.as_array(y, "y"))
        if several:
            check_networks.warn_of_a_matrix(check.as_array(y, "y"), loss)
        if loss != "auto":
            return loss
        if goes_on:
            return self._settings.loss
        return "binary_cross_entropy" if several else "cross_entropy"

    def _targets(
        self,
        y: ArrayLike,
        n: int,
        loss: str,
        goes_on: bool,
        classes: ArrayLike | None,
        partial: bool,
    ) -> Learned:
        if _is_table(y):
            return self._table_targets(y, n, loss, goes_on)
        if goes_on or partial:
            known = self.classes_ if goes_on else check_labels.classes_of_first_fit(classes)
            check_labels.same_classes(classes, known)
            codes = check_labels.known_codes(y, known, n)
        else:
            codes, known = check_labels.labels(y, n)
        check_networks.warn_of_column(y)
        goal = Goal(loss, "argmax")
        return codes, goal, len(known), {"classes_": known, "_multilabel": False}

    def _table_targets(self, y: ArrayLike, n: int, loss: str, goes_on: bool) -> Learned:
        multilabel = loss == "binary_cross_entropy"
        y = _table(y, n, loss, "y")
        known = np.arange(y.shape[1])
        if goes_on:
            check_networks.as_many_columns(len(known), len(self.classes_), "y")
        goal = Goal(loss, "threshold" if multilabel else "argmax")
        learned = {"classes_": known, "_multilabel": multilabel}
        return y, goal, len(known), learned

    def _validation_targets(
        self, y: ArrayLike, n: int, loss: str, learned: dict[str, Any]
    ) -> NDArray:
        classes, argument = learned["classes_"], "validation_data y"
        if not _is_table(y, argument):
            return check_labels.known_codes(y, classes, n, argument)
        return _table(y, n, loss, argument)

    @of_one_fit
    def decision_function(self, X: ArrayLike) -> NDArray:
        """Outputs before their activation.

        Parameters
        ----------
        X : array-like or sparse matrix or array of shape (N, D)

        Returns
        -------
        ndarray of shape (N, K), or (N,) for two classes
            For two classes the second output less the first: the log-odds of ``classes_[1]``, if
            the loss gives probabilities.
        """
        z = self._outputs(X)
        if len(self.classes_) > 2 or self._multilabel:
            return z
        logits = self._class_logits(z)
        return logits[:, 1] - logits[:, 0]

    @of_one_fit
    def predict(self, X: ArrayLike) -> NDArray:
        """The class of the largest output of each row.

        Parameters
        ----------
        X : array-like or sparse matrix or array of shape (N, D)

        Returns
        -------
        ndarray of shape (N,), or (N, K) of 0 and 1 for several labels per row

        Raises
        ------
        NotFittedError, ValueError
            If the estimator is not fitted, if X has another number of features, or if X or its
            outputs are not finite.
        """
        return joined([self._most_probable(z) for z in self._outputs_in_parts(X)])

    def _most_probable(self, z: NDArray) -> NDArray:
        """The labels that outputs mean."""
        if self._multilabel:
            return (z > 0).astype(int)
        return self.classes_[z.argmax(axis=1)]

    @WithProbabilities
    @of_one_fit
    def predict_proba(self, X: ArrayLike) -> NDArray:
        """Probabilities of the classes.

        With several labels per row, each label has a probability of its own. Otherwise rows sum to
        1: they are the softmax of the outputs or, with "binary_cross_entropy", each output's
        probability divided by their sum. This method does not exist for the losses "mse" and "mae".

        Parameters
        ----------
        X : array-like or sparse matrix or array of shape (N, D)

        Returns
        -------
        ndarray of shape (N, K)
        """
        parts = self._outputs_in_parts(X, precise=True)
        return joined([self._probabilities(z) for z in parts])

    def _probabilities(self, z: NDArray) -> NDArray:
        if self._multilabel:
            return functional.sigmoid(z, n_threads=self.n_threads)
        return functional.softmax(self._class_logits(z), n_threads=self.n_threads)

    @WithProbabilities
    @of_one_fit
    def predict_log_proba(self, X: ArrayLike) -> NDArray:
        """Logarithms of `predict_proba`, finite where that underflows.

        Parameters
        ----------
        X : array-like or sparse matrix or array of shape (N, D)

        Returns
        -------
        ndarray of shape (N, K)
        """

        def logarithms(z: NDArray) -> NDArray:
            if self._multilabel:
                return functional.log_sigmoid(z, n_threads=self.n_threads)
            return functional.log_softmax(self._class_logits(z), n_threads=self.n_threads)

        return joined([logarithms(z) for z in self._outputs_in_parts(X, precise=True)])

    @of_one_fit
    def predict_topk(self, X: ArrayLike, k: int, *, return_proba: bool = False) -> Any:
        """Labels of the k largest outputs of each row.

        Parameters
        ----------
        X : array-like or sparse matrix or array of shape (N, D)
        k : int
            Number of labels per row, from 1 to K.
        return_proba : bool, default=False
            Whether to return their probabilities too, for losses that have any.

        Returns
        -------
        labels : ndarray of shape (N, k)
            From the largest output to the smallest; equal outputs in the order of ``classes_``.
        probabilities : ndarray of shape (N, k)
            Those of `predict_proba`, with ``return_proba`` only.

        Raises
        ------
        ValueError, TypeError
            If k is not an integer from 1 to K; for X as in `predict`.
        AttributeError
            If ``return_proba`` is True and the loss is "mse" or "mae".
        """
        if check.flag(return_proba, "return_proba"):
            check_networks.has_probabilities(_loss_of_outputs(self))
        return self._ranked(X, k, return_proba)

    def _class_logits(self, z: NDArray) -> NDArray:
        """What probabilities of one label per row are the softmax of, from the outputs."""
        if self.out_activation_ == "logistic":
            return functional.log_sigmoid(z, n_threads=self.n_threads)
        return z

    @of_one_fit
    def score(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        top_k: int = 1,
    ) -> float:
        """Weighted share of rows whose label, or all of whose labels, are predicted correctly.

        If y, of shape (N, K), holds one-hot rows or probabilities, the largest of a row is its
        label.

        Parameters
        ----------
        X : array-like or sparse matrix or array of shape (N, D)
        y : array-like of shape (N,) or (N, K)
        sample_weight : array-like of shape (N,), optional
        top_k : int, default=1
            How many of the largest outputs of a row count as its prediction: those of
            `predict_topk`. A number above 1 requires rows
            with one label each.

        Returns
        -------
        float
        """
        k = self._ranks(top_k, "top_k")
        check_labels.one_of_several(k, self._multilabel)
        predicted = self.predict(X) if self._multilabel else self.predict_topk(X, k)
        n = len(predicted)
        weights = check.weights(sample_weight, n, np.dtype(np.float64))
        check.usable_sum(weights)
        if self._multilabel or _is_table(y):
            y = check_networks.table(y, n)
            check_networks.as_many_columns(y.shape[1], len(self.classes_), "y")
            if self._multilabel:
                return float(np.average((predicted == y).all(axis=1), weights=weights))
            labels = self.classes_[y.argmax(axis=1)]
        else:
            labels = check_labels.one_a_row(y, n, "y")
            check_labels.same_type(labels, self.classes_)
        hits = (predicted == labels[:, None]).any(axis=1)
        return float(np.average(hits, weights=weights))


def _table(y: ArrayLike, n: int, loss: str, argument: str) -> NDArray:
    """One-hot rows, probabilities or zeros and ones, as the loss takes them."""
    least = -np.inf if loss in ("mse", "mae") else 0.0
    most = 1.0 if loss == "binary_cross_entropy" else np.inf
    table = check_networks.table(y, n, least=least, most=most, argument=argument)
    if loss == "cross_entropy":
        check_networks.probabilities(table, y, argument)
    return table


def _loss_of_outputs(model: MLPClassifier) -> str:
    """That of the fit, whatever the parameter has been set to since; before a fit the parameter."""
    settings = getattr(model, "_settings", None)
    return model.loss if settings is None else settings.loss


def _is_table(y: ArrayLike, argument: str = "y") -> bool:
    if sparse.issparse(y):
        return False  # which the check of labels refuses
    y = check.as_array(y, argument, "labels")
    return y.ndim == 2 and y.shape[1] > 1


MLPClassifier.__module__ = "fastsoftmax"  # not earlier: dataclasses look KW_ONLY up there
