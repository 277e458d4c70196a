"""Softmax, cross-entropy and their kin: arrays in, arrays out."""

from fastsoftmax.functional._cross_entropy import (
    cross_entropy,
    cross_entropy_value_and_grad,
    nll_loss,
)
from fastsoftmax.functional._elementwise import (
    binary_cross_entropy,
    log_sigmoid,
    logit,
    mae,
    mse,
    one_hot,
    sigmoid,
)
from fastsoftmax.functional._linear import linear_cross_entropy, linear_cross_entropy_value_and_grad
from fastsoftmax.functional._softmax import log_softmax, logsumexp, softmax, softmax_vjp

__all__ = [
    "binary_cross_entropy",
    "cross_entropy",
    "cross_entropy_value_and_grad",
    "linear_cross_entropy",
    "linear_cross_entropy_value_and_grad",
    "log_sigmoid",
    "log_softmax",
    "logit",
    "logsumexp",
    "mae",
    "mse",
    "nll_loss",
    "one_hot",
    "sigmoid",
    "softmax",
    "softmax_vjp",
]
