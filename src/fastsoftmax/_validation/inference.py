"""Why there are no standard errors (part of `_validation`)."""

import math
from collections.abc import Mapping, Sequence, Sized
from typing import Any, Never

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._validation import check
from fastsoftmax._validation.arrays import shown
from fastsoftmax._validation.labels import is_missing
from fastsoftmax._validation.numbers import one_of

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


def converged(converged: bool, n_iter: int, max_iter: int) -> None:
    """Raise for a fit that its limit of iterations ended."""
    if not converged and n_iter >= max_iter:
        raise NoInference(
            f"max_iter: expected a fit that converges, got one that ended after {max_iter} "
            f"iteration{'s' * (max_iter != 1)}; increase max_iter"
        )


def penalised(C: float) -> str:
    return (
        f"expected a fit without penalty (C=np.inf), got C={C:g}: a penalty shrinks coefficients "
        "towards 0, and standard errors do not measure by how much"
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


def collinear(names: Sequence[str], surplus: Sequence[str]) -> str:
    """Of which each of `surplus` follows from those before it."""
    return (
        f"expected features of which none follows from others, got {listed(names)} linearly "
        f"dependent: their coefficients are not determined; leave out {listed(surplus, ' and ')}, "
        f"which {'follows' if len(surplus) == 1 else 'follow'} from those before"
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


def listed(names: Sequence[str], last: str = ", ") -> str:
    more = len(names) - MOST
    if more > 0:
        return ", ".join(names[:MOST]) + f" and {more} more"
    return last.join([*filter(None, [", ".join(names[:-1])]), *names[-1:]])


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
            f"feature_names: expected {len(known)} names, one per feature of X, got {names!r}"
        )
    return [str(name) for name in names]


def names_of(model: Any) -> list[str]:
    """Of the features of a fitted model: those of its frame, or x0, x1, and so on."""
    names = getattr(model, "feature_names_in_", None)
    return [f"x{j}" for j in range(model.n_features_in_)] if names is None else list(names)


def linear_model(is_one: bool, model: object) -> None:
    if not is_one:
        raise TypeError(
            "model: expected a SoftmaxRegression or a LogisticRegression, got "
            f"{type(model).__name__}"
        )


def an_optimum(solver: str, several_labels: bool) -> None:
    """Raise for fits of other likelihoods, or of none."""
    if several_labels:
        refuse("expected one label per row, got several: fit each by itself")
    if solver == "sgd":
        refuse("expected a fit of the maximum, got solver='sgd', which ends on its way there")


def its_maximum(there: float, most: float, tol: float) -> None:
    """Raise unless a model's likelihood is the largest, as far as its fit was to go."""
    if not most - there <= 10 * max(tol, 1e-12) * max(1.0, abs(most)):
        raise ValueError(
            "model: expected one that was fitted to these rows, to the maximum of the likelihood, "
            f"got a log-likelihood of {there:.6g} where {most:.6g} can be had"
        )


def groups(
    cov_type: object, groups: ArrayLike | None, n: int, known: Sequence[str], by_group: str
) -> NDArray[np.intp] | None:
    """Codes of the rows' groups, if the covariance is by group."""
    one_of(cov_type, known, "cov_type")
    if cov_type != by_group:
        if groups is not None:
            raise ValueError(f"groups: expected None for cov_type={cov_type!r}, got an argument")
        return None
    if groups is None:
        raise ValueError("groups: expected the group of each row for cov_type='cluster', got None")
    given = np.asarray(groups)
    if given.shape != (n,):
        raise ValueError(f"groups: expected shape ({n},), got {given.shape}")
    values = given.tolist()
    if any(is_missing(value) for value in values):
        raise ValueError("groups: expected the group of each row, got missing values")
    codes: dict[object, int] = {}
    found = np.array([codes.setdefault(value, len(codes)) for value in values], np.intp)
    if len(codes) < 2:
        raise ValueError("groups: expected at least two groups, got one")
    return found


def more_rows(n: float, p: int, cov_type: str) -> None:
    if not n > p:
        raise ValueError(
            f"cov_type: expected more observations than the {p} coefficients for {cov_type}, got "
            f"{n:g}"
        )


def names_among(given: object) -> list[str] | None:
    """Names that are given, one or several, in a list, an array or an index; None for what is
    none."""
    if isinstance(given, str):
        return [given]
    array = np.asarray(given, dtype=object)
    if array.ndim > 1 or not all(isinstance(name, str) for name in array.ravel()):
        return None
    return [str(name) for name in array.ravel()]


def some_names(terms: object) -> list[str]:
    """Names of terms, at least one."""
    if not (names := names_among(terms)):
        raise ValueError(f"terms: expected names, at least one, got {shown(terms)}")
    return names


def discrete(given: object) -> list[str]:
    """Names of variables whose effects are differences; there may be none."""
    names = None if isinstance(given, str) else names_among(given)
    if names is None:
        raise ValueError(f"discrete: expected 'auto', None or a list of names, got {shown(given)}")
    return names


def places(names: Sequence[str], known: Mapping[str, Sequence[int]], argument: str) -> list[int]:
    """Where terms of these names are."""
    found: set[int] = set()
    for name in names:
        if name not in known:
            raise ValueError(f"{argument}: expected some of {listed(list(known))}, got {name!r}")
        found.update(known[name])
    return sorted(found)


def restrictions(R: ArrayLike, size: int) -> NDArray[np.float64]:
    """A matrix of restrictions, (r, size)."""
    expected = f"terms: expected names, or a matrix of {size} finite columns, one per coefficient"
    try:
        matrix = np.atleast_2d(np.asarray(R, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{expected}, got {shown(R)}") from error
    if matrix.ndim != 2 or matrix.shape[1] != size or not len(matrix):
        raise ValueError(f"{expected}, got shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError(f"{expected}, got NaN or infinity")
    return matrix


def restricted_values(values: ArrayLike, r: int) -> NDArray[np.float64]:
    try:
        given = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"values: expected a finite number or {r}, got {shown(values)}") from error
    if given.shape not in ((), (r,)) or not np.isfinite(given).all():
        raise ValueError(f"values: expected a finite number or {r}, got {shown(values)}")
    return np.broadcast_to(given, r)


def independent_restrictions(rank: int, r: int) -> None:
    if rank < r:
        raise ValueError(
            f"terms: expected {r} restrictions of which none follows from others, got {rank} such"
        )


def no_robust(method: str) -> Never:
    raise ValueError(
        f"cov_type: expected the covariance as it is, 'nonrobust', got another: {method} has no "
        "scores of its rows"
    )


def regular(rank: int, r: int) -> None:
    if rank < r:
        raise ValueError(
            f"terms: expected no more restrictions than the covariance has directions, got {r} and "
            f"{rank}: a covariance by cluster has fewer than there are groups"
        )


def facts(model: Any, argument: str) -> Any:
    """What is known of a model's likelihood."""
    if not hasattr(type(model), "_facts") and not hasattr(model, "_facts"):
        raise TypeError(
            f"{argument}: expected results of inference or a SoftmaxRegression, got "
            f"{type(model).__name__}"
        )
    return model._facts


def by_likelihood(holds: bool) -> None:
    if not holds:
        raise ValueError(
            "compare: expected fits by the likelihood alone, got one with Firth's penalty, which "
            "differs between models: its likelihood_ratio_test holds the penalty fixed"
        )


def known_names(model: Any) -> list[str] | None:
    """The features, if a frame named them."""
    names = getattr(getattr(model, "model", model), "feature_names_in_", None)
    return None if names is None else list(names)


def among(outside: Sequence[str], how: str) -> None:
    """Raise unless no term of the small model is missing in the large one."""
    if outside:
        raise ValueError(
            f"compare: expected a model within a larger one, got {listed(outside)} in the small "
            f"one, {how}"
        )


def same_rows(few: Any, many: Any) -> None:
    """Raise unless models are of the same classes and, as far as they know, rows."""
    if few.classes != many.classes:
        raise ValueError("compare: expected models of the same classes, got others")
    same = math.isclose(few.null_loglike, many.null_loglike, rel_tol=1e-9)
    if few.n_observations != many.n_observations or not same:
        raise ValueError(
            "compare: expected models of the same rows, got "
            f"{few.n_observations:g} and {many.n_observations:g} observations, with "
            f"log-likelihoods of intercepts alone of {few.null_loglike:.6g} and "
            f"{many.null_loglike:.6g}"
        )


def larger(few: Any, many: Any) -> None:
    """Raise unless a model has more coefficients than one within it, and the likelihood for it."""
    grows = many.loglike >= few.loglike - 1e-9 * abs(few.loglike)
    if not (many.n_coefficients > few.n_coefficients and grows):
        raise ValueError(
            "compare: expected a model within a larger one, got "
            f"{few.n_coefficients} coefficients, log L = {few.loglike:.6g}, and "
            f"{many.n_coefficients}, log L = {many.loglike:.6g}"
        )
