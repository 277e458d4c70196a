"""What is asked of PyTorch's tensors beyond what arrays are (part of `_validation`)."""

from typing import Any


def no_second_derivative(is_wanted: bool, name: str) -> None:
    """Raise where the backward pass should be differentiated."""
    if is_wanted:
        raise RuntimeError(
            f"{name}: expected a first derivative, got create_graph=True; "
            f"torch.nn.functional.{name} has second ones"
        )


def no_transform(name: str) -> RuntimeError:
    """The error of a call inside of a transform of functions."""
    return RuntimeError(
        f"{name}: expected a call outside of torch.func's transforms (grad, vmap, jacrev, …); "
        f"take torch.autograd.grad or backward(), or torch.nn.functional.{name} in there"
    )


def ignored_label(ignore_index: int, input: Any, target: Any) -> int | None:
    """The label of rows to leave out; None where targets are probabilities."""
    return None if target.shape == input.shape else ignore_index


def floating(input: Any) -> None:
    """Raise unless it is a tensor of a dtype in which a loss can be given."""
    is_floating = getattr(input, "is_floating_point", None)
    if is_floating is None:
        raise TypeError(f"input: expected a tensor, got {type(input).__name__}")
    if not is_floating():
        raise TypeError(
            f"input: expected a tensor of floating-point numbers, got {input.dtype}; .float() "
            "makes one"
        )


def linear_layer(input: tuple[int, ...], weight: tuple[int, ...]) -> None:
    """Raise unless these are shapes of rows, and of weights of several classes."""
    if len(input) != 2:
        raise ValueError(
            f"input: expected shape (rows, features), got {tuple(input)}; several axes of rows are "
            "input.flatten(0, -2) and target.flatten()"
        )
    if len(weight) != 2 or weight[0] < 2 or weight[1] != input[1]:
        raise ValueError(
            f"linear_weight: expected shape (classes >= 2, {input[1]}), got {tuple(weight)}"
        )
