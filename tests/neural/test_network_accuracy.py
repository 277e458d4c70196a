"""Accuracies reached by the lecture's recipes, beside those of scikit-learn and PyTorch.

Of each side several seeds; the means may differ by what the spread over the seeds allows.
"""

from itertools import pairwise

import numpy as np
import pytest
from sklearn import neural_network

from fastsoftmax import MLPClassifier
from fastsoftmax.datasets import load_digits, load_mnist

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def assert_same_spread(ours, theirs):
    """Means at most 4 standard errors of their difference apart, and 2 rows in 1000."""
    error = np.sqrt(np.var(ours, ddof=1) / len(ours) + np.var(theirs, ddof=1) / len(theirs))
    assert abs(np.mean(ours) - np.mean(theirs)) <= 4 * error + 0.002, (ours, theirs)


@pytest.mark.parametrize("hidden", [(10,), (30, 20)])
@pytest.mark.parametrize(
    ("activation", "params"),
    [
        ("relu", {"solver": "adam", "learning_rate_init": 0.01}),
        ("logistic", {"solver": "sgd", "learning_rate_init": 0.1}),
        ("tanh", {"solver": "sgd", "momentum": 0, "learning_rate_init": 0.1}),
    ],
)
def test_digits_as_scikit_learn(hidden, activation, params):
    X, y = load_digits()
    X = X / 16
    params = {"hidden_layer_sizes": hidden, "activation": activation, "batch_size": 32} | params
    params |= {"max_iter": 30, "tol": 0}

    def scores(kind):
        models = [kind(random_state=seed, **params).fit(X[:1000], y[:1000]) for seed in range(5)]
        return [model.score(X[1000:], y[1000:]) for model in models]

    assert_same_spread(scores(MLPClassifier), scores(neural_network.MLPClassifier))


@pytest.fixture(scope="module")
def mnist(data_folder):
    """The first 5000 rows to train on and 1000 to test on, pixels in 0..1."""
    data = load_mnist(data_folder / "mnist")
    arrays = [data.X_train[:5000], data.y_train[:5000], data.X_test[:1000], data.y_test[:1000]]
    return [a.astype(np.float32) / 255 if a.ndim > 1 else a.astype(np.int64) for a in arrays]


SEEDS = 5
RECIPE = {"rate": 0.1, "batch_size": 32, "epochs": 20}


@pytest.mark.parametrize(
    ("hidden", "activation"), [((), "relu"), ((10,), "relu"), ((10,), "logistic")]
)
def test_mnist_as_torch(hidden, activation, mnist):
    torch = pytest.importorskip("torch")
    X, y, X_test, y_test = mnist
    ours = [
        MLPClassifier(
            hidden, activation, solver="sgd", momentum=0, alpha=0, init="glorot", tol=0,
            learning_rate_init=RECIPE["rate"], batch_size=RECIPE["batch_size"],
            max_iter=RECIPE["epochs"], n_iter_no_change=100, random_state=seed,
        ).fit(X, y).score(X_test, y_test)
        for seed in range(SEEDS)
    ]  # fmt: skip
    theirs = [torch_score(torch, hidden, activation, mnist, seed) for seed in range(SEEDS)]
    assert min(ours) > 0.8
    assert_same_spread(ours, theirs)


def torch_score(torch, hidden, activation, mnist, seed):
    """Accuracy of the same recipe: Glorot's weights, zero biases, a new order each epoch."""
    torch.manual_seed(seed)
    X, y, X_test, y_test = (torch.from_numpy(a) for a in mnist)
    sizes, layers = [X.shape[1], *hidden, 10], []
    for n, m in pairwise(sizes):
        layers += [
            torch.nn.Linear(n, m),
            {"relu": torch.nn.ReLU, "logistic": torch.nn.Sigmoid}[activation](),
        ]
        torch.nn.init.xavier_uniform_(layers[-2].weight)
        torch.nn.init.zeros_(layers[-2].bias)
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.SGD(model.parameters(), lr=RECIPE["rate"])
    for _ in range(RECIPE["epochs"]):
        for rows in torch.randperm(len(X)).split(RECIPE["batch_size"]):
            loss = torch.nn.functional.cross_entropy(model(X[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return (model(X_test).argmax(1) == y_test).double().mean().item()
