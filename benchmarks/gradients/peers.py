"""One loss + gradient by fastsoftmax and by its peers, each as a function of no arguments.

A peer that is not installed raises ImportError from its maker. Every maker returns a call whose
result is (loss, gradient of W, gradient of X or None), as arrays.
"""

from fastsoftmax import linear_cross_entropy_value_and_grad
from fastsoftmax._commands import plain_numpy
from fastsoftmax._runtime.threads import available_threads


def fused(X, W, b, y, wants_X):
    wrt = ("W", "b", "X") if wants_X else ("W", "b")

    def call():
        loss, grads = linear_cross_entropy_value_and_grad(X, W, b, y, wrt=wrt)
        return loss, grads.W, grads.X

    return call


def numpy(X, W, b, y, wants_X):
    def call():
        loss, gradient, _ = plain_numpy.linear_cross_entropy_value_and_grad(X, W, b, y)
        return loss, gradient, None

    return call


def sklearn(X, W, b, y, wants_X):
    import numpy as np
    from sklearn._loss import HalfMultinomialLoss
    from sklearn.linear_model._linear_loss import LinearModelLoss

    k = len(W)
    loss = LinearModelLoss(base_loss=HalfMultinomialLoss(n_classes=k), fit_intercept=True)
    coef = np.asfortranarray(np.column_stack([W, b]))
    labels = y.astype(X.dtype)

    def call():
        value, gradient = loss.loss_gradient(coef, X, labels, n_threads=available_threads())
        return value, gradient.reshape(k, -1, order="F")[:, :-1], None

    return call


def torch(X, W, b, y, wants_X):
    import torch
    from torch.nn import functional

    torch.set_num_threads(available_threads())
    inputs, weights, bias = (torch.from_numpy(a).requires_grad_() for a in (X, W, b))
    inputs.requires_grad_(wants_X)
    labels = torch.from_numpy(y)

    def call():
        for leaf in (inputs, weights, bias):
            leaf.grad = None
        loss = functional.cross_entropy(functional.linear(inputs, weights, bias), labels)
        loss.backward()
        return loss.item(), weights.grad.numpy(), inputs.grad.numpy() if wants_X else None

    return call


PEERS = {"numpy": numpy, "scikit-learn": sklearn, "torch": torch, "fastsoftmax": fused}
