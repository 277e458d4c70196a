"""Estimators that are replaced whole: fits that end in one assignment, methods that read one fit.

Attributes whose names begin or end with an underscore are of the fit; the others, parameters and
what users set, are of the object. A fit works on a draft, a copy of the estimator, and what that
holds of the fit takes the place of what there was by one assignment to ``__dict__``. Whatever ends
the fit before, an interrupt at any instruction included, leaves the estimator as it was. A method
that reads several attributes reads them from a snapshot, which no fit of another thread changes.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


class DivergedError(FloatingPointError):
    """A fit ended with numbers that are not finite; its draft has the last ones that are."""


def atomic(fit: Method) -> Method:
    """Make a method that fits: what it sets is published once it returns, or diverges."""

    @wraps(fit)
    def fit_draft(estimator: Any, *args: Any, **kwargs: Any) -> Any:
        draft = with_attributes(type(estimator), dict(vars(estimator)))
        try:
            fit(draft, *args, **kwargs)
        except DivergedError:
            publish(draft, estimator)
            raise
        publish(draft, estimator)
        return estimator

    return fit_draft  # type: ignore[return-value]


def publish(draft: Any, estimator: Any) -> None:
    """Let the fit of the draft be that of the estimator."""
    own, fitted = dict(vars(estimator)), vars(draft)
    own = {name: own[name] for name in own if name[0] != "_" != name[-1]}
    fitted = {name: fitted[name] for name in fitted if name[0] == "_" or name[-1] == "_"}
    estimator.__dict__ = own | fitted


def of_one_fit(method: Method) -> Method:
    """Make a method that reads attributes of one fit only, whatever other threads fit meanwhile."""

    @wraps(method)
    def read_snapshot(estimator: Any, *args: Any, **kwargs: Any) -> Any:
        return method(with_attributes(type(estimator), vars(estimator)), *args, **kwargs)

    return read_snapshot  # type: ignore[return-value]


def with_attributes(kind: type, attributes: dict[str, Any]) -> Any:
    """An object of this kind with this very ``__dict__``."""
    new = object.__new__(kind)
    new.__dict__ = attributes
    return new
