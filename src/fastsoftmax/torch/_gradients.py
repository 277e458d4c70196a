"""Gradients that the forward pass computed, on their way back."""

import torch
from numpy.typing import ArrayLike

from fastsoftmax._validation import tensors as check


def tensor_of(values: ArrayLike, like: torch.Tensor) -> torch.Tensor:
    """Numbers as a tensor of a dtype, of the same memory where they are an array of that dtype."""
    return torch.as_tensor(values, dtype=like.dtype)


def times(gradient: torch.Tensor, by_loss: torch.Tensor, name: str) -> torch.Tensor:
    """A gradient of the loss called `name`, times what reaches the loss from above."""
    check.no_second_derivative(torch.is_grad_enabled(), name)
    if not by_loss.ndim and by_loss == 1:
        return gradient
    return gradient * by_loss
