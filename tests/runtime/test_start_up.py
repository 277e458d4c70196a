"""What the import and the first calls load: not SciPy or scikit-learn for dense arrays."""

import sys

import pytest
from support.processes import run

HEAVY = (
    "scipy",
    "sklearn",
    "unittest",
    "numpy.f2py",
    "importlib.metadata",
    "pathlib",
    "dataclasses",
)
LOADED = """
import sys
before = set(sys.modules)
{code}
print(*(set(sys.modules) - before))
"""
FUNCTIONS = """
import numpy as np
import fastsoftmax as fs
z, y = np.zeros((5, 3), np.float32), [0, 1, 2, 1, 0]
fs.softmax(z), fs.log_softmax(z), fs.logsumexp(z), fs.softmax_vjp(z, z)
fs.cross_entropy(z, y), fs.cross_entropy_value_and_grad(z, y), fs.nll_loss(z, y)
fs.sigmoid(z), fs.log_sigmoid(z), fs.logit(z), fs.binary_cross_entropy(z, z)
fs.mse(z, z), fs.mae(z, z), fs.one_hot(y, 3)
fs.linear_cross_entropy(z, z[:3], None, y), fs.linear_cross_entropy_value_and_grad(z, z, None, y)
"""


def loaded(code):
    """The modules that the code brings along, beyond those of NumPy."""
    result = run(LOADED.format(code=code), PYTHONSAFEPATH="1")
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def of(heavy, modules):
    return {name for name in modules if name == heavy or name.startswith(f"{heavy}.")}


@pytest.mark.parametrize("heavy", HEAVY)
def test_the_import_loads_nothing_heavy(heavy):
    assert not of(heavy, loaded("import fastsoftmax") - loaded("import numpy"))


def test_the_import_leaves_kernels_and_estimators_to_their_first_use():
    modules = loaded("import fastsoftmax")
    assert {"fastsoftmax._core", "fastsoftmax._core._cpu"} <= modules
    assert not {name for name in modules if name.endswith("_kernels")}
    assert not of("fastsoftmax._engine", modules) | of("fastsoftmax._linear", modules)


@pytest.mark.parametrize("heavy", HEAVY[:4])
def test_functions_of_dense_arrays_load_nothing_heavy(heavy):
    assert not of(heavy, loaded(FUNCTIONS) - loaded("import numpy"))


def test_only_the_level_and_the_precision_in_use_are_loaded():
    from fastsoftmax import _core

    parts = {name.split(".")[2] for name in loaded(FUNCTIONS) if name.endswith("_kernels")}
    found = {part for part in parts if part[-4:] in ("_f32", "_f64")}
    # the level of matrix units has the other kernels of v4
    assert found <= {f"{level}_f32" for level in (_core.level, _core.level.partition("_")[0])}
    assert found


@pytest.mark.skipif(sys.platform != "linux", reason="needs limits of memory")
@pytest.mark.parametrize("call", ["fs.softmax(z)", "fs.SoftmaxRegression().fit(z, y)"])
def test_kernels_for_which_no_memory_is_left_are_a_memory_error(call):
    code = f"""
import resource
import numpy as np
import fastsoftmax as fs
z, y = np.eye(5), np.arange(5)
fs.SoftmaxRegression
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 100_000, -1))
try:
    {call}
except MemoryError as error:
    resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
    print(error)
    {call}
"""
    result = run(code)
    assert result.stdout.startswith("no memory was left to load fastsoftmax._core."), result.stderr
    assert result.returncode == 0, result.stderr


def test_kernels_that_cannot_be_loaded_for_other_reasons_are_an_import_error():
    from fastsoftmax import _core

    with pytest.raises(ImportError, match="no_such_kernels"):
        _core._on_demand("no_such_kernels")


def test_a_fit_of_dense_x_loads_of_scikit_learn_the_base_class():
    pytest.importorskip("sklearn")
    fit = """
import numpy as np
from fastsoftmax import SoftmaxRegression
X = np.random.default_rng(0).standard_normal((60, 3))
SoftmaxRegression().fit(X, np.arange(60) % 3).predict(X)
"""
    assert of("sklearn", loaded(fit)) <= of("sklearn", loaded("import sklearn.base"))
    assert not of("scipy.optimize", loaded(fit) - loaded("import sklearn.base"))


@pytest.mark.parametrize("kind", ["csr_array", "csr_matrix", "coo_array"])
def test_sparse_input_is_recognised(kind):
    code = f"""
import fastsoftmax as fs
dense = fs.linear_cross_entropy([[1.0, 0.0], [0.0, 2.0]], [[1.0, 2.0], [3.0, 4.0]], None, [0, 1])
from scipy import sparse
X = sparse.{kind}([[1.0, 0.0], [0.0, 2.0]])
value = fs.linear_cross_entropy(X, [[1.0, 2.0], [3.0, 4.0]], None, [0, 1])
assert abs(value - dense) < 1e-15, (value, dense)
try:
    fs.softmax(X)
except TypeError as error:
    assert "got a sparse {kind}" in str(error), error
else:
    raise AssertionError("softmax took it")
"""
    result = run(code)
    assert result.returncode == 0, result.stderr


def test_threads_that_make_the_first_calls_at_once():
    code = """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
import numpy as np
import fastsoftmax
X = np.random.default_rng(0).standard_normal((60, 3))
y, start = np.arange(60) % 3, Barrier(16)
def work(i):
    start.wait()
    fit = i % 2 and fastsoftmax.SoftmaxRegression(tol=1e-10).fit(X, y).coef_
    return fastsoftmax.softmax(X).sum(), fit if i % 2 else None
with ThreadPoolExecutor(16) as pool:
    found = list(pool.map(work, range(16)))
assert {round(float(total), 6) for total, _ in found} == {60.0}
assert len({fit.tobytes() for _, fit in found if fit is not None}) == 1
"""
    result = run(code)
    assert result.returncode == 0, result.stderr


def test_an_import_of_scipy_under_way_in_another_thread_does_no_harm(monkeypatch):
    from types import ModuleType

    from fastsoftmax import softmax

    monkeypatch.setitem(sys.modules, "scipy.sparse", ModuleType("scipy.sparse"))
    assert softmax([0.0, 0.0]).tolist() == [0.5, 0.5]


def test_all_public_names_are_there():
    import fastsoftmax

    assert set(fastsoftmax.__all__) <= set(dir(fastsoftmax))
    for name in fastsoftmax.__all__:
        assert getattr(fastsoftmax, name).__name__.rpartition(".")[2] == name
    with pytest.raises(AttributeError, match="no attribute 'softmin'"):
        _ = fastsoftmax.softmin
