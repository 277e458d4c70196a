"""Time of one training step beside plain NumPy, and beside PyTorch where it is installed."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._commands.lecture_experiments import NETWORKS, Data
from fastsoftmax._commands.plain_numpy import PlainSgd
from fastsoftmax._commands.timing import in_turns
from fastsoftmax._neural import Network, Rule
from fastsoftmax._runtime.threads import available_threads

STEPS = 500  # of an epoch that is timed, at most
RATE = 1e-3  # small, so that rounding does not grow over the steps; the time is the same
TOLERANCE = 1e-3  # between the mean losses of an epoch from the same start, float32

Epoch = Callable[[], float]


def seconds_a_step(data: Data) -> dict[str, dict[str, float]]:
    """For each network of the notes the seconds of NumPy, PyTorch if there, and fastsoftmax."""
    classes, y = np.unique(data.y, return_inverse=True)
    return {
        name: _measured(data.X, y, (data.n_features, *hidden, len(classes)), batch_size)
        for name, (hidden, batch_size) in NETWORKS.items()
    }


def _measured(X: NDArray, y: NDArray, sizes: Sequence[int], batch_size: int) -> dict[str, float]:
    """Seconds a step of each way, whose losses are compared first."""
    random = np.random.default_rng(0)
    batch_size = min(batch_size, len(X))
    order = random.permutation(len(X))[: STEPS * batch_size]
    coefs = [
        (random.standard_normal(pair) / np.sqrt(pair[0])).astype(X.dtype)
        for pair in pairwise(sizes)
    ]
    start = coefs, [np.zeros(n, X.dtype) for n in sizes[1:]]
    ways = {"NumPy": _numpy(X, y, *start, batch_size, order)}
    if find_spec("torch") is not None:
        ways["PyTorch"] = _torch(X, y, *start, batch_size, order)
    ways["fastsoftmax"] = _fused(X, y, *start, batch_size, order)
    losses = {name: epoch() for name, epoch in ways.items()}
    for name, loss in losses.items():
        if not abs(loss / losses["NumPy"] - 1) <= TOLERANCE:
            raise AssertionError(f"{name} has the loss {loss:g}, NumPy {losses['NumPy']:g}")
    n_steps = -(-len(order) // batch_size)
    return {name: each.median / n_steps for name, each in in_turns(ways, seconds=0.0).items()}


def _numpy(X, y, coefs, intercepts, batch_size, order) -> Epoch:
    network = PlainSgd(coefs, intercepts, batch_size)
    return lambda: network.epoch(X, y, order, RATE)


def _fused(X, y, coefs, intercepts, batch_size, order) -> Epoch:
    sizes = [X.shape[1], *map(len, intercepts)]
    network = Network(
        sizes, ["relu"] * (len(sizes) - 2), "cross_entropy", dtype=X.dtype,
        n_threads=available_threads(),
    )  # fmt: skip
    network.coefs, network.intercepts = coefs, intercepts
    rule, labels = Rule("sgd", network), y.astype(np.int32)
    return lambda: network.epoch(X, labels, order, batch_size, rule, RATE).loss


def _torch(X, y, coefs, intercepts, batch_size, order) -> Epoch:
    """The eager loop that users write, on one thread: steps are too small for more."""
    import torch

    inputs, labels = torch.from_numpy(X), torch.from_numpy(y)
    layers = []
    for W, b in zip(coefs, intercepts, strict=True):
        layers += [torch.nn.Linear(*W.shape), torch.nn.ReLU()]
        with torch.no_grad():
            layers[-2].weight.copy_(torch.from_numpy(np.ascontiguousarray(W.T)))
            layers[-2].bias.copy_(torch.from_numpy(b))
    model = torch.nn.Sequential(*layers[:-1])
    loss_function = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    batches = torch.from_numpy(order).split(batch_size)

    def epoch() -> float:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        total = 0.0
        for rows in batches:
            loss = loss_function(model(inputs[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        torch.set_num_threads(threads)
        return total / len(order)

    return epoch
