"""Networks that predict numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from numpy.typing import ArrayLike, NDArray

from fastsoftmax._neural.estimator import Learned, Perceptron, attributes_of
from fastsoftmax._neural.goals import Goal
from fastsoftmax._neural.training import RegressionEpoch
from fastsoftmax._runtime.atomic import atomic, of_one_fit
from fastsoftmax._runtime.sklearn_compat import RegressorMixin
from fastsoftmax._runtime.typing import RegressorLoss
from fastsoftmax._validation import networks as check_networks


@dataclass(eq=False, repr=False)
class MLPRegressor(RegressorMixin, Perceptron):
    """Network of dense layers (multi-layer perceptron) that predicts numbers.

    Like `MLPClassifier`, with a loss that compares the outputs with y directly.

    Parameters
    ----------
    loss : str, default="mse"
        "mse": ½ Σ (a - y)² over the outputs of a row, whose derivative is a - y; "mae": Σ |a - y|.
        "squared_error" is scikit-learn's name for "mse". scikit-learn's "poisson" is not available.
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Number of units of each hidden layer. () means no hidden layer: linear regression by
        gradient descent.
    activation : str or sequence of str, default="relu"
        Activation of the hidden layers, one name for all or one per layer: "identity", "logistic"
        (or "sigmoid"), "tanh", "relu", "leaky_relu" (with slope ``negative_slope`` below 0).
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
        Share of the rows that are held out, at random.
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
    coefs_ : list of ndarray of shape (inputs, units)
        Weights of each layer.
    intercepts_ : list of ndarray of shape (units,)
    history_ : list of RegressionEpoch
        ``(loss, score, validation_loss, validation_score, seconds)`` of each epoch.
    loss_, loss_curve_ : float, list of float
        The last loss in ``history_``, and all of them. Where "lbfgs" takes no step, there are none,
        and ``loss_`` is that of the start.
    best_loss_ : float or None
        The smallest loss; None with early stopping.
    validation_scores_, best_validation_score_ : list of float, float, or None
        With early stopping: R² of the validation rows, and the greatest in the last fit.
    n_iter_, t_ : int
        Number of epochs of the fit, and of rows trained on.
    n_layers_, n_outputs_ : int
        Number of layers, including inputs and outputs, and of outputs.
    out_activation_ : str
        "identity".
    n_features_in_ : int
        Number of features, D.

    Notes
    -----
    ``history_`` has the R² of the rows when training reached them, before the step that uses them,
    since this needs no extra pass.

    References
    ----------
    .. [1] Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors",
       Nature 323 (1986).
    .. [2] Glorot & Bengio, AISTATS 2010; He et al., ICCV 2015: initial coefficients.
    .. [3] Sutskever et al., ICML 2013; Duchi et al., JMLR 12 (2011); Kingma & Ba, arXiv 1412.6980;
       Loshchilov & Hutter, arXiv 1711.05101: the solvers.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsoftmax import MLPRegressor
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> y = np.abs(X[:, 0]) + X[:, 1]
    >>> model = MLPRegressor(hidden_layer_sizes=32, learning_rate_init=0.01, random_state=0)
    >>> model.fit(X, y).score(X, y) > 0.95
    True
    """

    loss: RegressorLoss = "mse"

    _losses = ("mse", "squared_error", "mae")
    _epoch = RegressionEpoch
    _saved = attributes_of(RegressionEpoch)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    @atomic
    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train for one epoch, from where the last call ended; the solver's state is kept.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`. If ``batch_size`` is larger than the number of rows, all rows are used,
            without a warning.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError, FloatingPointError
            As in `fit`.
        """
        return self._train(X, y, sample_weight, partial=True)

    def _loss_of(self, y: ArrayLike, goes_on: bool) -> str:
        check_networks.loss_not_sizes(self.loss)
        loss = super()._loss_of(y, goes_on)
        return "mse" if loss == "squared_error" else loss

    def _targets(
        self, y: ArrayLike, n: int, loss: str, goes_on: bool, classes: None, partial: bool
    ) -> Learned:
        table = check_networks.table(y, n)
        check_networks.warn_of_column(y)
        if goes_on:
            check_networks.as_many_columns(table.shape[1], self.n_outputs_, "y")
        return table, Goal(loss, "squares"), table.shape[1], {}

    def _validation_targets(
        self, y: ArrayLike, n: int, loss: str, learned: dict[str, Any]
    ) -> NDArray:
        return check_networks.table(y, n, argument="validation_data y")

    @of_one_fit
    def predict(self, X: ArrayLike) -> NDArray:
        """Outputs of the network.

        Parameters
        ----------
        X : array-like or sparse matrix or array of shape (N, D)

        Returns
        -------
        ndarray of shape (N,) for one output, (N, K) for several

        Raises
        ------
        NotFittedError, ValueError
            If the estimator is not fitted, if X has another number of features, or if X or its
            outputs are not finite.
        """
        z = self._outputs(X)
        return z[:, 0] if z.shape[1] == 1 else z


MLPRegressor.__module__ = "fastsoftmax"  # not earlier: dataclasses look KW_ONLY up there
