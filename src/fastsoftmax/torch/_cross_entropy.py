"""Cross-entropy of logits, as a function that autograd differentiates."""

from __future__ import annotations

from typing import Any

import torch

from fastsoftmax import functional
from fastsoftmax._runtime.typing import Reduction
from fastsoftmax._validation import tensors as check
from fastsoftmax.torch._gradients import as_autocast, no_transform, tensor_of, times


class _CrossEntropy(torch.autograd.Function):
    """Loss and gradient come from one pass over the logits, in `forward`."""

    @staticmethod
    def forward(ctx, logits, target, options) -> torch.Tensor:
        ctx.axis = options["axis"]
        if not ctx.needs_input_grad[0]:
            return tensor_of(functional.cross_entropy(logits, target, **options), logits)
        loss, gradient = functional.cross_entropy_value_and_grad(logits.detach(), target, **options)
        ctx.save_for_backward(tensor_of(gradient, logits))
        return tensor_of(loss, logits)

    @staticmethod
    def backward(ctx: Any, by_loss: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        if by_loss.ndim:  # a number for each row
            by_loss = by_loss.unsqueeze(ctx.axis)
        return times(gradient, by_loss, "cross_entropy"), None, None


@torch.compiler.disable  # whose insides are not PyTorch's
def _apply(*arguments: Any) -> torch.Tensor:
    with no_transform("cross_entropy"):
        return _CrossEntropy.apply(*arguments)


def cross_entropy(
    input: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """Cross-entropy of logits; ``torch.nn.functional.cross_entropy`` on the kernels of fastsoftmax.

    Loss and gradient are computed in one pass over the logits, in the memory of the tensors.

    Parameters
    ----------
    input : Tensor of shape (C,), (N, C) or (N, C, d1, ...)
        Logits on the CPU, of float16, bfloat16, float32 or float64.
    target : Tensor of shape (), (N,) or (N, d1, ...), or of the shape of input
        Class indices, or probabilities of every class.
    weight : Tensor of shape (C,), optional
        Weights of the classes, >= 0.
    ignore_index : int, default=-100
        Rows with this label are left out. It has no meaning for probabilities.
    reduction : {"mean", "sum", "none"}, default="mean"
    label_smoothing : float, default=0.0
        ε of 0..1: the target is (1-ε) t + ε/C.

    Returns
    -------
    Tensor
        The loss, or one per row for "none", in the dtype of input, or in float32 under
        ``torch.autocast``, as in PyTorch. Autograd differentiates it once with respect to input;
        `target` and `weight` must not require grad.

    Raises
    ------
    ValueError, TypeError
        As in `fastsoftmax.cross_entropy`; if input does not hold floating-point numbers.
    RuntimeError
        In the backward pass, if it is to be differentiated again (``create_graph=True``), and under
        transforms of ``torch.func``.

    Examples
    --------
    >>> import torch
    >>> from fastsoftmax.torch import cross_entropy
    >>> logits = torch.zeros(2, 4, requires_grad=True)
    >>> loss = cross_entropy(logits, torch.tensor([0, 3]))
    >>> loss.backward()
    >>> logits.grad[0].tolist()
    [-0.375, 0.125, 0.125, 0.125]
    """
    check.floating(input)
    options = {
        "weight": weight,
        "axis": 1 if input.ndim > 1 else 0,
        "ignore_index": check.ignored_label(ignore_index, input, target),
        "reduction": reduction,
        "label_smoothing": label_smoothing,
    }
    return _apply(as_autocast(input), target, options)
