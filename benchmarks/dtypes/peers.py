"""Loss + gradient and fits on X as it is stored: fastsoftmax, and peers, who convert it first.

Every maker returns a function of no arguments; that of a gradient gives (loss, gradient of W).
"""

import numpy as np

from benchmarks.gradients import peers as gradients
from fastsoftmax import SoftmaxRegression


def fastsoftmax(X, W, b, y):
    call = gradients.fused(X, W, b, y, False)
    return lambda: call()[:2]


def numpy(X, W, b, y):
    return lambda: gradients.numpy(X.astype(np.float32), W, b, y, False)()[:2]


def torch(X, W, b, y):
    """The tensor is there already; its conversion is part of the call."""
    import torch

    bits = X.view(np.int16) if X.dtype.name == "bfloat16" else X
    tensor = torch.from_numpy(bits)
    if bits is not X:
        tensor = tensor.view(torch.bfloat16)
    weights, bias = (torch.from_numpy(a).requires_grad_() for a in (W, b))
    labels = torch.from_numpy(y)

    def call():
        weights.grad = bias.grad = None
        logits = torch.nn.functional.linear(tensor.float(), weights, bias)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        loss.backward()
        return loss.item(), weights.grad.numpy()

    return call


GRADIENTS = {"numpy": numpy, "torch": torch, "fastsoftmax": fastsoftmax}


def as_stored(fit):
    model = SoftmaxRegression(feature_scale=fit.feature_scale)
    return lambda: model.fit(fit.X, fit.y)


def as_float32(fit):
    model = SoftmaxRegression()
    return lambda: model.fit(fit.single, fit.y)


FITS = {"float32": as_float32, "as stored": as_stored}
