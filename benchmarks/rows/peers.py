"""Softmax, log-sum-exp and cross-entropy of rows, by fastsoftmax and by its peers.

Each maker returns a function of no arguments and leaves its import error to the caller. Where a
peer can write into an array that is there already, it does, but for those named `(new)`.
"""

import numpy as np

import fastsoftmax
from fastsoftmax._commands import plain_numpy
from fastsoftmax._runtime.threads import available_threads


def softmax_numpy(x, y):
    return lambda: plain_numpy.softmax(x)


def softmax_scipy(x, y):
    from scipy.special import softmax

    return lambda: softmax(x, axis=1)


def torch_with_threads():
    import torch

    torch.set_num_threads(available_threads())
    return torch


def softmax_torch(x, y):
    torch = torch_with_threads()
    z, out = torch.from_numpy(x), torch.from_numpy(np.empty_like(x))
    return lambda: torch.softmax(z, 1, out=out).numpy()


def softmax_torch_new(x, y):
    torch = torch_with_threads()
    z = torch.from_numpy(x)
    return lambda: torch.softmax(z, 1).numpy()


def softmax_fused(x, y):
    out = np.empty_like(x)
    return lambda: fastsoftmax.softmax(x, out=out)


def softmax_fused_new(x, y):
    return lambda: fastsoftmax.softmax(x)


def logsumexp_scipy(x, y):
    from scipy.special import logsumexp

    return lambda: logsumexp(x, axis=1)


def logsumexp_torch(x, y):
    torch = torch_with_threads()
    z = torch.from_numpy(x)
    return lambda: torch.logsumexp(z, 1).numpy()


def logsumexp_fused(x, y):
    return lambda: fastsoftmax.logsumexp(x)


def cross_entropy_torch(x, y):
    torch = torch_with_threads()
    z, labels = torch.from_numpy(x).requires_grad_(), torch.from_numpy(y)

    def call():
        z.grad = None
        torch.nn.functional.cross_entropy(z, labels).backward()
        return z.grad.numpy()

    return call


def cross_entropy_fused(x, y):
    out = np.empty_like(x)
    return lambda: fastsoftmax.cross_entropy_value_and_grad(x, y, out=out)[1]


def copy_numpy(x, y):
    out = np.empty_like(x)

    def call():
        np.copyto(out, x)
        return out

    return call


PEERS = {
    "softmax": {
        "copy": copy_numpy,
        "numpy": softmax_numpy,
        "scipy": softmax_scipy,
        "torch": softmax_torch,
        "torch (new)": softmax_torch_new,
        "fastsoftmax": softmax_fused,
        "fastsoftmax (new)": softmax_fused_new,
    },
    "logsumexp": {
        "scipy": logsumexp_scipy,
        "torch": logsumexp_torch,
        "fastsoftmax": logsumexp_fused,
    },
    "cross_entropy_value_and_grad": {
        "torch": cross_entropy_torch,
        "fastsoftmax": cross_entropy_fused,
    },
}
