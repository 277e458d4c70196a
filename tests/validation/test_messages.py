"""Messages that name where a value is, what was meant, and what would do instead."""

import errno
import re

import numpy as np
import pytest

import fastsoftmax
from fastsoftmax import LogisticRegression, MLPClassifier, SoftmaxRegression
from fastsoftmax.datasets import load_digits

X, Y = (a[:300] for a in load_digits())


def frame(**columns):
    return pytest.importorskip("pandas").DataFrame(columns)


ABSENT = {
    "NA of objects": lambda pd: [1, 2, pd.NA, 4],
    "NA of Int64": lambda pd: pd.array([1, 2, None, 4], dtype="Int64"),
    "NaN": lambda pd: [1, 2, np.nan, 4],
}


@pytest.mark.parametrize("kind", ABSENT)
@pytest.mark.parametrize("model", [SoftmaxRegression(), MLPClassifier()])
def test_missing_numbers_have_a_row_and_a_column(model, kind):
    table = frame(a=[1.0, 2, 3, 4], b=ABSENT[kind](pytest.importorskip("pandas")))
    words = r"X: expected finite numbers, got (nan|<NA>) in row 2, column 1 \(input contains NaN"
    with pytest.raises(ValueError, match=words):
        model.fit(table, [0, 1, 0, 1])


def test_text_has_a_row_and_a_column():
    with pytest.raises(ValueError, match=r"X: expected numbers, .*'w' in row 0, column 1"):
        fastsoftmax.fit(frame(a=[1.0, 2], b=["w", "x"]), [0, 1])


def test_targets_name_what_the_class_takes():
    with pytest.raises(ValueError, match=r"target: .* probabilities, counts, got 'prob'$"):
        fastsoftmax.fit(X, Y, target="prob")
    with pytest.raises(ValueError, match=r"got 'count'; did you mean 'counts'\?$"):
        fastsoftmax.fit(X, Y, target="count")


@pytest.mark.parametrize(
    ("model", "meant"),
    [
        (SoftmaxRegression(solver="LBFGS"), "lbfgs"),
        (LogisticRegression(solver="newtn"), "newton"),
        (MLPClassifier(solver="Adam"), "adam"),
        (MLPClassifier(activation="ReLU"), "relu"),
    ],
)
def test_names_that_are_nearly_right_are_suggested(model, meant):
    with pytest.raises(ValueError, match=rf"; did you mean '{meant}'\?$"):
        model.fit(X, Y)


@pytest.mark.parametrize("name", ["xyz", None, 3, "x" * 2000])
def test_others_are_not(name):
    with pytest.raises(ValueError, match=r"solver: expected one of") as caught:
        SoftmaxRegression(solver=name).fit(X, Y)
    assert "mean" not in str(caught.value) and len(str(caught.value)) < 250


def test_a_folder_that_is_missing_is_named(tmp_path):
    model = fastsoftmax.fit(X, Y, C=1e-3)
    words = f"path: expected an existing folder, got {tmp_path / 'none'}: "
    with pytest.raises(FileNotFoundError, match=re.escape(words)) as caught:
        model.save(tmp_path / "none" / "model.npz")
    assert caught.value.errno == errno.ENOENT
    assert caught.value.filename == str(tmp_path / "none" / "model.npz")


def test_coefficients_that_are_no_numbers_are_named():
    model = SoftmaxRegression(C=1e-3, warm_start=True).fit(X, Y)
    model.coef_[2, 3] = np.nan
    for call in (model.predict, model.predict_proba, lambda X: model.fit(X, Y)):
        with pytest.raises(ValueError, match=r"coef_: .* got nan in row 2, column 3$"):
            call(X)
    model = SoftmaxRegression(C=1e-3).fit(X, Y)
    model.intercept_[4] = np.inf
    with pytest.raises(ValueError, match=r"intercept_: .* got inf at index 4$"):
        model.decision_function(X)


@pytest.mark.parametrize("solver", ["auto", "proximal-newton"])
def test_memory_of_an_l1_fit_is_named_by_its_parameter(solver):
    with pytest.raises(ValueError, match=r"^max_memory: .* bytes.*got 10000$") as caught:
        fastsoftmax.fit(X, Y, l1_ratio=1, max_memory=10_000, solver=solver)
    assert "auto" not in str(caught.value)


def test_solvers_that_are_offered_instead_can_fit():
    for options in ({"solver": "newton", "max_memory": 10_000}, {"solver": "lbfgs", "l1_ratio": 1}):
        with pytest.raises(ValueError, match=r"expected one of .* here") as caught:
            fastsoftmax.fit(X, Y, **options)
        offered = str(caught.value).split("expected one of ")[1].removesuffix(" here").split(", ")
        for solver in set(offered) - {"gd"}:  # which takes long
            model = fastsoftmax.fit(X, Y, **options | {"solver": solver, "C": 1e-3})
            assert model.converged_


def test_a_class_without_weight_has_a_finite_intercept_and_is_named_by_inference():
    random = np.random.default_rng(0)
    X, y = random.standard_normal((300, 2)), np.array(["a", "b", "c"])[random.integers(0, 3, 300)]
    weights = np.where(y == "c", 0.0, 1.0)
    model = SoftmaxRegression(C=np.inf, reference_class="a").fit(X, y, weights)
    assert model.converged_ and np.isfinite(model.intercept_).all()
    others = SoftmaxRegression(C=np.inf, reference_class="a").fit(X[y != "c"], y[y != "c"])
    np.testing.assert_allclose(model.coef_[1], others.coef_[0], atol=1e-3)
    with pytest.raises(ValueError, match="rows of positive weight of each class, got none of c:"):
        model.summary()
