"""`SoftmaxRegression` where scikit-learn's `LogisticRegression` was.

What scikit-learn's own tests of that class (sklearn/linear_model/tests/test_logistic.py, 1.9) ask
for, asked of this one, under their names. Left out, and why:

- liblinear, one-vs-rest: there is one model, softmax, whose intercept is never penalised
  (test_check_solver_option, test_liblinear_*, test_saga_vs_liblinear, ...).
- constructors and deprecated parameters, sparsify and LogisticRegressionCV: test_spellings.py and
  test_logistic_regression_cv.py ask for them.
- max_iter=0: it is at least 1 here.
- warnings by name of their solvers, and their callbacks; array namespaces beyond what
  `test_dtypes.py` covers.
"""

import itertools
import pickle

import numpy as np
import pytest
from scipy import sparse

pytest.importorskip("sklearn")

import sklearn
from sklearn.base import clone
from sklearn.datasets import load_iris, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import scale
from sklearn.utils import compute_class_weight
from support.sparse_rows import uniform

from fastsoftmax import LogisticRegression as OurLogisticRegression
from fastsoftmax import SoftmaxRegression, SoftmaxRegressionCV

SOLVERS = ["auto", "preconditioned-lbfgs", "lbfgs", "newton"]
TIGHT = {"tol": 1e-13}
POINTS, TWO, THREE = np.array([[-1.0, 0], [0, 1], [1, 1]]), np.array([0, 1, 1]), np.array([2, 1, 0])
SPARSE = [np.asarray, sparse.csr_matrix, sparse.csr_array, sparse.csc_array, sparse.coo_array]


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


def theirs(X, y, sample_weight=None, **parameters):
    """scikit-learn's fit, as close to its optimum as it gets."""
    return LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=500, **parameters).fit(
        X, y, sample_weight
    )


# the same class


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("C", [1e-2, 1.0, 100.0])
def test_same_optimum_and_shapes(n_classes, fit_intercept, C, iris):
    X, y = iris[0][iris[1] < n_classes], iris[1][iris[1] < n_classes]
    ours = SoftmaxRegression(C=C, fit_intercept=fit_intercept, **TIGHT).fit(X, y)
    other = theirs(X, y, C=C, fit_intercept=fit_intercept)
    for name in ("coef_", "intercept_"):
        np.testing.assert_allclose(getattr(ours, name), getattr(other, name), 1e-5, 1e-7)
        assert getattr(ours, name).shape == getattr(other, name).shape
        assert getattr(ours, name).dtype == getattr(other, name).dtype
    np.testing.assert_array_equal(ours.classes_, other.classes_)
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        mine, that = getattr(ours, method)(X), getattr(other, method)(X)
        assert mine.shape == that.shape and mine.dtype == that.dtype
        np.testing.assert_allclose(mine, that, 1e-5, 1e-6)


@pytest.mark.parametrize("container", SPARSE)
@pytest.mark.parametrize(
    ("parameters", "y"),
    [({}, TWO), ({"C": 100}, TWO), ({"fit_intercept": False}, TWO), ({"C": 10}, THREE)],
)
def test_predict_2_classes_and_3(container, parameters, y):
    model = SoftmaxRegression(**parameters).fit(container(POINTS), y)
    np.testing.assert_array_equal(model.predict(container(POINTS)), y)
    probabilities = model.predict_proba(container(POINTS))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), y)


def test_logistic_glmnet():
    # glmnet in R, alpha=0, lambda=1, standardize=F, by their test
    X = np.column_stack([np.arange(-4, 5), [0, 0, 1, 0, 1, 1, 1, 0, 0]])
    two = SoftmaxRegression(C=1 / 9, **TIGHT).fit(X, [0, 0, 0, 1, 1, 1, 1, 1, 1])
    np.testing.assert_allclose(two.intercept_, 0.89230405539, rtol=1e-5)
    np.testing.assert_allclose(two.coef_, [[0.44464569182, 0.01457563448]], rtol=1e-5)
    three = SoftmaxRegression(C=1 / 9, **TIGHT).fit(X, np.repeat([0, 1, 2], 3))
    np.testing.assert_allclose(
        three.intercept_, [-0.12004759652, 0.2251747383, -0.1051271418], rtol=1e-5
    )
    np.testing.assert_allclose(
        three.coef_,
        [
            [-0.38023389305, -0.01226499932],
            [-8.164030176e-05, 0.04734548012],
            [0.3803155334, -0.0350804808],
        ],
        rtol=1e-5,
        atol=1e-8,
    )


def test_inconsistent_input():
    X, y = np.random.default_rng(0).uniform(size=(5, 10)), [0, 1, 1, 1, 1]
    with pytest.raises(ValueError, match="expected 5 labels, one per row of X, got 4"):
        SoftmaxRegression().fit(X, y[:-1])
    with pytest.raises(ValueError, match="X has 12 features, but"):
        SoftmaxRegression().fit(X, y).predict(np.ones((3, 12)))


def test_write_parameters():
    model = SoftmaxRegression().fit(POINTS, TWO)
    model.coef_[:] = 0
    model.intercept_[:] = 0
    np.testing.assert_array_equal(model.decision_function(POINTS), 0)


def test_nan():
    X = POINTS.copy()
    X[0, 1] = np.nan
    with pytest.raises(ValueError, match=r"X: .*NaN"):
        SoftmaxRegression().fit(X, TWO)


def test_multinomial_logistic_regression_string_inputs():
    X, y = make_classification(50, 5, n_classes=3, n_informative=3, random_state=0)
    names = np.array(["bar", "baz", "foo"])
    numbers = SoftmaxRegression(**TIGHT).fit(X, y - 1)
    strings = SoftmaxRegression(**TIGHT).fit(X, names[y])
    np.testing.assert_array_equal(strings.coef_, numbers.coef_)
    assert strings.classes_.tolist() == ["bar", "baz", "foo"]
    assert set(strings.predict(X)) == set(names)
    weighted = SoftmaxRegression(class_weight={"bar": 1, "baz": 2, "foo": 0}).fit(X, names[y])
    assert set(weighted.predict(X)) == {"bar", "baz"}


@pytest.mark.parametrize("seed", range(3))
def test_logistic_regression_solvers(seed):
    X, y = make_classification(200, 10, n_informative=5, random_state=seed)
    models = [
        SoftmaxRegression(C=0.1, fit_intercept=False, solver=solver, **TIGHT).fit(X, y)
        for solver in SOLVERS
    ]
    for one, other in itertools.combinations(models, 2):
        np.testing.assert_allclose(one.coef_, other.coef_, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_logistic_regression_solvers_multiclass(fit_intercept):
    X, y = make_classification(20, 20, n_informative=10, n_classes=3, random_state=0)
    expected = theirs(X, y, fit_intercept=fit_intercept)
    for solver in SOLVERS:
        model = SoftmaxRegression(fit_intercept=fit_intercept, solver=solver, **TIGHT).fit(X, y)
        assert model.coef_.shape == (3, 20)
        np.testing.assert_allclose(model.coef_, expected.coef_, 1e-4, 1e-6)
        np.testing.assert_allclose(model.intercept_, expected.intercept_, 1e-4, 1e-6)


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_logistic_regression_solvers_multiclass_unpenalized(fit_intercept):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    y = np.argmax(X @ rng.uniform(0, 1, (4, 3)) + rng.gumbel(size=(200, 3)), axis=1)
    expected = theirs(X, y, C=np.inf, fit_intercept=fit_intercept)
    for solver in SOLVERS:
        model = SoftmaxRegression(C=np.inf, fit_intercept=fit_intercept, solver=solver, **TIGHT)
        model.fit(X, y)
        np.testing.assert_allclose(model.coef_.sum(axis=0), 0, atol=1e-10)
        np.testing.assert_allclose(model.coef_, expected.coef_, 1e-3, 1e-5)
        np.testing.assert_allclose(model.intercept_, expected.intercept_, 1e-3, 1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_logistic_regression_sample_weights(solver):
    X, y = make_classification(600, 5, n_informative=3, n_redundant=0, random_state=0)
    weights = np.ones(600)
    weights[:200] = np.random.default_rng(0).integers(0, 5, size=200)
    times = weights.astype(int)
    model = SoftmaxRegression(fit_intercept=False, solver=solver, **TIGHT)
    weighted = clone(model).fit(X, y, sample_weight=weights)
    repeated = clone(model).fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_logistic_regression_solver_class_weights(solver):
    X, y = make_classification(300, 5, n_informative=3, random_state=0)
    model = SoftmaxRegression(solver=solver, fit_intercept=False, **TIGHT)
    by_class = clone(model).set_params(class_weight={0: 1, 1: 2}).fit(X, y)
    by_row = clone(model).fit(X, y, sample_weight=y + 1)
    np.testing.assert_allclose(by_class.coef_, by_row.coef_, atol=1e-7)


@pytest.mark.parametrize("container", SPARSE)
@pytest.mark.parametrize("last", [150, 100])
def test_logistic_regression_class_weights(container, last, iris):
    X, y = container(scale(iris[0])[45:last]), iris[1][45:last]
    classes = np.unique(y)
    weight = compute_class_weight("balanced", classes=classes, y=y)
    by_name = dict(zip(classes.tolist(), weight.tolist(), strict=True))
    balanced = SoftmaxRegression(class_weight="balanced", **TIGHT).fit(X, y)
    named = SoftmaxRegression(class_weight=by_name, **TIGHT).fit(X, y)
    by_row = SoftmaxRegression(**TIGHT).fit(X, y, sample_weight=weight[y - classes[0]])
    for other in (named, by_row, theirs(X, y, class_weight="balanced")):
        np.testing.assert_allclose(balanced.coef_, other.coef_, 1e-4, 1e-6)


@pytest.mark.parametrize("class_weight", [{0: 1.0, 1: 10.0, 2: 1.0}, "balanced"])
def test_sample_weight_not_modified(class_weight, iris):
    weights = np.where(np.arange(150) < 75, 2.0, 1.0)
    expected = weights.copy()
    SoftmaxRegression(class_weight=class_weight).fit(*iris, sample_weight=weights)
    np.testing.assert_array_equal(weights, expected)


def test_logreg_predict_proba_multinomial():
    X, y = make_classification(10, 20, n_classes=3, n_informative=10, random_state=0)
    softmax = log_loss(y, SoftmaxRegression().fit(X, y).predict_proba(X))
    one_vs_rest = OneVsRestClassifier(SoftmaxRegression()).fit(X, y)
    assert softmax < log_loss(y, one_vs_rest.predict_proba(X))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("max_iter", [1, 2, 3])
def test_max_iter(solver, max_iter, iris):
    X, y = iris[0], iris[1] == 1
    with pytest.warns(ConvergenceWarning, match=f"did not converge: .* after {max_iter} iter"):
        model = SoftmaxRegression(max_iter=max_iter, tol=0, solver=solver).fit(X, y)
    assert model.n_iter_ == max_iter


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_warm_start(solver, fit_intercept, iris):
    # one more iteration hardly moves what converged; from the start it comes nowhere near it
    moved = {}
    for warm in (True, False):
        model = SoftmaxRegression(warm_start=warm, solver=solver, fit_intercept=fit_intercept)
        before = model.fit(*iris).coef_
        moved[warm] = np.abs(model.set_params(max_iter=1).fit(*iris).coef_ - before).sum()
    assert moved[True] < 0.05 and moved[False] > 0.5


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("container", SPARSE)
def test_dtype_match(fit_intercept, container):
    # float32 is computed with and answered in; the coefficients of a dense X are sums in float64
    fits = {}
    for dtype in (np.float32, np.float64):
        X = container(POINTS.astype(dtype))
        fits[dtype] = model = SoftmaxRegression(fit_intercept=fit_intercept).fit(X, TWO)
        assert model.decision_function(X).dtype == model.predict_proba(X).dtype == dtype
    np.testing.assert_allclose(fits[np.float32].coef_, fits[np.float64].coef_, atol=1e-3)


def test_elastic_net_coeffs():
    X, y = make_classification(random_state=0)
    models = [SoftmaxRegression(C=2, l1_ratio=r).fit(X, y).coef_ for r in (0.5, 1, 0)]
    for one, other in itertools.combinations(models, 2):
        assert not np.allclose(one, other, rtol=0, atol=1e-3)


@pytest.mark.parametrize("C", [0.001, 1, 100, 1e6])
def test_elastic_net_vs_l1_l2(C):
    # a better l1_ratio is found among several by cross-validation, as its score there says
    X, y = make_classification(500, random_state=0)
    X, held_out, y, _ = train_test_split(X, y, random_state=0)
    grid = {"l1_ratio": [0, 0.25, 0.5, 0.75, 1]}
    search = GridSearchCV(SoftmaxRegression(C=C, max_iter=5000), grid).fit(X, y)
    assert search.best_score_ == search.cv_results_["mean_test_score"].max()
    assert search.predict(held_out).shape == (125,)


@pytest.mark.parametrize("C", [1e-3, 0.1, 10])
@pytest.mark.parametrize("l1_ratio", [0.1, 0.5, 0.9])
def test_logistic_regression_elastic_net_objective(C, l1_ratio):
    X, y = make_classification(1000, 20, n_informative=10, n_redundant=0, random_state=0)
    X = scale(X)

    def objective(model):
        w = model.coef_.ravel()
        loss = log_loss(y, model.predict_proba(X)) * len(y)
        return C * loss + l1_ratio * np.abs(w).sum() + (1 - l1_ratio) / 2 * (w @ w)

    elastic, ridge, saga = (
        model.fit(X, y)
        for model in (
            SoftmaxRegression(C=C, l1_ratio=l1_ratio, fit_intercept=False, **TIGHT),
            SoftmaxRegression(C=C, fit_intercept=False, **TIGHT),
            # by its terms in versions before and after 1.8
            SoftmaxRegression(C=C, l1_ratio=l1_ratio, fit_intercept=False).fit(X, y).to_sklearn(),
        )
    )
    assert objective(elastic) < objective(ridge)
    assert objective(elastic) <= objective(saga) * (1 + 1e-12)
    np.testing.assert_allclose(objective(elastic), objective(saga), rtol=1e-3)


def test_c_inf_no_warning():
    X, y = make_classification(100, n_redundant=0, flip_y=0.4, random_state=42)
    SoftmaxRegression(C=np.inf).fit(X, y)  # warnings are errors here


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_multinomial_identifiability_on_iris(solver, fit_intercept, iris):
    model = SoftmaxRegression(C=150, solver=solver, fit_intercept=fit_intercept)
    model.fit(scale(iris[0]), iris[1])
    np.testing.assert_allclose(model.coef_.sum(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose(model.intercept_.sum(), 0, atol=1e-10)


@pytest.mark.parametrize("solver", SOLVERS)
def test_large_sparse_matrix(solver):
    X = uniform(20, 10, 0.2, np.random.default_rng(0))
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    SoftmaxRegression(solver=solver).fit(X, np.arange(20) % 2)


def test_large_values_are_not_stuck():
    # theirs raises for liblinear beyond 1e30
    X, y = np.array([[0.0], [1e100]]), [0, 1]
    assert SoftmaxRegression().fit(X, y).predict(X).tolist() == y


def test_single_feature():
    X = np.array([[0.5, 0.65, 1.1, 1.25, 0.8, 0.54, 0.95, 0.7]]).T
    y = np.array([1, 1, 0, 0, 1, 1, 0, 1])
    np.testing.assert_allclose(SoftmaxRegression(**TIGHT).fit(X, y).coef_, theirs(X, y).coef_, 1e-6)


# and back


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("feature_scale", [None, 0.1, np.array([1.0, 0.5, 2.0, 3.0])])
def test_to_sklearn(dtype, n_classes, feature_scale, iris):
    names = np.array(["setosa", "versicolor", "virginica"])
    X, y = iris[0][iris[1] < n_classes].astype(dtype), names[iris[1][iris[1] < n_classes]]
    ours = SoftmaxRegression(feature_scale=feature_scale, C=10).fit(X, y)
    model = pickle.loads(pickle.dumps(ours.to_sklearn()))
    assert type(model) is LogisticRegression
    assert model.coef_.dtype == ours.coef_.dtype and model.coef_.flags.c_contiguous
    np.testing.assert_array_equal(model.predict(X), ours.predict(X))
    for method in ("predict_proba", "predict_log_proba", "decision_function"):
        mine, that = getattr(ours, method)(X), getattr(model, method)(X)
        np.testing.assert_allclose(mine, that, rtol=1e-4, atol=1e-5)
    assert model.score(X, y) == ours.score(X, y)
    model.coef_[:] = 0  # its own
    assert ours.coef_.any()


@pytest.mark.filterwarnings("ignore:scipy.optimize:DeprecationWarning")  # of their older versions
@pytest.mark.parametrize("l1_ratio", [0, 0.5, 1])
def test_to_sklearn_keeps_the_parameters(l1_ratio, iris):
    X, y = scale(iris[0]), iris[1]
    ours = SoftmaxRegression(
        C=0.1,
        l1_ratio=l1_ratio,
        fit_intercept=False,
        class_weight="balanced",
        max_iter=777,
        **TIGHT,
    ).fit(X, y)
    model = ours.to_sklearn()
    expected = {"C": 0.1, "fit_intercept": False, "class_weight": "balanced", "max_iter": 777}
    assert expected.items() <= model.get_params().items()
    np.testing.assert_array_equal(model.n_iter_, [ours.n_iter_])
    again = model.set_params(max_iter=10_000, tol=1e-8).fit(X, y)
    np.testing.assert_allclose(again.coef_, ours.coef_, atol=1e-3)


def test_to_sklearn_of_other_fits(iris):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(iris[0], columns=list("abcd"))
    model = SoftmaxRegression().fit(frame, iris[1]).to_sklearn()
    assert model.feature_names_in_.tolist() == list("abcd")
    model.predict(frame)  # without a warning
    streamed = SoftmaxRegression().partial_fit(*iris, classes=[0, 1, 2])
    np.testing.assert_array_equal(streamed.to_sklearn().predict(iris[0]), streamed.predict(iris[0]))
    referred = SoftmaxRegression(reference_class=1).fit(*iris)
    np.testing.assert_allclose(
        referred.to_sklearn().predict_proba(iris[0]), referred.predict_proba(iris[0]), atol=1e-9
    )
    binary = OurLogisticRegression().fit(iris[0], iris[1] == 1)
    np.testing.assert_allclose(
        binary.to_sklearn().predict_proba(iris[0]), binary.predict_proba(iris[0]), atol=1e-9
    )
    assert not hasattr(streamed.to_sklearn(), "n_iter_")
    chosen = SoftmaxRegressionCV(Cs=[0.01, 1.0], cv=2).fit(*iris)
    assert chosen.to_sklearn().C == chosen.C_
    np.testing.assert_array_equal(chosen.to_sklearn().predict(iris[0]), chosen.predict(iris[0]))


def test_to_sklearn_where_it_cannot(iris):
    with pytest.raises(sklearn.exceptions.NotFittedError, match="not fitted yet"):
        SoftmaxRegression().to_sklearn()
    several = OurLogisticRegression().fit(iris[0], np.eye(3, dtype=int)[iris[1]])
    with pytest.raises(ValueError, match="to_sklearn: expected a model of one label per row"):
        several.to_sklearn()
