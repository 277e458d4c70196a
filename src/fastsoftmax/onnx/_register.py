"""Converters of skl2onnx for the estimators that scikit-learn has classes for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

PACKAGES = ("fastsoftmax._linear", "fastsoftmax._neural")
# skl2onnx's names of the converters of scikit-learn's classes
CONVERTERS = {
    "LogisticRegression": "SklearnLinearClassifier",
    "MLPClassifier": "SklearnMLPClassifier",
    "MLPRegressor": "SklearnMLPRegressor",
}
OF_CLASSIFIERS = {
    "zipmap": [True, False, "columns"],
    "output_class_labels": [False, True],
    "nocl": [True, False],
}


def register() -> None:
    """Let skl2onnx convert the estimators of this package, alone or within pipelines.

    The graph is that of the model that ``to_sklearn`` returns, and computes in float32 for float32
    input and in float64 for float64 input. Call this function once in a process, before
    ``skl2onnx.to_onnx``. `Adaline`, which has no ``to_sklearn``, is not converted, nor is what
    ``to_sklearn`` refuses, such as a `LogisticRegression` of several labels per row. A graph of an
    `MLPClassifier` of several labels per row needs float32 input: onnxruntime lacks an operator for
    float64.

    Raises
    ------
    ImportError
        If skl2onnx or scikit-learn is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import fastsoftmax
    >>> import fastsoftmax.onnx
    >>> from fastsoftmax.datasets import load_digits
    >>> X, y = load_digits()
    >>> model = fastsoftmax.fit(X, y, C=0.01)
    >>> from skl2onnx import to_onnx  # doctest: +SKIP
    >>> fastsoftmax.onnx.register()  # doctest: +SKIP
    >>> graph = to_onnx(model, X[:1].astype(np.float32))  # doctest: +SKIP
    """
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes

    for estimator in estimators():
        is_regressor = estimator.__name__ == "MLPRegressor"
        update_registered_converter(
            estimator,
            f"fastsoftmax{estimator.__name__}",
            _table_of_outputs if is_regressor else calculate_linear_classifier_output_shapes,
            _convert,
            options={} if is_regressor else OF_CLASSIFIERS,
        )


def estimators() -> list[type]:
    """The estimators that `to_sklearn` can turn into scikit-learn's."""
    members = [m for package in PACKAGES for m in vars(import_module(package)).values()]
    return [m for m in members if isinstance(m, type) and hasattr(m, "to_sklearn")]


def _table_of_outputs(operator: Any) -> None:
    """(rows, outputs), of the type of the input."""
    from skl2onnx.common.data_types import guess_tensor_type

    table = guess_tensor_type(operator.inputs[0].type)
    rows = operator.inputs[0].get_first_dimension()
    table.shape = [rows, operator.raw_operator.n_outputs_]
    operator.outputs[0].type = table


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Put scikit-learn's model in the place of ours."""
    theirs = operator.raw_operator.to_sklearn()
    inner = scope.declare_local_operator(CONVERTERS[type(theirs).__name__], theirs)
    inner.inputs.extend(operator.inputs)
    for output in operator.outputs:
        result = scope.declare_local_variable(output.raw_name, output.type)
        inner.outputs.append(result)
        if type(theirs).__name__ == "MLPRegressor":  # skl2onnx makes a column of its outputs
            _reshape(scope, container, result, output, theirs.n_outputs_)
        else:
            name = scope.get_unique_operator_name("Identity")
            container.add_node("Identity", result.full_name, output.full_name, name=name)


def _reshape(scope: Any, container: Any, result: Any, output: Any, n_outputs: int) -> None:
    from onnx import TensorProto

    shape = scope.get_unique_variable_name("shape")
    container.add_initializer(shape, TensorProto.INT64, [2], np.array([-1, n_outputs]).tolist())
    name = scope.get_unique_operator_name("Reshape")
    container.add_node("Reshape", [result.full_name, shape], output.full_name, name=name)
