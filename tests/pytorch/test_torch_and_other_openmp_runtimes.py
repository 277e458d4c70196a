"""Several OpenMP runtimes in one process: PyTorch's, scikit-learn's, oneDAL's TBB, and ours.

No crash, no hang and right results, in any order of imports. scikit-learn-intelex takes part where
it is installed.
"""

import itertools
from importlib.util import find_spec

import pytest
from support.processes import run

pytest.importorskip("torch")
pytest.importorskip("sklearn")
PACKAGES = ["fastsoftmax", "torch", "sklearn.linear_model"]
if find_spec("sklearnex") is not None:
    PACKAGES.append("sklearnex.linear_model")

WORK = """
import numpy as np
rng = np.random.default_rng(0)
X = rng.standard_normal((20_000, 40))
y = (X[:, :5] + rng.gumbel(size=(20_000, 5))).argmax(axis=1)

def ours():
    model = fastsoftmax.SoftmaxRegression(C=1.0, tol=1e-9, n_threads=2).fit(X, y)
    return model.coef_

def theirs():
    tensor = torch.from_numpy(X)
    np.testing.assert_allclose((tensor.T @ tensor).numpy(), X.T @ X, rtol=1e-9, atol=1e-8)
    loss = torch.nn.functional.cross_entropy(tensor[:, :5], torch.from_numpy(y)).item()
    assert abs(loss - fastsoftmax.cross_entropy(X[:, :5], y)) < 1e-12
    return sklearn.linear_model.LogisticRegression(C=1.0, tol=1e-8, max_iter=500).fit(X, y).coef_

torch.set_num_threads(2)
first, reference, second = ours(), theirs(), ours()
np.testing.assert_array_equal(first, second)
np.testing.assert_allclose(first, reference, atol=2e-5)
if "sklearnex" in globals():
    patched = sklearnex.linear_model.LogisticRegression(C=1.0, tol=1e-8, max_iter=500)
    np.testing.assert_allclose(patched.fit(X, y).coef_, reference, atol=1e-3)
    np.testing.assert_array_equal(ours(), first)
"""


@pytest.mark.parametrize("order", list(itertools.permutations(PACKAGES)), ids="-".join)
def test_imports_in_any_order(order):
    imports = "".join(f"import {name}\n" for name in order)
    result = run(f"import warnings; warnings.simplefilter('ignore')\n{imports}{WORK}")
    assert result.returncode == 0, result.stderr
