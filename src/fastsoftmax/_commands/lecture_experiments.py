"""The experiments of the lecture notes: networks, rules, single neurons and losses compared."""

import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastsoftmax import datasets, functional
from fastsoftmax._commands import demo
from fastsoftmax._linear import LogisticRegression, SoftmaxRegression
from fastsoftmax._neural import Adaline, Epoch, MLPClassifier
from fastsoftmax._runtime.sklearn_compat import ConvergenceWarning

N_TRAIN, N_TEST = 5000, 1000  # of MNIST, as in the notes
EPOCHS, RATE, BATCH = 50, 0.1, 32

# hidden layers and batch size of each network in the notes
NETWORKS = {"l1_b32": ((), 32), "l1_b1": ((), 1), "l2_b32": ((10,), 32), "l2_b1": ((10,), 1)}

# The notes give a rate for SGD only. Momentum's comes to the same, 0.01 / (1 - 0.9).
RULES = {
    "SGD": ("sgd", 0.1),
    "momentum": ("momentum", 0.01),
    "Adagrad": ("adagrad", 0.01),
    "RMSprop": ("rmsprop", 0.001),
    "Adam": ("adam", 0.001),
}
SOLVERS = {
    "batch gradient descent": "gd",
    "L-BFGS": "lbfgs",
    "preconditioned L-BFGS": "preconditioned-lbfgs",
}
DESCENT_STEPS = 300
SIGMOIDS = "one sigmoid per class"


@dataclass(frozen=True)
class Data:
    """Images as rows of pixels from 0 to 1, float32, and their labels."""

    name: str
    X: NDArray
    y: NDArray
    X_test: NDArray
    y_test: NDArray

    @property
    def n_features(self) -> int:
        return self.X.shape[1]


def read(mnist: str | None) -> Data:
    """The first 5000 and 1000 images of MNIST's files; without a folder the embedded digits."""
    if mnist is None:
        return Data("the embedded 8×8 digits", *demo.digits())
    X, y, X_test, y_test = datasets.load_mnist(mnist)
    scale = np.float32(255)
    return Data(
        f"the files in {Path(mnist).resolve().name}/",
        X[:N_TRAIN] / scale, y[:N_TRAIN], X_test[:N_TEST] / scale, y_test[:N_TEST],
    )  # fmt: skip


def trained(
    data: Data,
    hidden: tuple[int, ...] = (),
    batch_size: int = BATCH,
    *,
    solver: str = "sgd",
    rate: float = RATE,
    loss: str = "cross_entropy",
) -> MLPClassifier:
    """A network after all epochs, its history with loss and accuracy of the test images."""
    model = MLPClassifier(
        hidden, "relu", loss=loss, solver=solver, momentum=0.9 if solver == "momentum" else 0.0,
        alpha=0.0, batch_size=min(batch_size, len(data.X)), learning_rate_init=rate,
        max_iter=EPOCHS, n_iter_no_change=EPOCHS, random_state=0,
    )  # fmt: skip
    return model.fit(
        data.X,
        data.y,
        validation_data=(data.X_test, data.y_test),
        callback=lambda state: state.n_iter == EPOCHS,
    )


def n_parameters(model: MLPClassifier) -> int:
    return sum(a.size for a in [*model.coefs_, *model.intercepts_])


def silent_units(model: MLPClassifier, X: NDArray) -> int:
    """Hidden units of the first layer that are 0 for every row, so that no gradient moves them."""
    z = X @ model.coefs_[0] + model.intercepts_[0]
    return int((z.max(axis=0) <= 0).sum())


def networks(data: Data) -> dict[str, MLPClassifier]:
    """Learning behaviour of one and two layers, batches of 32 and of 1."""
    return {name: trained(data, *how) for name, how in NETWORKS.items()}


def rules(data: Data) -> dict[str, MLPClassifier]:
    """One layer, batch 32, by each rule."""
    return {name: trained(data, solver=rule, rate=rate) for name, (rule, rate) in RULES.items()}


@dataclass(frozen=True)
class Neurons:
    """ADALINE and logistic regression on two classes, by the same rule at the same rate."""

    pair: tuple[int, int]
    rate: float
    n_rows: int
    n_test: int
    models: dict[str, Adaline | LogisticRegression]
    histories: dict[str, list[Epoch]]  # validation_accuracy: of the test images


def neurons(data: Data) -> Neurons:
    """Images of 3 and of 8, which are alike; of the first two classes where there are no such."""
    classes = np.unique(data.y)
    pair = (3, 8) if {3, 8} <= set(classes.tolist()) else tuple(classes[:2].tolist())
    rows, tests = np.isin(data.y, pair), np.isin(data.y_test, pair)
    X, y, X_test, y_test = data.X[rows], data.y[rows], data.X_test[tests], data.y_test[tests]
    if not len(y_test):
        raise ValueError(f"expected test images of the classes {pair[0]} and {pair[1]}, got none")
    # a step of ADALINE takes this much of the error away, on average
    rate = 0.1 / (float(np.einsum("ij,ij->i", X, X).mean()) or 1.0)
    models, histories = {}, {}
    for name, kind, threshold in (
        ("ADALINE", Adaline, 0.5),
        ("logistic regression", partial(LogisticRegression, solver="sgd"), 0.0),
    ):
        right: list[float] = []

        def note(state, threshold=threshold, right=right) -> None:
            z = X_test @ state.coefs[0][:, 0] + state.intercepts[0]
            right.append(float(((z > threshold) == (y_test == max(pair))).mean()))

        model = kind(learning_rate_init=rate, max_iter=EPOCHS, random_state=0)
        models[name] = model.fit(X, y, callback=note)
        histories[name] = [
            epoch._replace(validation_accuracy=share)
            for epoch, share in zip(model.history_, right, strict=True)
        ]
    return Neurons(pair, rate, len(X), len(X_test), models, histories)


@dataclass(frozen=True)
class Outputs:
    """One sigmoid per class, trained as ten yes-or-no questions, against softmax."""

    models: dict[str, MLPClassifier]
    sums: dict[str, NDArray]  # of the outputs of each test image
    fired: dict[str, NDArray]  # how many of them are above ½


def outputs(data: Data, softmax: MLPClassifier) -> Outputs:
    """One layer, batch 32; the softmax network is one that is there already."""
    models = {
        "softmax": softmax,
        SIGMOIDS: trained(data, loss="binary_cross_entropy"),
    }
    # as they come: `predict_proba` makes those of a label sum to 1
    activations = {"softmax": functional.softmax, SIGMOIDS: functional.sigmoid}
    chances = {
        name: activations[name](data.X_test @ model.coefs_[0] + model.intercepts_[0])
        for name, model in models.items()
    }
    return Outputs(
        models,
        {name: a.sum(axis=1, dtype=np.float64) for name, a in chances.items()},
        {name: (a > 0.5).sum(axis=1) for name, a in chances.items()},
    )


@dataclass(frozen=True)
class Solved:
    """Softmax regression with C = 1, to its optimum by some solvers."""

    models: dict[str, SoftmaxRegression]
    optimum: float


def solved(data: Data) -> Solved:
    """Batch gradient descent and what came after it, and the optimum to measure them by."""
    models = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # descent does not get there
        for name, solver in SOLVERS.items():
            steps = DESCENT_STEPS if solver == "gd" else 1000
            models[name] = SoftmaxRegression(solver=solver, max_iter=steps).fit(data.X, data.y)
        exact = SoftmaxRegression(tol=1e-12).fit(data.X.astype(np.float64), data.y)
    return Solved(models, exact.objective_)
