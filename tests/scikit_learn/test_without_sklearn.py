"""The package works where scikit-learn is missing, and says what is wrong where it is broken."""

import os
import subprocess
import sys

import pytest

# find_spec answers None, as it does for a package that is not installed
HIDE_SKLEARN = "import sys; sys.modules['sklearn'] = None"

DATA = """
import numpy as np
from fastsoftmax import SoftmaxRegression

X = np.random.default_rng(0).normal(size=(60, 3))
y = np.arange(60) % 3
X += 2 * np.eye(3)[y]
"""


def run(code, *, path=None, fails=False):
    """What the code prints, or if it fails its standard error stream."""
    env = os.environ | ({"PYTHONPATH": str(path)} if path else {})
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert bool(done.returncode) == fails, done.stderr
    return done.stderr if fails else done.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import fastsoftmax; fastsoftmax.softmax([0.0, 1.0])",
        "import fastsoftmax.functional",
        "import fastsoftmax; fastsoftmax.datasets.load_digits(); fastsoftmax.show_versions()",
        "import fastsoftmax; dir(fastsoftmax); hasattr(fastsoftmax, 'no_such_name')",
        "import fastsoftmax._engine.objective, fastsoftmax._engine.solvers",
    ],
)
def test_functions_never_import_scikit_learn(code):
    check = "import sys; print([name for name in sys.modules if name.startswith('sklearn')])"
    assert run(f"{code}\n{check}").splitlines()[-1] == "[]"


def test_estimators_import_scikit_learn_where_it_is():
    pytest.importorskip("sklearn")
    assert run(DATA + "import sys; print('sklearn' in sys.modules)") == "True\n"


def test_fit_and_predict():
    out = run(
        HIDE_SKLEARN
        + DATA
        + """
model = SoftmaxRegression(C=10).fit(X, y)
assert sys.modules["sklearn"] is None
assert model.converged_
predicted = model.predict(X)
assert model.predict_proba(X).shape == model.predict_log_proba(X).shape == (60, 3)
assert isinstance(model.score(X, y), float)
assert model.score(X, y) == np.mean(predicted == y) > 0.8
assert model.score(X, y, sample_weight=(predicted == y)) == 1
import fastsoftmax, pickle
np.testing.assert_array_equal(fastsoftmax.fit(X, y, C=10).coef_, model.coef_)
np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), predicted)
print("done")
"""
    )
    assert out == "done\n"


def test_scores_of_columns_and_of_several_labels():
    """A column y is not compared with all predictions; all labels of a row are to be right."""
    out = run(
        HIDE_SKLEARN
        + DATA
        + """
from fastsoftmax import LogisticRegression, MLPRegressor
model = SoftmaxRegression().fit(X, y)
assert model.score(X, y[:, None]) == model.score(X, y)
Y = np.eye(3, dtype=int)[y]
several = LogisticRegression().fit(X, Y)
assert several.score(X, Y) == np.mean((several.predict(X) == Y).all(axis=1))
regressor = MLPRegressor(hidden_layer_sizes=3, batch_size="full").partial_fit(X, X[:, 0])
assert regressor.score(X, X[:, :1]) == regressor.score(X, X[:, 0])
print("done")
"""
    )
    assert out == "done\n"


def test_parameters_and_repr():
    out = run(
        HIDE_SKLEARN
        + DATA
        + """
model = SoftmaxRegression(C=0.5, n_threads=2)
print(model)
print(SoftmaxRegression())
print(*sorted(model.get_params()))
print(model.get_params(deep=False) == model.get_params())
print(model.set_params(C=np.inf, tol=1e-3) is model, model.C, model.tol, model.n_threads)
try:
    model.set_params(penalty="l2")
except ValueError as error:
    print(error)
"""
    )
    lines = out.splitlines()
    assert lines[0] == "SoftmaxRegression(C=0.5, n_threads=2)"
    assert lines[1] == "SoftmaxRegression()"
    assert lines[2] == (
        "C calibrate class_weight feature_scale fit_intercept l1_group l1_ratio label_smoothing "
        "max_iter max_memory n_threads penalty_factor random_state reference_class solver "
        "standardize tol verbose warm_start"
    )
    assert lines[3:5] == ["True", "True inf 0.001 2"]
    assert lines[5].startswith("Invalid parameter 'penalty' for estimator SoftmaxRegression(")
    assert "'warm_start'" in lines[5]


def test_errors_and_warnings():
    out = run(
        HIDE_SKLEARN
        + DATA
        + """
import warnings
from fastsoftmax._runtime.sklearn_compat import ConvergenceWarning, NotFittedError

try:
    SoftmaxRegression().predict(X)
except NotFittedError as error:
    print(isinstance(error, ValueError) and isinstance(error, AttributeError), error)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    SoftmaxRegression(max_iter=1).fit(X, y)
print([w.category is ConvergenceWarning and issubclass(w.category, UserWarning) for w in caught])
try:
    SoftmaxRegression(C=0).fit(X, y)
except ValueError as error:
    print(error)
"""
    )
    not_fitted, warned, refused = out.splitlines()
    assert not_fitted.startswith("True This SoftmaxRegression instance is not fitted yet")
    assert warned == "[True]"
    assert refused == "C: expected a number > 0, got 0"


def test_names_that_need_an_estimator_still_say_so():
    assert "has no attribute 'LogisticRegresion'" in run(
        HIDE_SKLEARN + "\nimport fastsoftmax; fastsoftmax.LogisticRegresion", fails=True
    )


def test_a_broken_scikit_learn_raises_its_own_error(tmp_path):
    (tmp_path / "sklearn").mkdir()
    (tmp_path / "sklearn" / "__init__.py").write_text("raise ImportError('broken installation')\n")
    # the functions do without
    assert run("import fastsoftmax; print(fastsoftmax.softmax([0.0]))", path=tmp_path) == "[1.]\n"
    error = run("from fastsoftmax import SoftmaxRegression", path=tmp_path, fails=True)
    assert error.splitlines()[-1] == "ImportError: broken installation"


@pytest.mark.parametrize(
    "files",
    [
        {"__init__.py": "", "base.py": "raise ImportError('broken installation')\n"},
        {"__init__.py": "import no_such_part_of_sklearn\n"},
        {},  # what an uninstallation may leave behind
    ],
)
def test_a_scikit_learn_that_is_broken_further_down(files, tmp_path):
    (tmp_path / "sklearn").mkdir()
    for name, text in files.items():
        (tmp_path / "sklearn" / name).write_text(text)
    # before any other folder where a whole one may be
    first = f"import sys; sys.path[:] = [{str(tmp_path)!r}] + [p for p in sys.path if p]\n"
    error = run(first + WITHOUT_WHOLE_ONES + "import fastsoftmax._linear", fails=True)
    assert error.splitlines()[-1].startswith(("ImportError: broken", "ModuleNotFoundError: No mod"))


# A folder without __init__.py gives way to a package further on: here there is none.
WITHOUT_WHOLE_ONES = """
import importlib.machinery, importlib.abc
class Only(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "sklearn":
            return importlib.machinery.PathFinder.find_spec(name, sys.path[:1])
sys.meta_path.insert(0, Only())
"""


def test_networks():
    out = run(
        HIDE_SKLEARN
        + DATA
        + """
import pickle
from fastsoftmax import Adaline, LogisticRegression, MLPClassifier, MLPRegressor
quick = dict(max_iter=1000, tol=0.01, n_iter_no_change=20, random_state=0)
for model, target in (
    (MLPClassifier(9, learning_rate_init=0.01, **quick), y),
    (MLPRegressor(hidden_layer_sizes=9, learning_rate_init=0.01, **quick), X @ [1.0, 2.0, 3.0]),
    (Adaline(), y > 0),
    (LogisticRegression(), y > 0),
):
    model.fit(X, target)
    assert 0 < model.score(X, target) <= 1
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
    assert repr(model).startswith(type(model).__name__)
    try:
        type(model)().predict(X)
    except ValueError as error:
        assert "not fitted yet" in str(error)
assert sys.modules["sklearn"] is None
print("done")
"""
    )
    assert out == "done\n"


def test_sparse_rows_targets_and_solvers():
    out = run(
        HIDE_SKLEARN
        + DATA
        + """
import fastsoftmax
from fastsoftmax import LogisticRegression
from scipy import sparse

dense = SoftmaxRegression(tol=1e-12).fit(X, y)
for form in ("csr", "csc", "coo"):
    S = sparse.coo_array(X).asformat(form)
    model = SoftmaxRegression(tol=1e-12).fit(S, y)
    np.testing.assert_allclose(model.coef_, dense.coef_, rtol=1e-6, atol=1e-9)
    assert model.score(S, y) == dense.score(X, y)
table = np.eye(3)[y]
for given in (table, table.astype(int)):
    model = SoftmaxRegression(tol=1e-12).fit(X, given, target="counts")
    np.testing.assert_allclose(model.coef_, dense.coef_, 1e-6)
for solver in fastsoftmax._engine.solvers.SOLVERS:
    r = 0.5 * (solver == "proximal-newton")
    given = X, y
    if solver == "dual-ascent":
        given = sparse.csr_array(np.tile(np.eye(60), (50, 1))), np.arange(3000) % 7 > 3
    assert SoftmaxRegression(solver=solver, l1_ratio=r, tol=1e-3).fit(*given).converged_
assert LogisticRegression().fit(X, table.astype(int)).predict(X).shape == (60, 3)
SoftmaxRegression().partial_fit(X, y, [0, 1, 2]).partial_fit(sparse.csr_array(X), y)
try:
    dense.to_sklearn()
except ImportError as error:
    print(error)
"""
    )
    assert out.startswith("to_sklearn: expected scikit-learn, which is not installed")


def test_files(tmp_path):
    out = run(
        HIDE_SKLEARN
        + DATA
        + f"""
import fastsoftmax
path = {str(tmp_path / "model")!r}
for model in (SoftmaxRegression(), fastsoftmax.MLPClassifier(4, max_iter=900, tol=0.1)):
    model.fit(X, y).save(path)
    copy = fastsoftmax.load(path)
    np.testing.assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    assert repr(copy) == repr(model) and copy.history_ == model.history_
try:
    SoftmaxRegression().save(path)
except ValueError as error:
    print(error)
"""
    )
    assert out.startswith("This SoftmaxRegression instance is not fitted yet")
