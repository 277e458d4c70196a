"""The losses of `fastsoftmax.torch` and PyTorch's own, forward and backward.

Each maker takes arrays and returns a function of no arguments, whose result is the loss and the
gradients as arrays, those of leaves that require grad. It leaves its import error to the caller.
"""

import numpy as np

from fastsoftmax._runtime.threads import available_threads


def _torch():
    import torch

    torch.set_num_threads(available_threads())
    return torch


def _both(leaves, loss_of):
    def call():
        for leaf in leaves:
            leaf.grad = None
        loss = loss_of()
        loss.backward()
        return loss.item(), [leaf.grad.numpy() for leaf in leaves]

    return call


def _forward(torch, loss_of):
    def call():
        with torch.no_grad():
            return loss_of().item(), []

    return call


def _logits(function, torch, arrays, backward):
    z, y = (torch.from_numpy(a) for a in arrays)
    z = z.requires_grad_(backward)

    def loss():
        return function(z, y)

    return _both([z], loss) if backward else _forward(torch, loss)


def _layer(function, torch, arrays, backward):
    X, W, b, y = (torch.from_numpy(a) for a in arrays)
    leaves = [a.requires_grad_(backward) for a in (X, W, b)]

    def loss():
        return function(X, W, y, linear_bias=b)

    return _both(leaves, loss) if backward else _forward(torch, loss)


def logits_torch(arrays, backward):
    torch = _torch()
    return _logits(torch.nn.functional.cross_entropy, torch, arrays, backward)


def logits_fused(arrays, backward):
    torch = _torch()
    from fastsoftmax.torch import cross_entropy

    return _logits(cross_entropy, torch, arrays, backward)


def layer_torch(arrays, backward):
    torch = _torch()
    return _layer(torch.nn.functional.linear_cross_entropy, torch, arrays, backward)


def layer_torch_chunked(arrays, backward):
    torch = _torch()
    functional = torch.nn.functional
    options = torch.nn.LinearCrossEntropyOptions()

    def chunked(*args, **rest):
        return functional.linear_cross_entropy(*args, options=options, **rest)

    return _layer(chunked, torch, arrays, backward)


def layer_fused(arrays, backward):
    torch = _torch()
    from fastsoftmax.torch import linear_cross_entropy

    return _layer(linear_cross_entropy, torch, arrays, backward)


PEERS = {
    "cross_entropy": {"torch": logits_torch, "fastsoftmax.torch": logits_fused},
    "linear_cross_entropy": {
        "torch": layer_torch,
        "torch, in chunks": layer_torch_chunked,
        "fastsoftmax.torch": layer_fused,
    },
}


def problem(function, *shape):
    """Logits (n, K) and labels, or rows (n, d), weights, intercepts and labels; float32."""
    random = np.random.default_rng(0)
    if function == "cross_entropy":
        n, k = shape
        return random.standard_normal((n, k), dtype=np.float32), random.integers(0, k, n)
    n, d, k = shape
    X = random.standard_normal((n, d), dtype=np.float32)
    W = random.standard_normal((k, d), dtype=np.float32) / np.float32(np.sqrt(d))
    return X, W, random.standard_normal(k, dtype=np.float32), random.integers(0, k, n)
