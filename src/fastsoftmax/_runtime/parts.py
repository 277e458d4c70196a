"""Rows in parts, and methods that take rows in any form: at once, in parts, or computed later."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np

from fastsoftmax._runtime.atomic import with_attributes
from fastsoftmax._runtime.collections import is_collection, later

Method = TypeVar("Method", bound=Callable[..., Any])
Part = tuple[Any, Any, Any]  # X, y, and weights or None


class Parts:
    """Rows, with their labels and weights, that are at hand a part at a time."""

    def _each(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        """``function(part, *args)`` of each `Part` that has rows, in order."""
        raise NotImplementedError


def by_rows(method: Method) -> Method:
    """Let a method of rows take them in parts too, and joins what it makes of each."""

    @wraps(method)
    def of_rows(model: Any, X: Any, *args: Any, **kwargs: Any) -> Any:
        if is_collection(X):
            return later(method, model, X, *args, **kwargs)
        if isinstance(X, Parts):
            fitted = with_attributes(type(model), vars(model))  # which no fit changes meanwhile
            return joined(X._each(of_part, fitted, method.__name__, args, kwargs))
        return method(model, X, *args, **kwargs)

    return cast(Method, of_rows)


def of_part(
    part: Part, model: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """What a method, known by its name on every worker, makes of a part."""
    return getattr(model, name)(part[0], *args, **kwargs)


def joined(results: list[Any]) -> Any:
    """Arrays of parts as one of all rows; of tuples of arrays each."""
    if len(results) == 1:
        return results[0]
    if isinstance(results[0], tuple):
        return tuple(map(np.concatenate, zip(*results, strict=True)))
    return np.concatenate(results)
