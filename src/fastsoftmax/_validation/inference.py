"""Why there are no standard errors (part of `_validation`)."""

from collections.abc import Sequence, Sized
from typing import Never

from fastsoftmax._validation import numbers as check

MOST = 6  # names that a message gives


class NoInference(ValueError, AttributeError):
    """There are no standard errors of this fit; so that `hasattr` is False."""


def refuse(reason: str) -> Never:
    raise NoInference(f"inference: {reason}")


NOT_OF_A_FIT = (
    "expected a model as fit leaves it, got one that was trained by partial_fit or loaded without "
    "what fit knew of the likelihood; call fit again"
)
NO_REFERENCE = (
    "expected a fit with reference_class, one of the classes, got None: the likelihood knows "
    "differences between classes only, so that no class has standard errors of its own"
)
NOT_CONVERGED = (
    "expected a fit that has converged, got one that ended before its maximum; increase max_iter"
)
CLASS_WEIGHTS = (
    "expected a fit without class_weight, got one: sample_weight counts as frequencies, which "
    "weights of classes are not"
)


def penalised(C: float) -> str:
    return (
        f"expected a fit without penalty (C=np.inf), got C={C:g}: a penalty draws coefficients "
        "towards 0, and how far is nothing that standard errors tell"
    )


def smoothed(share: float) -> str:
    return (
        f"expected a fit to the targets as they are, got label_smoothing={share:g}: its "
        "coefficients do not maximise the likelihood"
    )


def too_many(count: int, most: int) -> str:
    return f"expected at most {most} coefficients, got {count}, whose covariance is not kept"


def constant(names: Sequence[str]) -> str:
    return (
        f"expected features that vary, got {listed(names)} constant (beside the intercept, or "
        "0): their coefficients are not determined; leave them out"
    )


def collinear(names: Sequence[str]) -> str:
    return (
        f"expected features of which none follows from others, got {listed(names)} linearly "
        "dependent: their coefficients are not determined; leave one out"
    )


def no_rows(classes: Sequence[str]) -> str:
    return (
        f"expected rows of positive weight of each class, got none of {listed(classes)}: the "
        "likelihood has no maximum; leave the class out"
    )


def endless(classes: Sequence[str]) -> str:
    """Each of which is a class with the coefficients of it that grow."""
    return (
        "expected classes that overlap, got some that the features separate, wholly or in part: "
        f"the likelihood has no maximum, it grows with the coefficients of {'; '.join(classes)}; "
        "penalise them (a finite C), or merge classes or leave features out"
    )


def listed(names: Sequence[str]) -> str:
    more = len(names) - MOST
    return ", ".join(names[:MOST]) + (f" and {more} more" if more > 0 else "")


def alpha(value: object) -> float:
    """A number between 0 and 1."""
    number = check.number(value, "alpha", above=0.0)
    if not number < 1:
        raise ValueError(f"alpha: expected a number < 1, got {check.shown(value)}")
    return number


def feature_names(names: Sequence[str] | None, known: list[str]) -> list[str]:
    """As many as features, those known where none are given."""
    if names is None:
        return known
    if isinstance(names, str) or not isinstance(names, Sized) or len(names) != len(known):
        raise ValueError(
            f"feature_names: expected {len(known)} names, one a feature of X, got {names!r}"
        )
    return [str(name) for name in names]
