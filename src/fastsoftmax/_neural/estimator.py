"""What classifier and regressor share: parameters, the course of a fit, outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._neural.full_batch import train_full_batch
from fastsoftmax._neural.goals import LOSSES, Goal, TrainingRows
from fastsoftmax._neural.initial import BOUNDS, initial_coefs
from fastsoftmax._neural.labels import PART
from fastsoftmax._neural.network import Network
from fastsoftmax._neural.rules import Rule
from fastsoftmax._neural.schedules import FACTORS, Schedule
from fastsoftmax._neural.sparse_rows import outputs
from fastsoftmax._neural.sparse_rows import rows as rows_of
from fastsoftmax._neural.to_sklearn import NetworkToSklearn
from fastsoftmax._neural.training import Plan, Record, Task, train
from fastsoftmax._runtime.atomic import DivergedError, atomic
from fastsoftmax._runtime.dtypes import computed_in
from fastsoftmax._runtime.sklearn_compat import (
    BaseEstimator,
    check_features_of_fit,
    require_fit,
)
from fastsoftmax._runtime.typing import Activation, InitialCoefs, LearningRate, UpdateRule
from fastsoftmax._saving import Saved
from fastsoftmax._validation import check, saved
from fastsoftmax._validation import networks as check_networks

ACTIVATIONS = ("identity", "logistic", "sigmoid", "tanh", "relu", "leaky_relu")
# targets, their goal, the number of outputs, attributes to set
Learned = tuple[NDArray, Goal, int, dict[str, Any]]
SOLVERS = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "lbfgs")


# parameters that the outputs of a fitted network depend on, whatever they have been set to since
OF_THE_FIT = ("hidden_layer_sizes", "activation", "loss", "negative_slope", "feature_scale")


@dataclass(frozen=True)
class Settings:
    """Parameters of an estimator, checked."""

    hidden: tuple[int, ...]
    activations: list[str]
    loss: str
    rule: str
    rule_numbers: dict[str, float]
    schedule: Schedule
    max_iter: int
    tol: float
    n_iter_no_change: float
    validation_fraction: float
    slope: float
    init: str
    feature_scale: float

    @classmethod
    def of(cls, model: Any, loss: str) -> Self:
        """The settings of a model with this loss."""
        hidden = check_networks.layer_sizes(model.hidden_layer_sizes)
        activations = check_networks.one_a_layer(model.activation, len(hidden), ACTIVATIONS)
        rule = check.one_of(model.solver, SOLVERS, "solver")
        momentum = check_networks.below_one(model.momentum, "momentum")
        nesterovs = check.flag(model.nesterovs_momentum, "nesterovs_momentum")
        if rule == "sgd" and momentum:
            rule = "nesterov" if nesterovs else "momentum"
        rule = "store" if rule == "lbfgs" else rule  # the gradient, for a solver outside
        max_iter = check.integer(model.max_iter, "max_iter", least=1)
        return cls(
            hidden=hidden,
            activations=["logistic" if a == "sigmoid" else a for a in activations],
            loss=loss,
            rule=rule,
            rule_numbers={
                "alpha": check_networks.finite(model.alpha, "alpha", least=0.0),
                "momentum": momentum,
                "beta_1": check_networks.below_one(model.beta_1, "beta_1"),
                "beta_2": check_networks.below_one(model.beta_2, "beta_2"),
                "epsilon": check_networks.finite(model.epsilon, "epsilon", above=0.0),
            },
            schedule=Schedule(
                check.one_of(model.learning_rate, FACTORS, "learning_rate"),
                check_networks.finite(model.learning_rate_init, "learning_rate_init", above=0.0),
                check_networks.finite(model.power_t, "power_t", least=0.0),
                check.integer(model.step_size, "step_size", least=1),
                check_networks.finite(model.step_factor, "step_factor", above=0.0),
                max_iter,
            ),
            max_iter=max_iter,
            tol=check.number(model.tol, "tol", least=0.0),
            n_iter_no_change=check_networks.patience(model.n_iter_no_change),
            validation_fraction=check_networks.share(
                model.validation_fraction, "validation_fraction"
            ),
            slope=check_networks.finite(model.negative_slope, "negative_slope", least=0.0),
            init=check.one_of(model.init, BOUNDS, "init"),
            feature_scale=check_networks.finite(model.feature_scale, "feature_scale", above=0.0),
        )

    def of_the_fit(self) -> dict[str, Any]:
        """The parameters by which `of` gives a network of these outputs."""
        values = self.hidden, self.activations, self.loss, self.slope, self.feature_scale
        return dict(zip(OF_THE_FIT, values, strict=True))

    def network(self, n_features: int, n_outputs: int, dtype: np.dtype, n_threads: int) -> Network:
        return Network(
            (n_features, *self.hidden, n_outputs),
            self.activations,
            self.loss,
            dtype=dtype,
            negative_slope=self.slope,
            feature_scale=self.feature_scale,
            n_threads=n_threads,
        )


def held_out(
    rows: TrainingRows, fraction: float, rng: np.random.Generator
) -> tuple[NDArray, NDArray]:
    """Numbers of the rows to train on, and of those to validate by: of labels each its share."""
    n = len(rows.X)
    count = int(np.ceil(fraction * n))
    if count < 2 or count > n - 1:
        raise ValueError(
            f"validation_fraction: expected at least 2 rows to validate by and 1 to train on, got "
            f"{count} of {n}"
        )
    order = rng.permutation(n)
    if rows.targets.ndim == 1:
        order = order[np.argsort(rows.targets[order], kind="stable")]
    out = np.zeros(n, bool)
    out[((np.arange(count) + rng.uniform()) * n / count).astype(np.intp)] = True
    return order[~out], order[out]


def attributes_of(epoch: type, **more: saved.Kind) -> saved.Attributes:
    """What a file keeps of a network whose history is of such epochs, and more."""
    return saved.Attributes(
        {
            "n_features_in_": saved.size("D"),
            "n_outputs_": saved.size("K"),
            "coefs_": saved.layers("M", ndim=2),
            "intercepts_": saved.layers("M", ndim=1),
            "n_layers_": saved.count,
            "out_activation_": saved.text,
            "_of_the_fit": saved.keyed(*OF_THE_FIT),
            "history_": saved.listed(saved.record(epoch)),
            "loss_curve_": saved.listed(saved.number),
            "loss_": saved.number,
            "best_loss_": saved.optional(saved.number),
            "validation_scores_": saved.optional(saved.listed(saved.number)),
            "best_validation_score_": saved.optional(saved.number),
            "n_iter_": saved.count,
            "t_": saved.count,
            **more,
        },
        {"feature_names_in_": saved.names("D")},
    )


@dataclass(eq=False, repr=False)
class Perceptron(NetworkToSklearn, Saved, BaseEstimator):
    """A network as an estimator; subclasses know about targets.

    They offer ``_losses``, ``_epoch`` (the type of an entry of ``history_``), ``_saved`` (what a
    file keeps), ``_targets(y, n, loss, goes_on, classes, partial)``, which gives the kernel's
    targets, their `Goal`, the number of outputs and a dict of attributes to set once the fit has
    ended, and ``_validation_targets``.
    """

    loss: str = field(kw_only=True)  # the first by position where a subclass allows that
    hidden_layer_sizes: int | Sequence[int] = (100,)
    activation: Activation | Sequence[Activation] = "relu"
    _: KW_ONLY
    solver: UpdateRule = "adam"
    alpha: float = 1e-4
    batch_size: int | Literal["auto", "full"] = "auto"
    learning_rate: LearningRate = "constant"
    learning_rate_init: float = 0.001
    power_t: float = 0.5
    step_size: int = 10
    step_factor: float = 0.1
    max_iter: int = 200
    shuffle: bool = True
    random_state: Any = None
    tol: float = 1e-4
    verbose: bool = False
    warm_start: bool = False
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    early_stopping: bool = False
    validation_fraction: float = 0.1
    n_iter_no_change: float = 10
    max_fun: int = 15_000
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    negative_slope: float = 0.1
    init: InitialCoefs = "auto"
    feature_scale: float = 1.0
    n_threads: int | None = None

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    _rule = None  # what `partial_fit` goes on with: the solver's state
    _rng = None

    @atomic
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        validation_data: tuple[ArrayLike, ArrayLike] | None = None,
        callback: Any = None,
    ) -> Self:
        """Train for up to ``max_iter`` epochs.

        Parameters
        ----------
        X : array-like or sparse matrix or array of shape (N, D)
            Features, read in the dtype they are stored in, whatever their strides, as
            `SoftmaxRegression.fit` reads them. The rows of a sparse X are made dense a few batches
            at a time; "lbfgs" and ``batch_size="full"``, whose batch is all rows, need memory for
            the dense X.
        y : array-like of shape (N,) or (N, K)
            Targets, see ``loss``.
        sample_weight : array-like of shape (N,), optional
            Weights of the rows, >= 0. A step divides by the sum of the weights of its rows.
        validation_data : (X, y), optional
            Rows whose loss and score are recorded in ``history_``; with ``early_stopping`` they are
            used in place of held-out rows of X.
        callback : callable, optional
            Called after every epoch with a `FitState`: its ``n_iter`` counts from 1, ``history`` is
            ``history_`` so far, ``loss`` and the other fields are those of the last epoch, and
            ``coefs`` and ``intercepts`` are copies. If it returns a true value, the fit ends.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            For input or parameters out of range, naming the argument. The estimator is then as
            it was before.
        FloatingPointError
            If the loss is no longer finite, naming epoch and step. The estimator then has the last
            finite weights.

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` epochs ended before the stopping rule was met.
        """
        return self._train(X, y, sample_weight, validation_data, callback)

    def _train(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        validation_data: Any = None,
        callback: Any = None,
        *,
        partial: bool = False,
        classes: ArrayLike | None = None,
    ) -> Self:
        check_networks.callback(callback)
        warm_starts = check.flag(self.warm_start, "warm_start")
        goes_on = hasattr(self, "coefs_") and (partial or warm_starts)
        loss = self._loss_of(y, goes_on)
        settings = Settings.of(self, loss)
        if settings.rule == "store":
            check_networks.nothing_for_lbfgs(partial, self.early_stopping)
        given, X = X, rows_of(
            X, n_features=self.n_features_in_ if goes_on else None, owner=type(self).__name__
        )  # fmt: skip
        if goes_on:
            check_features_of_fit(self, given, reset=False)
        targets, goal, n_outputs, learned = self._targets(
            y, len(X), loss, goes_on, classes, partial
        )
        dtype = self.coefs_[0].dtype if goes_on else computed_in(X.dtype)
        weights = check.weights(sample_weight, len(X), dtype)
        check.usable_sum(weights)
        if targets.ndim == 2:
            with np.errstate(over="ignore"):  # an infinite loss says what is wrong
                targets = targets.astype(dtype, copy=False)
        rows = TrainingRows(X, targets, weights)
        rng = self._generator(continues=partial and goes_on)
        order = np.arange(len(X), dtype=np.intp)
        validation = self._validation(validation_data, X.shape[1], n_outputs, loss, learned)
        if check.flag(self.early_stopping, "early_stopping") and validation is None:
            check_networks.no_early_stopping(partial)
            order, chosen = held_out(rows, settings.validation_fraction, rng)
            check_networks.weight_in_both_parts(weights, order, chosen)
            validation = rows.some(chosen)
        plan = self._plan(settings, len(order), callback, partial)
        network = settings.network(X.shape[1], n_outputs, dtype, check.threads(self.n_threads))
        if goes_on:
            self._start_from_previous(network)
        else:
            network.coefs = initial_coefs(
                settings.init, network.sizes, settings.activations, settings.slope, rng
            )
        rule = self._rule_for(network, settings, continues=partial and goes_on)
        record = self._record.continued(partial) if goes_on else Record()

        def keep(rule: Rule) -> None:
            check_features_of_fit(self, given, reset=not goes_on)
            self._settings, self._rule, self._rng, self._record = settings, rule, rng, record
            for name, value in learned.items():
                setattr(self, name, value)
            self._publish(network, settings)

        try:
            task = Task(network, rule, goal, rows, order, record, rng, validation)
            too_early = (train_full_batch if settings.rule == "store" else train)(task, plan)
        except DivergedError:  # what the rule remembers may not be finite
            keep(Rule(settings.rule, network, **settings.rule_numbers))
            raise
        keep(rule)
        if too_early and not partial:
            check_networks.warn_of_an_early_end(too_early, settings.rule == "store")
        return self

    def _generator(self, continues: bool) -> np.random.Generator:
        """Of the parameters, or the one before where a fit goes on by parts."""
        rng = self._rng if continues else None
        if rng is None:
            return check_networks.generator(self.random_state)
        # a generator that is given is the caller's
        return rng if rng is self.random_state else deepcopy(rng)

    def _rule_for(self, network: Network, settings: Settings, continues: bool) -> Rule:
        """A new rule, or the one before with its state where a fit goes on by parts."""
        rule = self._rule if continues else None
        if rule is None or rule.name != settings.rule:
            return Rule(settings.rule, network, **settings.rule_numbers)
        rule = rule.copy(network)
        rule.change(**settings.rule_numbers)
        return rule

    def _loss_of(self, y: ArrayLike, goes_on: bool) -> str:
        """The loss that is minimised."""
        return check.one_of(self.loss, self._losses, "loss")

    def _plan(self, settings: Settings, n_rows: int, callback: Any, partial: bool) -> Plan:
        return Plan(
            max_iter=1 if partial else settings.max_iter,
            batch_size=check_networks.batch_rows(self.batch_size, n_rows, clip=partial),
            schedule=settings.schedule,
            shuffle=check.flag(self.shuffle, "shuffle"),
            tol=settings.tol,
            n_iter_no_change=settings.n_iter_no_change,
            max_fun=check.integer(self.max_fun, "max_fun", least=1),
            early_stopping=bool(self.early_stopping),
            callback=callback,
            verbose=check.verbosity(self.verbose),
            kind=self._epoch,
        )

    def _start_from_previous(self, network: Network) -> None:
        previous = self.coefs_[0].shape[0], *(b.size for b in self.intercepts_)
        check_networks.not_other_layers(network.sizes, previous)
        network.coefs, network.intercepts = self.coefs_, self.intercepts_

    def _publish(self, network: Network, settings: Settings) -> None:
        record = self._record
        self.coefs_, self.intercepts_ = network.coefs, network.intercepts
        self.n_layers_, self.n_outputs_ = len(network.sizes), network.sizes[-1]
        self.out_activation_ = LOSSES[settings.loss].out_activation
        self.history_ = record.history
        self.loss_curve_ = [epoch.loss for epoch in record.history]
        self.loss_ = record.loss
        early = bool(self.early_stopping)
        self.best_loss_ = None if early else record.best_loss
        self.validation_scores_ = record.validation_scores if early else None
        self.best_validation_score_ = record.best_score if early else None
        self.n_iter_, self.t_ = record.epochs, record.rows_seen

    def _attributes_to_save(self) -> dict[str, Any]:
        return super()._attributes_to_save() | {"_of_the_fit": self._settings.of_the_fit()}

    def _restore(self, attributes: dict[str, Any]) -> None:
        of_the_fit = attributes.pop("_of_the_fit")
        loss = check.one_of(of_the_fit["loss"], self._losses, "loss")
        settings = Settings.of(type(self)(**of_the_fit), loss)
        saved.of_network(attributes, settings.hidden, LOSSES[settings.loss].out_activation)
        super()._restore(attributes)
        self._settings = settings
        self._record = Record(
            history=self.history_,
            validation_scores=list(self.validation_scores_ or []),
            best_loss=np.inf if self.best_loss_ is None else self.best_loss_,
            loss=self.loss_,
            best_score=(
                -np.inf if self.best_validation_score_ is None else self.best_validation_score_
            ),
            rows_seen=self.t_,
            epochs=self.n_iter_,
        )

    def _validation(
        self, data: Any, n_features: int, n_outputs: int, loss: str, learned: dict[str, Any]
    ) -> TrainingRows | None:
        if data is None:
            return None
        X, y = check_networks.pair(data)
        X = rows_of(X, n_features=n_features, argument="validation_data X")
        targets = self._validation_targets(y, len(X), loss, learned)
        if targets.ndim == 2:
            check_networks.as_many_columns(targets.shape[1], n_outputs, "validation_data y")
        return TrainingRows(X, targets)

    def _outputs(self, X: ArrayLike) -> NDArray:
        """Outputs (N, K) before the last activation."""
        (z,) = self._outputs_in_parts(X, most=np.inf)
        return z

    def _outputs_in_parts(
        self, X: ArrayLike, *, precise: bool = False, most: float = PART
    ) -> Iterator[NDArray]:
        """Those of some rows after others, of about so many bytes at a time.

        With `precise` in float64 unless X is of float32, whatever computes them.
        """
        require_fit(self, "coefs_")
        given, X = X, rows_of(
            X, n_features=self.n_features_in_, owner=type(self).__name__
        )  # fmt: skip
        check_features_of_fit(self, given, reset=False)
        dtype = self.coefs_[0].dtype
        network = self._settings.network(
            self.n_features_in_, self.n_outputs_, dtype, check.threads(self.n_threads)
        )
        network.coefs, network.intercepts = self.coefs_, self.intercepts_
        n, wide = len(X), precise and X.dtype != np.float32
        step = max(1, int(min(n, most // (self.n_outputs_ * dtype.itemsize))))
        for start in range(0, n, step):
            z = outputs(network, X if step == n else X[start : start + step])
            check_networks.finite_outputs(z, start)
            yield z.astype(np.float64, copy=False) if wide else z
