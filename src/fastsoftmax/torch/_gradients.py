"""Gradients that the forward pass computed, on their way back."""

from __future__ import annotations  # PyTorch is a mock where the site is built

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from numpy.typing import ArrayLike

from fastsoftmax._validation import tensors as check


def as_autocast(x: torch.Tensor | None) -> torch.Tensor | None:
    """x in float32 under autocast, in which PyTorch computes losses; float64 as it is."""
    narrow = x is not None and x.is_floating_point() and x.dtype != torch.float64
    return x.float() if narrow and torch.is_autocast_enabled("cpu") else x


@contextmanager
def no_transform(name: str) -> Iterator[None]:
    """Say in our words that a function of autograd has no rules for `torch.func`."""
    try:
        yield
    except RuntimeError as error:
        if "setup_context" not in str(error):
            raise
        raise check.no_transform(name) from error


def tensor_of(values: ArrayLike, like: torch.Tensor) -> torch.Tensor:
    """Numbers as a tensor of a dtype, of the same memory where they are an array of that dtype."""
    return torch.as_tensor(values, dtype=like.dtype)


def times(gradient: torch.Tensor, by_loss: torch.Tensor, name: str) -> torch.Tensor:
    """A gradient of the loss called `name`, times what reaches the loss from above."""
    check.no_second_derivative(torch.is_grad_enabled(), name)
    if not by_loss.ndim and by_loss == 1:
        return gradient
    return gradient * by_loss
