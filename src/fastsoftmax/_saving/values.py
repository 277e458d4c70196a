"""Values of Python and NumPy as JSON, each in a form that gives back its type.

None, booleans, integers, finite floats, strings and lists are themselves. What else there is is an
object of one key: {"float": "inf"}, {"tuple": [...]}, {"dict": [[key, value], ...]}, {"objects":
[...]} for an array of objects, {"scalar": ["float32", 0.5]}, and {"array": name} for an array that
the file keeps beside the document.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._validation import saved as check

SCALARS = {
    kind.__name__: kind
    for kind in (
        *(np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32),
        *(np.uint64, np.float16, np.float32, np.float64, np.str_),
    )
}


def encode(value: Any, name: str, arrays: dict[str, NDArray]) -> Any:
    """The value as JSON; arrays in it are put into `arrays`, by names that begin with `name`."""

    def all_of(values: Any) -> list:
        return [encode(each, f"{name}.{i}", arrays) for i, each in enumerate(values)]

    match value:
        case np.generic() if type(value).__name__ in SCALARS:
            return {"scalar": [type(value).__name__, encode(value.item(), name, arrays)]}
        case np.ndarray() if _is_plain(value.dtype):
            arrays[name] = value
            return {"array": name}
        case np.ndarray() if value.dtype.kind == "O" and value.ndim == 1:
            return {"objects": all_of(value)}
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else {"float": str(value)}
        case list():
            return all_of(value)
        case tuple() if hasattr(value, "_fields"):
            return {"record": [type(value).__name__, all_of(value)]}
        case tuple():
            return {"tuple": all_of(value)}
        case dict() if all(map(check.is_key, value)):
            keys, values = all_of(value), all_of(value.values())
            return {"dict": [list(pair) for pair in zip(keys, values, strict=True)]}
        case Sequence() if _is_plain((numbers := np.asarray(value)).dtype):  # a range, for instance
            return encode(numbers, name, arrays)
    raise check.cannot_be_saved(value, name)


def _is_plain(dtype: np.dtype) -> bool:
    return dtype.itemsize > 0 if dtype.kind in "US" else dtype.kind in "biuf" and dtype.itemsize < 9


def decode(value: Any, name: str, array: Callable[[str], NDArray]) -> Any:
    """What `encode` made JSON of; `array` gives those that the file keeps by name."""

    def all_of(values: Any) -> list:
        return [decode(each, name, array) for each in check.json_list(values, name)]

    match value:
        case list():
            return all_of(value)
        case {"float": "inf" | "-inf" | "nan" as text, **rest} if not rest:
            return float(text)
        case {"tuple": items, **rest} if not rest:
            return tuple(all_of(items))
        case {"record": [str() as form, items], **rest} if not rest:
            record = check.Record(all_of(items))
            record.of = form
            return record
        case {"dict": pairs, **rest} if not rest:
            return dict(check.pairs(all_of(pairs), name))
        case {"objects": items, **rest} if not rest:
            items = all_of(items)
            objects = np.empty(len(items), object)
            objects[:] = items
            return objects
        case {"scalar": [str() as kind, plain], **rest} if not rest and kind in SCALARS:
            return check.scalar(SCALARS[kind], decode(plain, name, array), name)
        case {"array": str() as key, **rest} if not rest:
            return array(key)
        case dict():
            raise ValueError(f"{name}: expected a value of a known form, got {value!r:.80}")
    return value
