"""Cross-entropy of a linear layer's logits, which are never stored."""

from __future__ import annotations

from typing import Any

import torch

from fastsoftmax import functional
from fastsoftmax._runtime.typing import Reduced
from fastsoftmax._validation import tensors as check
from fastsoftmax.torch._gradients import as_autocast, no_transform, tensor_of, times


class _LinearCrossEntropy(torch.autograd.Function):
    """Loss and gradients come from one pass over the rows, in `forward`."""

    @staticmethod
    def forward(ctx, input, linear_weight, linear_bias, target, options) -> torch.Tensor:
        arguments = input, linear_weight, linear_bias
        needed = dict(zip(("X", "W", "b"), ctx.needs_input_grad[:3], strict=True))
        loss, grads = functional.linear_cross_entropy_value_and_grad(
            *(None if x is None else x.detach() for x in arguments), target,
            wrt=[name for name, is_needed in needed.items() if is_needed], **options,
        )  # fmt: skip
        ctx.save_for_backward(
            *(
                tensor_of(getattr(grads, name), like=x) if needed[name] else None
                for name, x in zip(needed, arguments, strict=True)
            )
        )
        return tensor_of(loss, input)

    @staticmethod
    def backward(ctx: Any, by_loss: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        grads = (
            None if gradient is None else times(gradient, by_loss, "linear_cross_entropy")
            for gradient in ctx.saved_tensors
        )
        return *grads, None, None


@torch.compiler.disable  # whose insides are not PyTorch's
def _apply(*arguments: Any) -> torch.Tensor:
    with no_transform("linear_cross_entropy"):
        return _LinearCrossEntropy.apply(*arguments)


def linear_cross_entropy(
    input: torch.Tensor,
    linear_weight: torch.Tensor,
    target: torch.Tensor,
    *,
    linear_bias: torch.Tensor | None = None,
    weight: torch.Tensor | None = None,
    reduction: Reduced = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """Cross-entropy of ``linear(input, linear_weight, linear_bias)``, whose logits are not stored.

    ``torch.nn.functional.linear_cross_entropy`` on the kernels of fastsoftmax, in the memory of the
    tensors: loss and gradients come from one pass over the rows, and memory beyond the gradients is
    at most 64 MB, whatever the numbers of rows and classes. For the loss of each row, use
    `cross_entropy` of the logits.

    Parameters
    ----------
    input : Tensor of shape (N, D)
        Features on the CPU, of float16, bfloat16, float32 or float64.
    linear_weight : Tensor of shape (C, D)
    target : Tensor of shape (N,) or (N, C)
        Class indices, or probabilities of every class.
    linear_bias : Tensor of shape (C,), optional
    weight : Tensor of shape (C,), optional
        Weights of the classes, >= 0.
    reduction : {"mean", "sum"}, default="mean"
    ignore_index : int, optional
        Rows with this label are left out; by default -100. It has no meaning for probabilities.
    label_smoothing : float, default=0.0
        ε of 0..1: the target is (1-ε) t + ε/C. The targets then take N·C numbers.

    Returns
    -------
    Tensor
        The loss, in the dtype of input, or in float32 under ``torch.autocast``. Autograd
        differentiates it once with respect to those of input, linear_weight and linear_bias that
        require grad; `target` and `weight` must not require it.

    Raises
    ------
    ValueError, TypeError
        As in `fastsoftmax.linear_cross_entropy_value_and_grad`; if there are fewer than two
        classes, or input does not hold floating-point numbers.
    RuntimeError
        In the backward pass, if it is to be differentiated again (``create_graph=True``), and under
        transforms of ``torch.func``.

    Examples
    --------
    >>> import torch
    >>> from fastsoftmax.torch import linear_cross_entropy
    >>> W = torch.zeros(4, 3, requires_grad=True)
    >>> loss = linear_cross_entropy(torch.eye(3), W, torch.tensor([0, 1, 3]))
    >>> loss.backward()
    >>> round(loss.item(), 4), W.grad.shape
    (1.3863, torch.Size([4, 3]))
    """
    check.floating(input)
    check.linear_layer(input.shape, linear_weight.shape)
    ignore_index = -100 if ignore_index is None else ignore_index
    options = {
        "class_weight": weight,
        "ignore_index": None if target.ndim == 2 else ignore_index,
        "reduction": reduction,
        "label_smoothing": label_smoothing,
    }
    arguments = (as_autocast(x) for x in (input, linear_weight, linear_bias))
    return _apply(*arguments, target, options)
