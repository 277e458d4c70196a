"""Numbers, flags and choices among names."""

import numbers
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._runtime.threads import available_threads
from fastsoftmax._validation.arrays import shown

MOST_THREADS = 4096  # beyond which an operating system may refuse to start them
# the usual types first: to ask for an abstract class takes several calls
REAL = float, int, numbers.Real
INTEGRAL = int, numbers.Integral
FLAG = bool, np.bool_, numbers.Integral


def some_of(values: Sequence[str], known: Sequence[str], name: str) -> frozenset[str]:
    """The distinct names in `values`, all of them known."""
    if unknown := [value for value in values if value not in known]:
        raise ValueError(f"{name}: expected some of {', '.join(known)}, got {unknown[0]!r}")
    return frozenset(values)


def number(value: object, name: str, *, above: float = -np.inf, least: float = -np.inf) -> float:
    """A real number (infinity too, NaN never) greater than `above` and not under `least`."""
    if not isinstance(value, REAL) or isinstance(value, bool):
        raise TypeError(f"{name}: expected {_a_number(above, least)}, got {shown(value)}")
    try:
        result = float(value)
    except OverflowError:
        raise ValueError(
            f"{name}: expected {_a_number(above, least)} that float64 can hold, got {shown(value)}"
        ) from None
    if not (result > above and result >= least):
        raise ValueError(f"{name}: expected {_a_number(above, least)}, got {shown(value)}")
    return result


def _a_number(above: float, least: float) -> str:
    return f"a number > {above:g}" if above > -np.inf else f"a number >= {least:g}"


def integer(value: object, name: str, *, least: int, most: int | None = None) -> int:
    """A whole number not under `least`, nor above `most`."""
    if not isinstance(value, INTEGRAL) or isinstance(value, bool):
        raise TypeError(f"{name}: expected an integer >= {least}, got {shown(value)}")
    if value < least:
        raise ValueError(f"{name}: expected an integer >= {least}, got {shown(value)}")
    if most is not None and value > most:
        raise ValueError(f"{name}: expected an integer <= {most}, got {shown(value)}")
    return int(value)


def flag(value: object, name: str) -> bool:
    """True or False, as booleans or as 1 and 0."""
    if not isinstance(value, FLAG) or value not in (0, 1):
        raise TypeError(f"{name}: expected True or False, got {shown(value)}")
    return bool(value)


def verbosity(value: object) -> bool:
    """Whether to show progress: True or False, or a number as scikit-learn takes one."""
    if not isinstance(value, bool | np.bool_ | numbers.Real):
        raise TypeError(f"verbose: expected True or False, got {shown(value)}")
    return bool(value)


def threads(n_threads: int | None) -> int:
    """The number of threads asked for; for None, that of the processors this process may use."""
    if n_threads is None:
        return available_threads()
    return integer(n_threads, "n_threads", least=1, most=MOST_THREADS)


def inverse_temperature(value: object) -> float:
    if type(value) is float and value == 1.0:
        return value
    return 1.0 / number(value, "temperature", above=0.0)


def fraction(value: object, name: str) -> float:
    """A number of 0..1."""
    value = number(value, name, least=0.0)
    if value > 1.0:
        raise ValueError(f"{name}: expected a number <= 1, got {shown(value)}")
    return value


def reduction(value: object) -> None:
    one_of(value, ("mean", "sum", "none"), "reduction")


def meant(value: object, known: Iterable[str]) -> str:
    """The known name that a wrong one is like, for the end of a message."""
    names = {name.lower(): name for name in known}
    like = get_close_matches(value.lower(), names, 1, 0.75) if isinstance(value, str) else []
    return f"; did you mean {names[like[0]]!r}?" if like else ""


def one_of(value: object, known: Iterable[str], name: str) -> str:
    """One of the known names."""
    if not isinstance(value, str) or value not in known:
        raise ValueError(
            f"{name}: expected one of {', '.join(known)}, got {shown(value)}" + meant(value, known)
        )
    return value


def same_shape(x: NDArray, shape: tuple[int, ...], name: str, other: str) -> None:
    if x.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, that of {other}, got {x.shape}")


def broadcast(x: NDArray, shape: tuple[int, ...], name: str, other: str) -> NDArray:
    try:
        return np.broadcast_to(x, shape)
    except ValueError:
        raise ValueError(
            f"{name}: expected a shape that broadcasts to {shape}, that of {other}, got {x.shape}"
        ) from None


def within(x: NDArray, least: float, most: float, name: str) -> None:
    """Raise unless all of x lies in least..most."""
    if x.size and not (x.min() >= least and x.max() <= most):
        outside = ~((x >= least) & (x <= most))
        index = np.unravel_index(int(np.argmax(outside)), x.shape)
        where = ", ".join(map(str, index))
        raise ValueError(
            f"{name}: expected numbers of {least:g}..{most:g}, got {x[index]} at index ({where})"
        )


def max_memory(given: int, needed: int, what: str) -> None:
    """Raise where what a solver has to keep takes more than it may."""
    if needed > given:
        raise ValueError(f"max_memory: expected {needed} bytes or more, for {what}, got {given}")
