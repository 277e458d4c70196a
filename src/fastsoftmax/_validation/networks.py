"""What the user passes to a network, checked, with the promises of `_validation`."""

import numbers
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._runtime import caller
from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._runtime.atomic import DivergedError
from fastsoftmax._runtime.dtypes import COMPUTED_IN, name_of
from fastsoftmax._runtime.sklearn_compat import ConvergenceWarning, DataConversionWarning
from fastsoftmax._validation import check
from fastsoftmax._validation import targets as check_targets

MOST_UNITS = 2**31 - 1  # of a layer


def loss_not_sizes(value: object) -> None:
    """Raise for what is not a name, such as layer sizes by position."""
    if not isinstance(value, str):
        raise TypeError(
            f"loss: expected a name, got {check.shown(value)}; loss is the first parameter, as in "
            f"scikit-learn: hidden_layer_sizes={check.shown(value)}"
        )


def layer_sizes(value: object) -> tuple[int, ...]:
    """Units of the hidden layers."""
    sizes = (value,) if isinstance(value, numbers.Number) else value
    if isinstance(sizes, str) or not isinstance(sizes, Iterable):
        raise TypeError(
            "hidden_layer_sizes: expected an integer >= 1 or a sequence of them, got "
            f"{check.shown(value)}"
        )
    sizes = tuple(sizes)
    for size in sizes:
        if not isinstance(size, numbers.Integral) or isinstance(size, bool):
            raise TypeError(f"hidden_layer_sizes: expected integers >= 1, got {check.shown(value)}")
        if size < 1:
            raise ValueError(
                f"hidden_layer_sizes: expected integers >= 1, got {check.shown(value)}"
            )
        check.integer(size, "hidden_layer_sizes", least=1, most=MOST_UNITS)
    return tuple(int(size) for size in sizes)


def one_a_layer(value: object, n_hidden: int, known: Sequence[str]) -> list[str]:
    """Names of the activations of the hidden layers."""
    if isinstance(value, str):
        return [check.one_of(value, known, "activation")] * n_hidden
    if not isinstance(value, Iterable):
        raise TypeError(
            f"activation: expected a name or one for each layer, got {check.shown(value)}"
        )
    value = list(value)
    if len(value) != n_hidden:
        raise ValueError(
            f"activation: expected one name or {n_hidden}, one for each hidden layer, "
            f"got {len(value)}"
        )
    return [check.one_of(each, known, "activation") for each in value]


def of_network(
    X: NDArray,
    sizes: Sequence[int],
    targets: NDArray | None = None,
    sample_weight: NDArray | None = None,
    order: NDArray | None = None,
) -> None:
    """Check that the kernels read and write nothing but these arrays."""
    if X.ndim != 2 or X.shape[1] != sizes[0]:
        raise ValueError(f"X: expected shape (N, {sizes[0]}), got {X.shape}")
    if X.dtype not in COMPUTED_IN:
        raise TypeError(f"X: expected one of {', '.join(map(name_of, COMPUTED_IN))}, got {X.dtype}")
    if targets is None:
        return
    expected = (len(X),) if targets.ndim == 1 else (len(X), sizes[-1])
    if targets.shape != expected:
        raise ValueError(
            f"targets: expected shape ({len(X)},) or {(len(X), sizes[-1])}, got {targets.shape}"
        )
    if targets.ndim == 1 and len(X):
        _within(targets, sizes[-1], "targets", "labels")
    if sample_weight is not None and sample_weight.shape != (len(X),):
        raise ValueError(f"sample_weight: expected shape ({len(X)},), got {sample_weight.shape}")
    if order is not None and len(order):
        _within(order, len(X), "order", "row numbers")


def _within(numbers: NDArray, n: int, argument: str, what: str) -> None:
    if numbers.dtype.kind not in "iu":
        raise TypeError(f"{argument}: expected {what} as integers, got {numbers.dtype}")
    low, high = numbers.min(), numbers.max()
    if low < 0 or high >= n:
        raise ValueError(
            f"{argument}: expected {what} from 0 to {n - 1}, got {low if low < 0 else high}"
        )


def below_one(value: object, argument: str) -> float:
    """A number of [0, 1)."""
    value = check.number(value, argument, least=0.0)
    if value >= 1.0:
        raise ValueError(f"{argument}: expected a number < 1, got {check.shown(value)}")
    return value


def share(value: object, argument: str) -> float:
    """A number of (0, 1)."""
    value = below_one(value, argument)
    if value <= 0.0:
        raise ValueError(f"{argument}: expected a number > 0, got {check.shown(value)}")
    return value


def finite(value: object, argument: str, **limits: float) -> float:
    """A number within the limits, and finite."""
    value = check.number(value, argument, **limits)
    if not np.isfinite(value):
        raise ValueError(f"{argument}: expected a finite number, got {check.shown(value)}")
    return value


def rate(value: object, *, automatic: bool) -> float | None:
    """A learning rate > 0; None for "auto" where that may be."""
    if automatic and isinstance(value, str):
        check.one_of(value, ("auto",), "learning_rate_init")
        return None
    return finite(value, "learning_rate_init", above=0.0)


def a_rate_to_learn_with(rate: float, dtype: np.dtype) -> None:
    """Raise for a rate that follows from features so large that it is no number of the dtype."""
    if not rate >= np.finfo(dtype).tiny:
        raise ValueError(
            f"X: expected features whose squares {dtype} can hold, got larger ones: scale them"
        )


def too_large_a_rate(error: DivergedError, rate: float, most: float) -> DivergedError:
    """The error of a rule that diverged, with the largest rate for which it cannot."""
    return DivergedError(
        f"{error} With learning_rate_init up to {most:.3g} it cannot diverge, got {rate:.3g}; "
        "'auto' chooses one."
    )


def patience(value: object) -> float:
    """Epochs without progress that are borne: an integer, or infinity."""
    if isinstance(value, float) and value == np.inf:
        return value
    return check.integer(value, "n_iter_no_change", least=1)


def nothing_for_lbfgs(partial: bool, early_stopping: object) -> None:
    """Raise for what takes epochs of several steps."""
    if partial:
        raise ValueError("solver: expected another one for partial_fit, got 'lbfgs'")
    if early_stopping:
        raise ValueError("early_stopping: expected False with solver='lbfgs', got True")


def batch_rows(value: object, n_rows: int, *, clip: bool = False) -> int:
    """Rows of a batch, at most the n_rows that there are; with a warning unless `clip` says so."""
    if isinstance(value, str):
        check.one_of(value, ("auto", "full"), "batch_size")
        return min(200, n_rows) if value == "auto" else n_rows
    size = check.integer(value, "batch_size", least=1)
    if size > n_rows and not clip:
        caller.warn(
            f"batch_size: expected at most the {n_rows} rows that there are to train on, got "
            f"{check.shown(size)}, larger than sample size. It is going to be clipped",
            UserWarning,
        )
    return min(size, n_rows)


def generator(seed: object) -> np.random.Generator:
    """A generator from a seed, a generator, a RandomState, or None for one of its own."""
    if isinstance(seed, np.random.RandomState):
        return np.random.default_rng(seed.randint(2**31, size=4))
    if seed is None or isinstance(seed, np.random.Generator):
        return np.random.default_rng(seed)
    return np.random.default_rng(check.integer(seed, "random_state", least=0))


def rows(
    X: ArrayLike, *, n_features: int | None = None, owner: str = "", argument: str = "X"
) -> NDArray:
    """X as `features` gives it, all of it finite."""
    x = check.features(X, n_features=n_features, name=argument, owner=owner)
    if not check.is_finite(x):
        check.require_finite(x, argument)
    return x


def callback(value: object) -> None:
    """Raise unless value is None or can be called."""
    if value is not None and not callable(value):
        raise TypeError(
            f"callback: expected a function of the state or None, got {check.shown(value)}"
        )


def nothing_for_sgd(value: object, name: str) -> None:
    """Raise for what the online rule has no place for."""
    if value is not None:
        raise ValueError(f"{name}: expected None with solver='sgd', got an argument")


def table(
    y: ArrayLike, n: int, *, least: float = -np.inf, most: float = np.inf, argument: str = "y"
) -> NDArray:
    """Targets (n, K) of finite numbers within limits."""
    if sparse.issparse(y):
        raise TypeError(f"{argument}: expected a dense array, got a sparse {type(y).__name__}")
    if y is None:
        raise ValueError(
            f"{argument}: expected targets: fit requires y to be passed, but the target y is None"
        )
    y = check.real_array(y, argument)
    if y.ndim == 1:
        y = y[:, None]
    if y.ndim != 2 or len(y) != n:
        raise ValueError(
            f"{argument}: expected {n} rows of targets, one per row of X, got {y.shape}"
        )
    if y.shape[1] == 0:
        raise ValueError(f"{argument}: expected at least one column, got none")
    check.require_finite(y, argument)
    check.within(y, least, most, argument)
    return y


def not_other_layers(sizes: tuple[int, ...], previous: tuple[int, ...]) -> None:
    """Raise if a further fit has layers of other sizes."""
    if sizes != previous:
        raise ValueError(
            f"hidden_layer_sizes: expected layers of {previous} units, inputs and outputs counted, "
            f"as in the fit that this one goes on from, got {sizes}"
        )


def as_many_columns(columns: int, previous: int, argument: str) -> None:
    """Raise for a table of another width than the outputs that a network is, or was, fitted to."""
    if columns != previous:
        raise ValueError(
            f"{argument}: expected {previous} column{'s' * (previous > 1)} as in training, got "
            f"{columns}"
        )


def probabilities(y: NDArray, given: ArrayLike, argument: str) -> None:
    """Raise for a table, given as such, whose rows are not the probabilities of classes."""
    sums = y.sum(axis=1, dtype=np.float64)
    if (wrong := np.abs(sums - 1) > check_targets.most_beside_one(given)).any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"{argument}: expected probabilities that sum to 1, got a sum of {sums[row]:g} in row "
            f"{row}"
        )


def warn_of_a_matrix(y: NDArray, loss: str) -> None:
    """Warn of integers 0 and 1 that once meant one-hot rows, or still do."""
    message = "y: integers 0 and 1 in several columns mean several labels, as in scikit-learn; "
    if loss == "auto" and (y.sum(axis=1) == 1).all():
        message += "for one-hot rows give floating-point numbers"
    elif loss not in ("auto", "binary_cross_entropy"):
        message += f"they will do so with loss={loss!r}, too: for one-hot rows give floats"
    else:
        return
    caller.warn(message, FutureWarning)


def two_classes(classes: NDArray) -> None:
    if len(classes) != 2:  # in scikit-learn's wording, which its checks match
        raise ValueError(
            f"y: expected 2 classes, got {len(classes)}. Only binary classification is supported. "
            "The type of the target is multiclass."
        )


def warn_of_an_early_end(reason: str, is_lbfgs: bool) -> None:
    """Warn that training ended before its loss had settled."""
    name, raised = "Stochastic optimizer", "max_iter, tol or learning_rate_init"
    if is_lbfgs:
        name, raised = "lbfgs", "max_iter, max_fun or tol, or scale the features"
    caller.warn(
        f"{name}: {reason} without the loss's having settled. Increase {raised}.",
        ConvergenceWarning,
    )


def finite_outputs(z: NDArray, first: int) -> None:
    """Raise for the first row, of those of X from `first` on, whose outputs overflow."""
    finite = np.isfinite(z).all(axis=1)
    if not finite.all():
        row = first + int(np.argmin(finite))
        raise ValueError(
            f"X: expected rows whose outputs {z.dtype} can hold, got larger ones in row {row}; "
            "scale X, or train again if training diverged"
        )


def warn_of_column(y: ArrayLike) -> None:
    shape = getattr(y, "shape", ())  # of frames of polars, too, which have no ndim
    if len(shape) == 2 and shape[1] == 1:
        caller.warn(
            "A column-vector y was passed when a 1d array was expected: use y.ravel().",
            DataConversionWarning,
        )


def no_early_stopping(partial: bool) -> None:
    """Raise where an epoch at a time is asked for."""
    if partial:
        raise ValueError("early_stopping: expected False for partial_fit, got True")


def weight_in_both_parts(weights: NDArray | None, *parts: NDArray) -> None:
    """Raise where no row to train on, or none to validate by, has a weight."""
    if weights is not None and not all(weights[part].any() for part in parts):
        raise ValueError(
            "sample_weight: expected a positive weight among the rows to train on and among those "
            "held out for early_stopping, got zeros only in one of them"
        )


def has_probabilities(loss: str) -> None:
    """Raise, as an attribute that is not there, unless the outputs of a loss are probabilities."""
    if loss in ("mse", "mae"):
        raise AttributeError(
            f"predict_proba: expected loss 'cross_entropy' or 'binary_cross_entropy', got {loss!r}"
        )


def activation_of_sklearn(activations: Sequence[str]) -> str:
    """The one activation of all hidden layers, if scikit-learn's networks have it."""
    known = ("identity", "logistic", "tanh", "relu")
    kinds = sorted(set(activations)) or ["relu"]
    if len(kinds) > 1 or kinds[0] not in known:
        raise ValueError(
            f"to_sklearn: expected one activation for all hidden layers, of {', '.join(known)}, "
            f"got {', '.join(kinds)}"
        )
    return kinds[0]


def loss_of_sklearn(loss: str, several_labels: bool) -> None:
    """Raise unless scikit-learn's classifier has probabilities of this kind."""
    if loss != ("binary_cross_entropy" if several_labels else "cross_entropy"):
        raise ValueError(
            "to_sklearn: expected a classifier with loss 'cross_entropy', or of several labels per "
            f"row with 'binary_cross_entropy', got {loss!r}"
        )


def pair(value: object) -> tuple[ArrayLike, ArrayLike]:
    """validation_data as (X, y)."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise ValueError(f"validation_data: expected (X, y), got {type(value).__name__}")
    return value[0], value[1]
