"""What a file says of a model, checked, with the promises of `_validation`.

An estimator declares for each attribute that it keeps in a file a *kind*: a function of the value,
the attribute's name and the sizes found so far, by their letters, that returns the value or raises.
A letter stands for the same number wherever it appears, digits for themselves.
"""

import errno
import itertools
import numbers
import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

Sizes = dict[str, int]
Kind = Callable[[Any, str, Sizes], Any]
PLAIN_DTYPE = re.compile(r"[<>|]([biuf][1248]|[US][1-9]\d*)")


@dataclass(frozen=True)
class Attributes:
    """What an estimator keeps in a file, name to kind; `needed` is there after any fit."""

    needed: dict[str, Kind]
    others: dict[str, Kind] = field(default_factory=dict)

    @property
    def kinds(self) -> dict[str, Kind]:
        return self.needed | self.others

    def and_also(self, **others: Kind) -> "Attributes":
        """These and more that are not there after every fit."""
        return Attributes(self.needed, self.others | others)

    def without(self, name: str) -> "Attributes":
        """These but for one that is not there after every fit."""
        return Attributes(self.needed, {k: v for k, v in self.others.items() if k != name})

    def of(self, values: dict[str, Any]) -> dict[str, Any]:
        """The values, checked, in the form in which the estimator has them."""
        if missing := [name for name in self.needed if name not in values]:
            raise ValueError(f"expected the attribute {missing[0]}, got none")
        if unknown := [name for name in values if name not in self.kinds]:
            raise ValueError(f"{unknown[0]}: expected no such attribute")
        sizes: Sizes = {}
        return {
            name: kind(values[name], name, sizes)
            for name, kind in self.kinds.items()
            if name in values
        }


def _same(n: int, letter: str, name: str, sizes: Sizes) -> None:
    expected = int(letter) if letter.isdigit() else sizes.setdefault(letter, n)
    if n != expected:
        raise ValueError(f"{name}: expected a length of {expected}, got {n}")


def _is_array(value: object, kinds: str, ndim: int, name: str) -> NDArray:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in kinds or value.ndim != ndim:
        got = f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else (
            type(value).__name__)  # fmt: skip
        raise ValueError(f"{name}: expected an array of {ndim} dimensions, kind {kinds}, got {got}")
    return value


def _finite(value: object, ndim: int, name: str) -> NDArray:
    array = _is_array(value, "f", ndim, name)
    if array.dtype.type not in (np.float32, np.float64):
        raise ValueError(f"{name}: expected float32 or float64, got {array.dtype}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    return array


def floats(*letters: str) -> Kind:
    """Finite numbers, float32 or float64, of a shape in letters."""
    of_shape = table("f", *letters)
    return lambda value, name, sizes: of_shape(_finite(value, len(letters), name), name, sizes)


def table(kinds: str, *letters: str) -> Kind:
    """Numbers of a kind of dtypes, whatever their values, of a shape in letters."""

    def kind(value: Any, name: str, sizes: Sizes) -> NDArray:
        array = _is_array(value, kinds, len(letters), name)
        for letter, n in zip(letters, array.shape, strict=True):
            _same(n, letter, name, sizes)
        return array

    return kind


def layers(letter: str, *, ndim: int) -> Kind:
    """A list, one each for so many layers, of arrays of finite numbers."""

    def kind(value: Any, name: str, sizes: Sizes) -> list[NDArray]:
        if not isinstance(value, list) or not value:
            raise ValueError(f"{name}: expected a list of arrays, got {type(value).__name__}")
        _same(len(value), letter, name, sizes)
        return [_finite(array, ndim, f"{name}[{i}]") for i, array in enumerate(value)]

    return kind


def of_network(attributes: dict[str, Any], hidden: Sequence[int], out_activation: str) -> None:
    """Raise unless all attributes are those of a network with such hidden layers."""
    sizes = (attributes["n_features_in_"], *hidden, attributes["n_outputs_"])
    coefs, intercepts = attributes["coefs_"], attributes["intercepts_"]
    if not len(coefs) + 1 == len(sizes) == attributes["n_layers_"]:
        raise ValueError(
            f"coefs_, n_layers_: expected those of {len(sizes)} layers, got {len(coefs)} "
            f"and {attributes['n_layers_']}"
        )
    for i, shape in enumerate(itertools.pairwise(sizes)):
        if coefs[i].shape != shape or intercepts[i].shape != shape[1:]:
            raise ValueError(
                f"coefs_[{i}], intercepts_[{i}]: expected shapes {shape} and {shape[1:]}, got "
                f"{coefs[i].shape} and {intercepts[i].shape}"
            )
        if not coefs[i].dtype == intercepts[i].dtype == coefs[0].dtype:
            raise ValueError(f"coefs_[{i}], intercepts_[{i}]: expected {coefs[0].dtype} in all")
    if attributes["out_activation_"] != out_activation:
        raise ValueError(
            f"out_activation_: expected {out_activation!r}, got {attributes['out_activation_']!r}"
        )


def of_linear_model(classes: NDArray, coef: NDArray, several_labels: bool) -> None:
    """Raise unless there is a row of coefficients per class, or one for two."""
    k = len(classes)
    expected = 1 if k == 2 and not several_labels else k
    if k < 2 or len(coef) != expected:
        raise ValueError(f"coef_: expected {expected} rows for {k} classes, got {len(coef)}")


def labels(letter: str) -> Kind:
    """Labels, each once."""

    def kind(value: Any, name: str, sizes: Sizes) -> NDArray:
        if isinstance(value, np.ndarray) and value.dtype.kind in "mM":
            raise TypeError(
                f"{name}: expected labels that are numbers or strings, to be saved, got "
                f"{value.dtype}; fit with y.astype(str)"
            )
        array = _is_array(value, "biufUSO", 1, name)
        values = array.tolist()
        if array.dtype.kind == "O" and not all(isinstance(x, str | numbers.Real) for x in values):
            raise ValueError(f"{name}: expected strings or numbers")
        if len(set(values)) != len(values) or any(x != x for x in values):
            raise ValueError(f"{name}: expected different labels")
        _same(len(array), letter, name, sizes)
        return array

    return kind


def names(letter: str) -> Kind:
    """Names of features."""

    def kind(value: Any, name: str, sizes: Sizes) -> NDArray:
        array = _is_array(value, "O", 1, name)
        if not all(isinstance(x, str) for x in array):
            raise ValueError(f"{name}: expected strings")
        _same(len(array), letter, name, sizes)
        return array

    return kind


def size(letter: str) -> Kind:
    """The number that a letter stands for, at least 1."""

    def kind(value: Any, name: str, sizes: Sizes) -> int:
        count(value, name, sizes)
        if value < 1:
            raise ValueError(f"{name}: expected 1 or more, got {value}")
        _same(int(value), letter, name, sizes)
        return value

    return kind


def count(value: Any, name: str, sizes: Sizes) -> int:
    """An integer >= 0."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name}: expected an integer >= 0, got {value!r:.80}")
    return value


def counts(letter: str) -> Kind:
    """An array of integers >= 0; or one integer, as former versions have it."""

    def kind(value: Any, name: str, sizes: Sizes) -> NDArray:
        if not isinstance(value, np.ndarray):
            value = np.array([count(value, name, sizes)], np.int32)
        array = _is_array(value, "i", 1, name)
        if (array < 0).any():
            raise ValueError(f"{name}: expected integers >= 0, got {array.min()}")
        _same(len(array), letter, name, sizes)
        return array

    return kind


def number(value: Any, name: str, sizes: Sizes) -> float:
    """A number; infinity and NaN are."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise ValueError(f"{name}: expected a number, got {value!r:.80}")
    return value


def positive(value: Any, name: str, sizes: Sizes) -> float:
    """A finite number > 0."""
    if not 0 < number(value, name, sizes) <= sys.float_info.max:
        raise ValueError(f"{name}: expected a finite number > 0, got {value!r:.80}")
    return value


def flag(value: Any, name: str, sizes: Sizes) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"{name}: expected True or False, got {value!r:.80}")
    return value


def text(value: Any, name: str, sizes: Sizes) -> str:
    """A string."""
    if not isinstance(value, str):
        raise ValueError(f"{name}: expected a string, got {value!r:.80}")
    return value


def optional(kind: Kind) -> Kind:
    """None, or that."""
    return lambda value, name, sizes: None if value is None else kind(value, name, sizes)


def listed(kind: Kind) -> Kind:
    """A list of those."""

    def of(value: Any, name: str, sizes: Sizes) -> list:
        if not isinstance(value, list):
            raise ValueError(f"{name}: expected a list, got {type(value).__name__}")
        return [kind(each, f"{name}[{i}]", sizes) for i, each in enumerate(value)]

    return of


def keyed(*keys: str) -> Kind:
    """A dict of these keys, whatever the values."""

    def kind(value: Any, name: str, sizes: Sizes) -> dict[str, Any]:
        if not isinstance(value, dict) or set(value) != set(keys):
            raise ValueError(f"{name}: expected a dict of {', '.join(keys)}, got {value!r:.80}")
        return value

    return kind


def fields(**kinds: Kind) -> Kind:
    """A dict of these keys, each value of its kind."""
    of_keys = keyed(*kinds)

    def kind(value: Any, name: str, sizes: Sizes) -> dict[str, Any]:
        given = of_keys(value, name, sizes)
        return {key: of(given[key], f"{name}.{key}", sizes) for key, of in kinds.items()}

    return kind


class Record(tuple):
    """The values of a named tuple, and the name of its type."""

    of: str


def record(*forms: Any) -> Kind:
    """A named tuple of numbers or None, of one of these types; fields that have defaults may be
    missing at its end, as former versions leave them."""
    by_name = {form.__name__: form for form in forms}

    def kind(value: Any, name: str, sizes: Sizes) -> Any:
        form = by_name.get(value.of if isinstance(value, Record) else type(value).__name__)
        most = 0 if form is None else len(form._fields)
        least = most if form is None else most - len(form._field_defaults)
        if form is None or not (isinstance(value, tuple) and least <= len(value) <= most):
            raise ValueError(f"{name}: expected a record, {' or '.join(by_name)}")
        return form(*(optional(number)(each, name, sizes) for each in value))

    return kind


# the file, and what it is made of


def path(value: object) -> Path:
    """The path of a file."""
    if not isinstance(value, str | bytes | os.PathLike):
        raise TypeError(f"path: expected a string or path-like, got {type(value).__name__}")
    return Path(os.fsdecode(value))


def file_or_nothing(path: Path) -> os.stat_result | None:
    """What the system knows of the file at a path, None where there is none yet."""
    try:
        known = path.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(known.st_mode):
        raise IsADirectoryError(errno.EISDIR, "expected a file, got a directory", str(path))
    if not stat.S_ISREG(known.st_mode):
        raise OSError(errno.EINVAL, "expected a file, got a pipe, socket or device", str(path))
    return known


def folder_of(path: Path) -> None:
    """Raise unless there is the folder that a file is to be written to."""
    if not path.parent.is_dir():
        raise FileNotFoundError(
            errno.ENOENT, f"path: expected an existing folder, got {path.parent}", os.fspath(path)
        )


def header(document: Any, version: int) -> dict[str, Any]:
    """The document of a file, of this version."""
    if not isinstance(document, dict) or document.get("format") != "fastsoftmax model":
        raise ValueError("expected a model that fastsoftmax saved")
    if document.get("version") != version:
        raise ValueError(
            f"expected format version {version}, got {document.get('version')!r:.80}, written by "
            f"fastsoftmax {document.get('fastsoftmax')!r:.80}"
        )
    forms = {"fastsoftmax": str, "estimator": str, "parameters": dict, "attributes": dict}
    for key, form in forms.items():
        if not isinstance(document.get(key), form):
            raise ValueError(f"{key}: expected a {form.__name__}, got {document.get(key)!r:.80}")
    if unknown := set(document) - {"format", "version", *forms}:
        raise ValueError(f"{min(unknown)}: expected no such key")
    return document


def estimator(name: str, expected: Iterable[str]) -> None:
    """Raise unless the file's estimator is among those expected."""
    expected = list(expected)
    if name not in expected:
        raise ValueError(f"estimator: expected {' or '.join(expected)}, got {name!r:.80}")


def parameters(given: Iterable[str], known: Iterable[str], version: str) -> None:
    """Raise for a parameter that the estimator does not have."""
    if unknown := [name for name in given if name not in known]:
        raise ValueError(
            f"{unknown[0]}: expected parameters that this version has, got one of fastsoftmax "
            f"{version:.80}"
        )


def plain_dtype(text: str, name: str) -> np.dtype:
    """The dtype of a plain array by its text in an npy header."""
    if not PLAIN_DTYPE.fullmatch(text):
        raise ValueError(f"{name}: expected numbers, booleans or strings, got dtype {text:.80}")
    try:
        return np.dtype(text)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name}: expected a dtype of NumPy, got {text:.80}") from None


def contents(array: NDArray, name: str) -> None:
    """Raise for bytes that are no booleans or no characters, where the dtype says they are."""
    if not array.nbytes:
        return
    if array.dtype.kind == "b" and array.view(np.uint8).max() > 1:
        raise ValueError(f"{name}: expected booleans")
    if array.dtype.kind == "U":
        code_points = array.reshape(-1).view(np.dtype("u4").newbyteorder(array.dtype.byteorder))
        if code_points.max() > 0x10FFFF:
            raise ValueError(f"{name}: expected characters")


def no_constant(text: str) -> NoReturn:
    """JSON has no NaN and no infinity, whatever Python's module accepts."""
    raise ValueError(f"expected JSON, got {text}")


def json_list(value: Any, name: str) -> list:
    if not isinstance(value, list):
        raise ValueError(f"{name}: expected a list, got {value!r:.80}")
    return value


def pairs(values: list, name: str) -> list[tuple[Any, Any]]:
    """Keys and values of a dict, keys being scalars and each there once."""
    for pair in values:
        if not isinstance(pair, list) or len(pair) != 2:
            raise ValueError(f"{name}: expected pairs of key and value, got {pair!r:.80}")
        if not is_key(pair[0]):
            raise ValueError(f"{name}: expected keys that are scalars, got {pair[0]!r:.80}")
    if len({key for key, _ in values}) != len(values):
        raise ValueError(f"{name}: expected each key once")
    return [tuple(pair) for pair in values]


def is_key(value: object) -> bool:
    """Whether it may be a key of a dict."""
    return isinstance(value, str | numbers.Real | np.generic | None)


def scalar(kind: type, plain: Any, name: str) -> np.generic:
    """A scalar of NumPy whose plain value is this."""
    try:
        value = kind(plain)
    except (TypeError, ValueError, OverflowError):
        value = None
    same = value is not None and type(value.item()) is type(plain)
    if not same or (value.item() != plain and plain == plain):
        raise ValueError(f"{name}: expected a {kind.__name__}, got {plain!r:.80}")
    return value


def cannot_be_saved(value: object, name: str) -> TypeError:
    """The error of a value that has no form in JSON."""
    what = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else repr(value)
    message = (
        f"{name}: expected None, a boolean, a number, a string, a list, tuple or dict of these, or "
        f"a plain array, to be saved, got {what:.80}"
    )
    kind, _, parameter = name.partition(".")
    if kind == "parameters":
        instead = {"random_state": "0", "cv": "5"}.get(parameter, "None")
        message += (
            f"; what is fitted stays if you first call model.set_params({parameter}={instead}), or "
            "what else is plain"
        )
    return TypeError(message)
