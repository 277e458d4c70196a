"""Formulas and their frames (part of `_validation`)."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._runtime.optional import needed
from fastsoftmax._validation.arrays import shown
from fastsoftmax._validation.inference import listed

INTERCEPT = "Intercept"  # formulaic's name of its column
# parameters that formulas, or arguments, set; and one that changes what coefficients are of
SET_HERE = "C", "reference_class", "fit_intercept", "feature_scale"


def frame(data: Any) -> Any:
    """A DataFrame, its rows numbered by place; its texts as objects, since formulaic takes those of
    pandas' nullable strings for numbers."""
    pandas = needed("pandas", "formulas need")
    try:
        own = isinstance(data, pandas.DataFrame | Mapping)
        made = pandas.DataFrame(data if own else named(data))
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"data: expected a DataFrame, or columns that make one, got {shown(data)} "
            f"({first_line(error)})"
        ) from error
    if not len(made):
        raise ValueError("data: expected at least one row, got none")
    texts = [getattr(dtype, "type", None) is str for dtype in made.dtypes]
    made = made.reset_index(drop=True)
    return made.astype(dict.fromkeys(made.columns[texts], object)) if any(texts) else made


def named(data: Any) -> Any:
    """The columns of a frame of polars by name, or what Arrow makes of its table; other data as it
    came. pandas reads both as arrays, without names."""
    if hasattr(data, "get_columns"):
        return {column.name: values(column) for column in data.get_columns()}
    return data.to_pandas() if hasattr(data, "column_names") else data


def values(column: Any) -> Any:
    """Of a column of polars; the order of an Enum's categories is kept."""
    found = column.to_numpy()
    if type(column.dtype).__name__ != "Enum":
        return found
    return needed("pandas", "formulas need").Categorical(found, list(column.dtype.categories))


def first_line(error: Exception) -> str:
    """Of a message, without the picture that may follow."""
    return str(error).strip().partition("\n")[0].rstrip(".")


def sides(formulaic: Any, formula: object, data: Any) -> tuple[str, Any]:
    """The name of the response, and the terms."""
    if not isinstance(formula, str):
        raise TypeError(f"formula: expected a str, got {type(formula).__name__}")
    left, tilde, right = formula.partition("~")
    name = left.strip().strip("`")
    if not tilde or name not in data:
        columns = listed([str(name) for name in data]) or "none"
        raise ValueError(
            "formula: expected the name of a column of labels left of ~ (columns of data: "
            f"{columns}), got {shown(formula)}"
        )
    try:
        made = formulaic.Formula(right)
    except Exception as error:
        raise ValueError(
            f"formula: expected what formulaic reads, got {formula!r} ({first_line(error)})"
        ) from error
    if not hasattr(made, "get_terms") and type(made).__name__ != "SimpleFormula":
        raise ValueError(f"formula: expected one set of terms right of ~, got {formula!r}")
    return name, made


def known_variables(required: Collection[str], data: Any) -> None:
    if unknown := sorted(name for name in required if name not in data):
        columns = listed([str(name) for name in data])
        raise ValueError(f"formula: expected columns of data ({columns}), got {listed(unknown)}")


def spec(right: Any, data: Any) -> Any:
    """What formulaic learns of a frame."""
    try:
        return right.get_model_matrix(data, na_action="raise").model_spec
    except Exception as error:
        raise ValueError(
            f"formula: expected what formulaic can evaluate, got {str(right)!r} "
            f"({first_line(error)})"
        ) from error


def columns(spec: Any, data: Any) -> NDArray[np.float64]:
    """What a formula makes of a frame."""
    try:
        return np.asarray(spec.get_model_matrix(data, na_action="raise"), dtype=np.float64)
    except Exception as error:
        raise ValueError(
            f"data: expected values that the formula takes, got others ({first_line(error)})"
        ) from error


def some_features(count: int, formula: str) -> None:
    if not count:
        raise ValueError(f"formula: expected at least one term beside the intercept, got {formula}")


def complete(data: Any, names: Iterable[str]) -> None:
    """Raise for missing values, and columns."""
    if absent := [name for name in names if name not in data]:
        raise ValueError(f"data: expected the columns of the formula, got none named {absent[0]!r}")
    if several := [name for name in names if data[name].ndim > 1]:
        raise ValueError(f"data: expected one column named {several[0]!r}, got several")
    some = [name for name in names if data[name].isna().any()]
    if some:
        raise ValueError(
            f"data: expected no missing values, got some in {listed(some)}; "
            f"data.dropna(subset={some}) leaves their rows out"
        )


def known_levels(data: Any, levels: Mapping[str, list[Any]]) -> None:
    """Raise for values of factors that the fit has not seen."""
    for name, known in levels.items():
        unseen = data[name][~data[name].isin(known)]
        if len(unseen):
            raise ValueError(
                f"data: expected values of {name!r} among {shown(known)}, which the fit has seen, "
                f"got {unseen.iloc[0]!r}"
            )


def column(given: str | ArrayLike | None, data: Any) -> ArrayLike | None:
    """Of the frame, if it is named."""
    if not isinstance(given, str):
        return given
    if given not in data:
        raise ValueError(f"data: expected a column named {given!r}, got none")
    return np.asarray(data[given])


def own_parameters(parameters: Mapping[str, object]) -> None:
    if taken := sorted(set(parameters) & set(SET_HERE)):
        raise TypeError(
            f"{taken[0]}: expected none, which fit sets itself (fit_intercept by '- 1'), got one"
        )


def differentiable(D: NDArray, name: str) -> None:
    if not np.isfinite(D).all():
        raise ValueError(
            f"marginal_effects: expected terms that have derivatives by {name}, got some that are "
            "not finite around values of it"
        )


def no_factors(names: Collection[str]) -> None:
    if names:
        raise ValueError(
            f"at: expected 'overall' where variables are factors, got 'mean': {listed(list(names))}"
            " have no means"
        )
