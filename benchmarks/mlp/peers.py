"""One epoch of training by fastsoftmax and by its peers, each as a function of the rows' order.

A maker takes a problem, the rows X, labels y and the parameters to start from, and returns
(epoch, how): `epoch(order)` makes one pass over the rows in that order, goes on from where the last
one ended and returns the mean loss of its steps; `how` is what the row of the report should know.
A peer that is not installed raises ImportError, one that lacks the rule NotImplementedError.
"""

import time
import warnings

import numpy as np

from fastsoftmax._commands.plain_numpy import PlainSgd
from fastsoftmax._neural import Network, Rule
from fastsoftmax._runtime.threads import available_threads


def plain(problem, X, y, coefs, intercepts):
    if problem.solver != "sgd":
        raise NotImplementedError("the baseline has plain gradient descent only")
    network = PlainSgd(coefs, intercepts, problem.batch_size, "relu")
    return lambda order: network.epoch(X, y, order, problem.rate), {}


def sklearn(problem, X, y, coefs, intercepts):
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        problem.hidden, "relu", solver=problem.solver, alpha=0.0, batch_size=problem.batch_size,
        learning_rate_init=problem.rate, momentum=0.0, nesterovs_momentum=False, shuffle=False,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.partial_fit(X[: problem.batch_size], y[: problem.batch_size], classes=range(10))
    for mine, given in zip([*model.coefs_, *model.intercepts_], [*coefs, *intercepts], strict=True):
        mine[...] = given
    del model._optimizer  # as if it had made no step

    def epoch(order):
        model.partial_fit(X[order], y[order])
        return model.loss_

    return epoch, {}


def torch_by(**fused):
    """The loop that users write, on as many threads as found or on one, whichever is faster."""

    def make(problem, X, y, coefs, intercepts):
        import torch
        from torch import nn

        if fused and problem.solver == "sgd":
            raise NotImplementedError("no faster than the other")

        inputs, labels = torch.from_numpy(X), torch.from_numpy(y)
        kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}

        def new():
            layers = []
            for W, b in zip(coefs, intercepts, strict=True):
                layers += [nn.Linear(*W.shape), nn.ReLU()]
                with torch.no_grad():
                    layers[-2].weight.copy_(torch.from_numpy(W.T))
                    layers[-2].bias.copy_(torch.from_numpy(b))
            model = nn.Sequential(*layers[:-1])
            loss_function = nn.CrossEntropyLoss()
            optimizer = kinds[problem.solver](model.parameters(), lr=problem.rate, **fused)

            def epoch(order):
                total = 0.0
                for rows in torch.from_numpy(order).split(problem.batch_size):
                    loss = loss_function(model(inputs[rows]), labels[rows])
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(rows)
                return total / len(order)

            return epoch

        seconds = {}
        order = torch.arange(min(len(X), 500 * problem.batch_size)).numpy()
        for threads in {1, available_threads()}:
            torch.set_num_threads(threads)
            epoch = new()
            epoch(order)
            start = time.perf_counter()
            epoch(order)
            seconds[threads] = time.perf_counter() - start
        threads = min(seconds, key=seconds.get)
        torch.set_num_threads(threads)
        return new(), {"threads": threads}

    return make


def fused(problem, X, y, coefs, intercepts):
    network = Network(
        problem.sizes, ["relu"] * len(problem.hidden), "cross_entropy", dtype=X.dtype,
        n_threads=available_threads(),
    )  # fmt: skip
    network.coefs, network.intercepts = coefs, intercepts
    rule, labels = Rule(problem.solver, network), y.astype(np.int32)

    def epoch(order):
        return network.epoch(X, labels, order, problem.batch_size, rule, problem.rate).loss

    return epoch, {}


PEERS = {
    "numpy": plain,
    "scikit-learn": sklearn,
    "torch": torch_by(),
    "torch, fused rule": torch_by(fused=True),
    "fastsoftmax": fused,
}
