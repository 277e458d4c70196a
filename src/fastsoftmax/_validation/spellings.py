"""Parameters as scikit-learn spells them, in this package's terms (part of `_validation`).

What scikit-learn has deprecated has the meaning and the category of warning that it has there.
"""

import numbers
from collections.abc import Callable, Iterable
from functools import wraps
from typing import TypeVar

import numpy as np

from fastsoftmax._runtime import caller
from fastsoftmax._runtime.threads import available_threads
from fastsoftmax._validation import numbers as check
from fastsoftmax._validation.arrays import shown

DEPRECATED = "deprecated"
PENALTIES = ("l1", "l2", "elasticnet")
SOLVERS = ("lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga")
# what to write for a parameter that a class does not have
INSTEAD = {
    "penalty": "use l1_ratio: 0 for 'l2', 1 for 'l1', a number between them for 'elasticnet'; and "
    "C=np.inf for None",
    "n_jobs": "use n_threads; None is all processors that this process may use",
    "dual": "leave it out: the primal and the dual problem have the same optimum",
    "intercept_scaling": "leave it out: intercepts are not penalised",
    "multi_class": "leave it out: more than two classes have a softmax. For one-versus-rest use "
    "sklearn.multiclass.OneVsRestClassifier",
    "l1_ratios": "use l1_ratio, which is one number; LogisticRegressionCV chooses among several",
    "calibrate": "use SoftmaxRegression, or scikit-learn's CalibratedClassifierCV: this class has "
    "the probabilities of scikit-learn's",
    "l1_group": "use SoftmaxRegression: this class has the penalties of scikit-learn's",
    "use_legacy_attributes": "leave it out: C_ is a number and scores_ is an array",
}
Class = TypeVar("Class", bound=type)


def naming_replacements(cls: Class) -> Class:
    """Have the class say what to write for a parameter of scikit-learn's that it does not have."""
    init: Callable[..., None] = cls.__init__

    @wraps(init)
    def __init__(self, *args, **kwargs):
        foreign(kwargs, cls.__name__, getattr(cls, "__dataclass_fields__", ()))
        no_penalty_first(args, cls.__name__)
        init(self, *args, **kwargs)

    cls.__init__ = __init__
    return cls


def foreign(names: Iterable[str], owner: str, known: Iterable[str]) -> None:
    """Raise for the first name that another one stands for here."""
    for name in names:
        if name in INSTEAD and name not in known:
            raise TypeError(f"{owner}: unknown parameter {name!r}; {INSTEAD[name]}")


def no_penalty_first(args: tuple[object, ...], owner: str) -> None:
    """Raise for the penalty by its position, which scikit-learn has deprecated."""
    if args and isinstance(args[0], str) and args[0] in PENALTIES:
        raise TypeError(
            f"{owner}: expected the penalty by name, got {args[0]!r} by position; use l1_ratio: 0 "
            "for 'l2', 1 for 'l1', a number between them for 'elasticnet'"
        )


def solver(name: object, known: Iterable[str], fit_intercept: object) -> object:
    """ "auto" for a solver of scikit-learn's, whose optimum is the same; others as they are."""
    if name == "liblinear" and fit_intercept:
        raise ValueError(
            "solver: expected one that does not penalise the intercept, got 'liblinear', whose "
            "optimum is another one. Use any other solver; or, for that of liblinear, append a "
            "column of ones to X and set fit_intercept=False"
        )
    expected = list(dict.fromkeys((*known, *SOLVERS)))
    if not isinstance(name, str) or name not in expected:
        hint = check.meant(name, expected)
        raise ValueError(f"solver: expected one of {', '.join(expected)}, got {name!r}{hint}")
    return "auto" if name in SOLVERS else name


def is_a_solver(name: object) -> bool:
    """Whether scikit-learn has a solver of this name."""
    return isinstance(name, str) and name in SOLVERS


def penalty(value: object, C: object, l1_ratio: object) -> tuple[object, object]:
    """(C, l1_ratio) of a deprecated ``penalty``, and of ``l1_ratio=None``."""
    if value is None:
        return np.inf, 0.0
    if isinstance(value, str) and value == DEPRECATED:
        return C, 0.0 if l1_ratio is None else l1_ratio
    if value not in PENALTIES:
        raise ValueError(
            f"penalty: expected one of {', '.join(PENALTIES)} or None, got {shown(value)}"
        )
    if value == "elasticnet" and l1_ratio is None:
        raise ValueError("l1_ratio: expected a number with penalty='elasticnet', got None")
    return C, {"l1": 1.0, "l2": 0.0, "elasticnet": l1_ratio}[value]


def warn_of_penalty(value: object, C: object, l1_ratio: object) -> None:
    """Warn of a deprecated ``penalty``, of what contradicts it, and of ``l1_ratio=None``."""

    warn = caller.warn
    if isinstance(value, str) and value == DEPRECATED:
        if l1_ratio is None:
            warn(
                "l1_ratio: None is deprecated, and an error in scikit-learn 1.10: use 0",
                FutureWarning,
            )
        return
    instead = {"l2": "l1_ratio=0", "l1": "l1_ratio=1", "elasticnet": "l1_ratio alone"}
    warn(
        f"penalty: deprecated, and removed in scikit-learn 1.10: use "
        f"{instead.get(str(value), 'C=np.inf')} instead of {value!r}",
        FutureWarning,
    )
    means = {"l2": 0, "l1": 1}.get(str(value), l1_ratio)
    if value is None and (C != 1.0 or l1_ratio not in (0, 1)):
        warn("penalty: None, so that C and l1_ratio play no part", UserWarning)
    elif l1_ratio != means:
        warn(f"penalty: {value!r}, so that l1_ratio={l1_ratio!r} plays no part", UserWarning)


def is_warn(value: object) -> bool:
    """Whether a parameter has scikit-learn's default that warns."""
    return isinstance(value, str) and value == "warn"


def l1_ratios(penalty: object, given: object) -> tuple[list[float], bool]:
    """The ratios to try in cross-validation, and whether attributes have a dimension for them."""
    given = None if is_warn(given) else given
    if penalty != DEPRECATED and penalty not in PENALTIES:
        raise ValueError(f"penalty: expected one of {', '.join(PENALTIES)}, got {shown(penalty)}")
    if given is None:
        if penalty == "elasticnet":
            raise ValueError("l1_ratios: expected numbers with penalty='elasticnet', got None")
        return [float(penalty == "l1")], False
    if isinstance(given, str) or np.ndim(given) != 1 or not len(given):
        raise ValueError(f"l1_ratios: expected numbers of 0..1 or None, got {shown(given)}")
    ratios = [check.fraction(value, "l1_ratios") for value in np.asarray(given).tolist()]
    if penalty in ("l1", "l2"):
        ratios = [float(penalty == "l1")] * len(ratios)
    return ratios, True


def legacy(value: object) -> bool:
    """Whether attributes have their former shapes."""
    return True if is_warn(value) else check.flag(value, "use_legacy_attributes")


def warn_of_search(penalty: object, l1_ratios: object, scoring: object, legacy: object) -> None:
    """Warn of what scikit-learn is about to change in its ``LogisticRegressionCV``."""

    def warn(message: str, category: type[Warning] = FutureWarning) -> None:
        caller.warn(message, category)

    if is_warn(l1_ratios):
        warn("l1_ratios: the default becomes (0.0,) in scikit-learn 1.10: set l1_ratios=(0,)")
    if penalty != DEPRECATED:
        warn(
            f"penalty: deprecated, and removed in scikit-learn 1.10: use l1_ratios, (0,) for 'l2', "
            f"(1,) for 'l1', instead of {penalty!r}"
        )
        if penalty != "elasticnet" and not (l1_ratios is None or is_warn(l1_ratios)):
            warn(f"penalty: {penalty!r}, so that l1_ratios play no part", UserWarning)
    elif l1_ratios is None:
        warn("l1_ratios: None is deprecated, and an error in scikit-learn 1.10: use (0,)")
    if is_warn(scoring):
        warn(
            "scoring: the default, accuracy, becomes 'neg_log_loss' in scikit-learn 1.11: set one "
            "of them"
        )
    if is_warn(legacy):
        warn(
            "use_legacy_attributes: the default, True, becomes False in scikit-learn 1.10: set one "
            "of them"
        )


def name_of(l1_ratio: object) -> str:
    """The ``penalty`` of an ``l1_ratio``."""
    return {0: "l2", 1: "l1"}.get(l1_ratio, "elasticnet")


def no_dual(value: object) -> None:
    """Raise for the dual problem."""
    if check.flag(value, "dual"):
        raise ValueError(
            "dual: expected False, got True; leave it out: the primal and the dual problem have "
            "the same optimum"
        )


def no_intercept_scaling(value: object) -> None:
    """Raise for a factor of a feature that stands for the intercept."""
    if value != 1:
        raise ValueError(
            f"intercept_scaling: expected 1, got {shown(value)}; leave it out: intercepts are not "
            "penalised. For that of liblinear append a column of this value to X and set "
            "fit_intercept=False"
        )


def n_threads(n_jobs: object, given: object) -> object:
    """``n_threads`` of ``n_jobs``, which counts as joblib's: -1 for all processors, -2 for all
    but one."""
    if n_jobs is None:
        return given
    if given is not None:
        raise ValueError(f"n_jobs: expected None beside n_threads, got {shown(n_jobs)}")
    if not isinstance(n_jobs, numbers.Integral) or isinstance(n_jobs, bool):
        raise TypeError(f"n_jobs: expected None or an integer, got {shown(n_jobs)}")
    if n_jobs == 0:
        raise ValueError("n_jobs: expected an integer >= 1, or < 0 to count from all, got 0")
    return n_jobs if n_jobs > 0 else max(available_threads() + 1 + int(n_jobs), 1)


def seed(value: object) -> object:
    """An integer of ``random_state``: 0 for None, the next one of a generator."""
    if value is None:
        return 0
    if isinstance(value, np.random.RandomState):
        return int(value.randint(2**31 - 1))
    if isinstance(value, np.random.Generator):
        return int(value.integers(2**31 - 1))
    return value
