"""SoftmaxRegression ends at the optimum that scikit-learn, R and the data's README name."""

import csv

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from support.optimum import gap_bound, read_arff, sum_objective
from threadpoolctl import threadpool_limits

from fastsoftmax import SoftmaxRegression
from fastsoftmax.datasets import load_digits, load_mnist


def standardised(X):
    return (X - X.mean(axis=0)) / X.std(axis=0)


def ours(X, y, sample_weight=None, **params):
    # one thread: the bits are the same, and two wait for one another where a core is busy
    params = {"tol": 1e-10, "max_iter": 10_000, "n_threads": 1, **params}
    model = SoftmaxRegression(**params).fit(X, y, sample_weight=sample_weight)
    assert model.converged_
    return model


def assert_same_optimum(X, y, *, solver, C=1.0, sample_weight=None, fit_intercept=True):
    model = ours(X, y, sample_weight, C=C, fit_intercept=fit_intercept)
    reference = LogisticRegression(
        C=C, fit_intercept=fit_intercept, solver=solver, tol=1e-12, max_iter=1000
    )
    with threadpool_limits(1):  # OpenBLAS's threads wait for one another where a core is busy
        reference.fit(X, y, sample_weight)
    weights = 1.0 if sample_weight is None else sample_weight
    expected = sum_objective(reference, X, y, C=C, sample_weight=weights)
    got = sum_objective(model, X, y, C=C, sample_weight=weights)
    assert got == pytest.approx(expected, rel=1e-8, abs=0)
    assert model.coef_.shape == reference.coef_.shape
    assert model.intercept_.shape == reference.intercept_.shape
    scale = C * np.sum(np.broadcast_to(weights, len(X)))
    if np.isfinite(C):
        assert model.objective_ * scale == pytest.approx(got, rel=1e-10)
    return model, reference


@pytest.fixture(scope="module")
def iris(data_folder):
    return read_arff(data_folder / "uci" / "iris.arff")


@pytest.fixture(scope="module")
def letter(data_folder):
    X, y = read_arff(data_folder / "uci" / "letter.arff")
    return standardised(X), y


@pytest.fixture(scope="module")
def mnist(data_folder):
    return load_mnist(data_folder / "mnist")


@pytest.mark.parametrize("C", [0.01, 1, 100])
def test_digits(C):
    X, y = load_digits()
    assert_same_optimum(X.astype(float), y, C=C, solver="newton-cholesky")


@pytest.mark.parametrize("C", [0.01, 1, 100])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_iris(iris, C, fit_intercept):
    model, reference = assert_same_optimum(
        *iris, C=C, solver="newton-cholesky", fit_intercept=fit_intercept
    )
    # the gap is quadratic in the coefficients' distance: about half of its digits
    np.testing.assert_allclose(model.coef_, reference.coef_, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        model.intercept_, reference.intercept_ - reference.intercept_.mean(), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("C", [0.01, 1, 100])
def test_letter(letter, C):
    assert_same_optimum(*letter, C=C, solver="newton-cg")


@pytest.mark.parametrize("C", [0.01, 1, 100])
def test_mnist_5000_by_certificate(mnist, C):
    # strong convexity bounds the gap without a reference fit, which takes long at C = 100
    X, y = mnist.X_train[:5000] / 255, mnist.y_train[:5000]
    model = ours(X, y, C=C, tol=1e-11)
    value = sum_objective(model, X, y, C=C)
    assert gap_bound(model, X, y, C=C) <= 1e-8 * value
    if C == 1:
        reference = LogisticRegression(C=C, solver="newton-cg", tol=1e-9, max_iter=1000).fit(X, y)
        assert value == pytest.approx(sum_objective(reference, X, y, C=C), rel=1e-8)


def test_mnist_float32(mnist):
    X = mnist.X_train.astype(np.float32) / 255
    model = SoftmaxRegression().fit(X, mnist.y_train)
    assert model.converged_
    assert model.objective_ * len(X) == pytest.approx(13927.06, rel=1e-6)
    assert sum_objective(model, X, mnist.y_train, C=1) == pytest.approx(13927.06, rel=1e-6)
    X_test = mnist.X_test.astype(np.float32) / 255
    assert 0.925 <= model.score(X_test, mnist.y_test) <= 0.926


@pytest.mark.parametrize("C", [0.01, 1, 100, np.inf])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_two_classes_are_one_logit(iris, C, fit_intercept):
    X, y = iris[0][50:], iris[1][50:]  # versicolor and virginica: not separable
    model, reference = assert_same_optimum(
        X, y, C=C, solver="newton-cholesky", fit_intercept=fit_intercept
    )
    assert model.coef_.shape == (1, 4) and model.intercept_.shape == (1,)
    np.testing.assert_allclose(model.coef_, reference.coef_, rtol=1e-3, atol=1e-4)


def test_two_digits():
    X, y = load_digits()
    rows = np.isin(y, [3, 8])
    assert_same_optimum(X[rows].astype(float), y[rows], solver="newton-cholesky")


@pytest.mark.parametrize("n_classes", [2, 3])
def test_sample_weight(iris, n_classes):
    X, y = (part[50 * (3 - n_classes) :] for part in iris)
    weights = np.random.default_rng(0).exponential(size=len(y))
    weights[::7] = 0
    assert_same_optimum(X, y, sample_weight=weights, solver="newton-cholesky")


@pytest.mark.parametrize("n_classes", [2, 3])
def test_integer_weights_are_repeated_rows(iris, n_classes):
    X, y = (part[50 * (3 - n_classes) :] for part in iris)
    times = np.random.default_rng(0).integers(0, 4, len(y))
    weighted = ours(X, y, sample_weight=times)
    repeated = ours(np.repeat(X, times, axis=0), np.repeat(y, times))
    assert weighted.objective_ == pytest.approx(repeated.objective_, rel=1e-9)
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(weighted.intercept_, repeated.intercept_, rtol=1e-4, atol=1e-4)


def test_weights_of_any_scale_change_the_penalty_only(iris):
    # C·Σ sᵢ·CEᵢ + ½·‖W‖²: a thousandfold weight is a thousandfold C
    X, y = iris
    heavy = ours(X, y, sample_weight=np.full(len(y), 1000.0), C=0.01)
    plain = ours(X, y, C=10)
    np.testing.assert_allclose(heavy.coef_, plain.coef_, rtol=1e-9)


def read_table(path, delimiter):
    with path.open(newline="") as file:
        return [
            {name.strip("'"): value for name, value in row.items()}
            for row in csv.DictReader(file, delimiter=delimiter)
        ]


def unpenalised(X, y, sample_weight=None):
    model = ours(X, y, sample_weight, C=np.inf, tol=1e-12)
    weights = 1.0 if sample_weight is None else sample_weight
    return model, sum_objective(model, X, y, C=np.inf, sample_weight=weights)


def test_anes96(data_folder):
    rows = read_table(data_folder / "stat-reference" / "anes96.csv", "\t")
    y = np.array([int(row["PID"]) for row in rows])
    X = np.array(
        [
            [np.log(float(row["popul"]) + 0.1)]
            + [float(row[name]) for name in ("selfLR", "age", "educ", "income")]
            for row in rows
        ]
    )
    assert unpenalised(X, y)[1] == pytest.approx(1461.922747312, abs=1e-6)
    # a feature that says nothing leaves the classes' shares
    assert unpenalised(np.zeros((len(y), 1)), y)[1] == pytest.approx(1750.34670999, abs=1e-7)


# "relative to the base class": differences of logits
def against_base(model, base):
    table = np.column_stack([model.intercept_, model.coef_])
    return table - table[list(model.classes_).index(base)]


def test_hsbdemo(data_folder):
    rows = read_table(data_folder / "stat-reference" / "hsbdemo.csv", ";")
    X = np.array(
        [[row["ses"] == "middle", row["ses"] == "high", float(row["write"]) / 10] for row in rows],
        dtype=float,
    )
    model, loss = unpenalised(X, [row["prog"] for row in rows])
    assert loss == pytest.approx(179.981726, abs=1e-6)
    assert model.classes_.tolist() == ["academic", "general", "vocation"]
    expected = [
        [0, 0, 0, 0],
        [2.8521862, -0.533291, -1.162832, -0.579284],
        [5.2182002, 0.2913931, -0.9826703, -1.136026],
    ]
    np.testing.assert_allclose(against_base(model, "academic"), expected, rtol=1e-4)


def test_housing_by_frequencies(data_folder):
    rows = read_table(data_folder / "stat-reference" / "MASS_housing.csv", ",")
    levels = {
        "Infl": ("Medium", "High"),
        "Type": ("Apartment", "Atrium", "Terrace"),
        "Cont": ("High",),
    }
    X = np.array(
        [
            [row[name] == level for name, others in levels.items() for level in others]
            for row in rows
        ],
        dtype=float,
    )
    frequencies = np.array([float(row["Freq"]) for row in rows])
    model, loss = unpenalised(X, [row["Sat"] for row in rows], frequencies)
    assert loss == pytest.approx(1735.041933, abs=1e-6)
    table = against_base(model, "Low")
    expected = {
        "Medium": [-0.4192316, 0.4464003, 0.6649367, -0.4356851, 0.1313663, -0.6665728, 0.3608513],
        "High": [-0.1387453, 0.7348626, 1.6126294, -0.7356261, -0.4079808, -1.4123333, 0.4818236],
    }
    for name, row in expected.items():
        got = table[list(model.classes_).index(name)]
        np.testing.assert_allclose(got, row, rtol=1e-4)
