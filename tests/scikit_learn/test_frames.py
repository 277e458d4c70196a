"""Data frames of pandas and polars, and what scikit-learn says of the names of their columns."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.exceptions import DataConversionWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from support.versions import at_least

from fastsoftmax import Adaline, LogisticRegression, MLPClassifier, MLPRegressor, SoftmaxRegression

NAMES = ["age", "income", "height"]
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def imported(name):
    library = pytest.importorskip(name)
    if name == "polars" and at_least(name, 1, 40) and not at_least("scikit-learn", 1, 9):
        pytest.skip("scikit-learn before 1.9 reads names by a protocol that polars 1.40 warns of")
    return library


@pytest.fixture(scope="module", params=["pandas", "polars"])
def library(request):
    return imported(request.param)


def data():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    return rng.normal(size=(60, 3)) + 2 * y[:, None], np.array(["no", "yes"])[y]


def frame_of(library, X, names=NAMES):
    return library.DataFrame({name: X[:, i] for i, name in enumerate(names)})


ESTIMATORS = {
    "SoftmaxRegression": SoftmaxRegression(),
    "LogisticRegression": LogisticRegression(),
    "sgd": LogisticRegression(solver="sgd", random_state=0),
    "Adaline": Adaline(random_state=0),
    "MLPClassifier": MLPClassifier(5, max_iter=5, random_state=0),
    "MLPRegressor": MLPRegressor(hidden_layer_sizes=5, max_iter=5, random_state=0),
}


def test_labels_in_a_frame_are_a_column(library):
    X, y = data()
    labels = library.DataFrame({"answer": y})
    for name in ("SoftmaxRegression", "MLPClassifier"):
        with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
            ESTIMATORS[name].fit(X, labels)
        assert ESTIMATORS[name].score(X, labels) > 0.5


@pytest.mark.parametrize("name", ESTIMATORS)
def test_names_of_features(library, name):
    model = ESTIMATORS[name]
    X, y = data()
    target = X[:, 0] if name == "MLPRegressor" else y
    by_array = model.fit(X, target).predict(X)
    assert not hasattr(model, "feature_names_in_")
    frame = frame_of(library, X)
    model.fit(frame, library.Series(target))
    assert model.feature_names_in_.tolist() == NAMES
    np.testing.assert_array_equal(model.predict(frame), by_array)

    with pytest.raises(ValueError, match=r"feature names should match.*\n.*same order"):
        model.predict(frame[NAMES[::-1]])
    with pytest.raises(ValueError, match=r"X has 2 features, but .* is expecting 3"):
        model.predict(frame[NAMES[:2]])
    renamed = frame_of(library, X, ["years", *NAMES[1:]])
    with pytest.raises(ValueError, match=r"feature names[\s\S]*years[\s\S]*age"):
        model.predict(renamed)
    with pytest.warns(UserWarning, match="X does not have valid feature names, but"):
        np.testing.assert_array_equal(model.predict(X), by_array)
    model.fit(X, target)
    with pytest.warns(UserWarning, match="X has feature names, but .* fitted without"):
        model.predict(frame)
    assert not hasattr(model, "feature_names_in_")


def test_partial_fit_remembers_the_names(library):
    X, y = data()
    frame = frame_of(library, X)
    for model in (SoftmaxRegression(), MLPClassifier(5)):
        model.partial_fit(frame, y, classes=["no", "yes"]).partial_fit(frame, y)
        assert model.feature_names_in_.tolist() == NAMES
        with pytest.raises(ValueError, match="feature names should match"):
            model.partial_fit(frame[NAMES[::-1]], y)


def test_columns_of_several_dtypes(library):
    X, y = data()
    X = np.round(4 * X)
    frame = frame_of(library, X)
    if library.__name__ == "pandas":
        frame = frame.astype({"age": "int16", "income": "Int64", "height": "float32"})
        weights = library.Series(np.arange(60.0), index=range(100, 160))
        labels = library.Series(y, index=range(60, 0, -1), dtype="category")
    else:
        frame = frame.with_columns(
            library.col("age").cast(library.Int16), library.col("income").cast(library.Int64)
        )
        weights, labels = library.Series(np.arange(60.0)), library.Series(y)
    model = SoftmaxRegression().fit(frame, labels, sample_weight=weights)
    expected = SoftmaxRegression().fit(X, y, sample_weight=np.arange(60))
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-6)
    assert model.predict(frame).tolist() == expected.predict(X).tolist()
    assert model.score(frame, labels) == expected.score(X, y)


def test_missing_values_are_named(library):
    X, y = data()
    frame = frame_of(library, X)
    if library.__name__ == "pandas":
        frame.loc[4, "income"] = None
    else:
        frame[4, "income"] = None
    with pytest.raises(ValueError, match="row 4, column 1"):
        SoftmaxRegression().fit(frame, y)


@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
def test_after_a_column_transformer(library, output):
    X, y = data()
    frame = frame_of(library, X)
    town = np.array(["Bern", "Oslo", "Rome"])[np.arange(60) % 3]
    if library.__name__ == "pandas":
        frame["town"] = town
    else:
        frame = frame.with_columns(town=library.Series(town))
    encoder = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    columns = make_column_transformer(
        (StandardScaler(), NAMES), (encoder, ["town"]), verbose_feature_names_out=False
    )
    if output != "default":
        imported(output)
        columns.set_output(transform=output)
    model = make_pipeline(columns, SoftmaxRegression()).fit(frame, y)
    assert model.predict_proba(frame).shape == (60, 2) and model.score(frame, y) > 0.8
    named = hasattr(model[-1], "feature_names_in_")
    assert named == (output != "default")
    if named:
        towns = ["town_Bern", "town_Oslo", "town_Rome"]
        assert model[-1].feature_names_in_.tolist() == NAMES + towns


def test_after_a_column_transformer_that_gives_sparse_rows():
    pandas = pytest.importorskip("pandas")
    X, y = data()
    frame = frame_of(pandas, X).assign(town=[f"town {i % 30}" for i in range(60)])
    columns = ColumnTransformer([("town", OneHotEncoder(), ["town"])], remainder="passthrough")
    model = make_pipeline(columns, SoftmaxRegression())
    assert model.fit(frame, y).score(frame, y) > 0.8
