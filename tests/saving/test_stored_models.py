"""Files and pickles written by released versions load ever after, and answer the same."""

import pickle
import sys
import warnings
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import fastsoftmax
from fastsoftmax import load
from fastsoftmax._runtime.renamed_modules import FORMER

STORED = sorted((Path(__file__).parent / "data").glob("*/*.npz"))


def model(path, kind):
    if kind == "fastsoftmax":
        return load(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # modules that have other names today
        return pickle.loads(path.read_bytes())


@pytest.mark.parametrize("kind", ["fastsoftmax", "pickle"])
@pytest.mark.parametrize("path", STORED, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_a_stored_model_answers_as_it_did(path, kind):
    stored = model(path.with_suffix(f".{kind}"), kind)
    with np.load(path) as expected:
        X, methods = expected["X"], sorted(set(expected) - {"X"})
        assert "predict" in methods
        for method in methods:
            answer = getattr(stored, method)(X)
            assert answer.dtype == expected[method].dtype
            if answer.dtype.kind == "f":  # another processor rounds differently
                np.testing.assert_allclose(answer, expected[method], rtol=1e-5, atol=1e-6)
            else:
                np.testing.assert_array_equal(answer, expected[method])


def test_every_estimator_is_there():
    names = {path.stem for path in STORED}
    assert names >= {
        *("adaline", "logistic_regression", "mlp_classifier", "mlp_regressor"),
        *("softmax_regression", "softmax_regression_cv"),
    }


def test_public_classes_are_pickled_by_their_public_names():
    for name in fastsoftmax.__all__:
        member = getattr(fastsoftmax, name)
        assert not isinstance(member, type) or member.__module__ == "fastsoftmax"


def test_modules_are_found_by_their_former_names():
    for former, name in FORMER.items():
        sys.modules.pop(former, None)
        with pytest.warns(DeprecationWarning, match=f"{former} is private now") as told:
            exec(compile(f"import {former}", "users.py", "exec"))
        assert told[0].filename == "users.py"
        assert import_module(former) is import_module(name)
    with pytest.raises(ModuleNotFoundError):
        import_module("fastsoftmax.linear_")
