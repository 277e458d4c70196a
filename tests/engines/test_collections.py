"""Dask's collections where no client's workers hold them: one block after another, here."""

import copy
import time
from itertools import pairwise

import numpy as np
import pytest
from support.partitions import of_arrays, rows, same_bits

from fastsoftmax import Blocks, MLPClassifier, SoftmaxRegression, SoftmaxRegressionCV

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
pytestmark = pytest.mark.filterwarnings("default")  # of other packages

X, Y, _ = rows("dense")
W = np.random.default_rng(3).random(len(Y))


def arrays(rows=1500):
    return (da.from_array(array, chunks=(rows, *array.shape[1:])) for array in (X, Y, W))


def test_without_a_client_collections_are_blocks():
    dX, dY, dW = arrays()
    model = SoftmaxRegression(tol=1e-9).fit(dX, dY, dW)
    blocks = [(X[i : i + 1500], Y[i : i + 1500], W[i : i + 1500]) for i in range(0, 6000, 1500)]
    assert same_bits(model, SoftmaxRegression(tol=1e-9).fit(Blocks(blocks)))
    assert model.predict(dX).compute().tolist() == model.predict(X).tolist()


def test_only_one_block_at_a_time_is_computed():
    alive, most = [], []

    def block(block_info=None):
        alive.append(1)
        most.append(len(alive))
        time.sleep(0.01)
        alive.pop()
        start = block_info[None]["array-location"][0][0]
        return X[start : start + 1500]

    dX = da.map_blocks(block, chunks=((1500,) * 4, (20,)), dtype=X.dtype)
    SoftmaxRegression().fit(dX, da.from_array(Y, chunks=1500))
    assert max(most) == 1


def test_the_most_probable_classes_are_computed_later():
    dX = next(arrays())
    model = SoftmaxRegression(C=0.1).fit(X, Y)
    labels, p = model.predict_topk(dX, 2, return_proba=True)
    assert labels.shape == p.shape == (len(X), 2)
    assert isinstance(labels, da.Array) and isinstance(p, da.Array)
    expected = model.predict_topk(X, 2, return_proba=True)
    np.testing.assert_array_equal(labels.compute(), expected[0])
    np.testing.assert_allclose(p.compute(), expected[1], rtol=1e-12)
    np.testing.assert_array_equal(model.predict_topk(dX, 1).compute(), expected[0][:, :1])


@pytest.mark.filterwarnings("ignore:Stochastic optimizer")
def test_what_is_computed_later_is_of_the_fit_that_was_asked():
    dX = next(arrays())
    model = SoftmaxRegression(C=0.1).fit(X, Y)
    later, expected = model.predict_proba(dX), model.predict_proba(X)
    model.fit(X, Y == 0).set_params(C=1.0)
    np.testing.assert_allclose(later.compute(), expected, rtol=1e-12)


def test_models_of_the_same_parameters_are_told_apart():
    """By Dask, which computes what has the same name once."""
    dX = next(arrays())
    models = [SoftmaxRegression().fit(X, labels) for labels in (Y, Y[::-1])]
    later = dask.compute(*(model.decision_function(dX) for model in models))
    for model, found in zip(models, later, strict=True):
        np.testing.assert_array_equal(found, model.decision_function(X))
    assert dask.tokenize.tokenize(models[0]) == dask.tokenize.tokenize(copy.deepcopy(models[0]))
    networks = [MLPClassifier(max_iter=1).fit(X, labels) for labels in (Y, Y[::-1])]
    assert len({dask.tokenize.tokenize(model) for model in [*models, *networks]}) == 4


def test_messages_name_the_block():
    model, bad = SoftmaxRegression().fit(X, Y), X.copy()
    bad[4571, 7] = np.nan
    dX = da.from_array(bad, chunks=(1500, -1))
    message = "^block 3: X: expected finite .* in row 71, column 7"
    later = (model.predict_proba(dX), model.predict(dX), model.predict_topk(dX, 2))
    for each in later:
        with pytest.raises(ValueError, match=message):
            dask.compute(each)
    with pytest.raises(ValueError, match=message):
        SoftmaxRegression().fit(dX, Y)


def fails_in_block(number):
    """X, of which a block cannot be read."""

    def block(block_info=None):
        if block_info[None]["chunk-location"][0] == number:
            raise OSError("cannot read it")
        return X[:1500]

    return da.map_blocks(block, chunks=((1500,) * 4, (20,)), meta=X[:0])


def test_a_block_that_cannot_be_made_is_named():
    with pytest.raises(OSError, match="cannot read it") as raised:
        SoftmaxRegression().fit(fails_in_block(2), Y)
    assert raised.value.__notes__ == ["in block 2"]


def test_scores_of_collections():
    dX, dY, dW = arrays()
    model = SoftmaxRegression().fit(X, Y)
    assert model.score(dX, dY) == model.score(dX, Y) == model.score(X, Y)
    assert model.score(dX, dY, dW) == pytest.approx(model.score(X, Y, W), rel=1e-12)
    assert model.score(dX, dY.rechunk(700), top_k=2) == model.score(X, Y, top_k=2)
    single = W.astype(np.float32)  # sums in float64
    expected = np.average(model.predict(X) == Y, weights=single.astype(float))
    assert model.score(X, Y, single) == pytest.approx(expected, rel=1e-14)
    with pytest.raises(TypeError, match="y: expected an array, as X is, got a collection"):
        model.score(X, dY)
    with pytest.raises(ValueError, match="y: expected 6000 rows, as X has, got 5999"):
        model.score(dX, dY[1:])


def test_partial_fit_goes_through_the_blocks():
    dX, dY, dW = arrays()
    model = SoftmaxRegression().partial_fit(dX, dY, range(4), dW)
    here = SoftmaxRegression()
    for i in range(0, 6000, 1500):
        here.partial_fit(X[i : i + 1500], Y[i : i + 1500], range(4), W[i : i + 1500])
    np.testing.assert_array_equal(model.coef_, here.coef_)


def test_partial_fit_goes_through_blocks_and_partitions():
    ends = (0, 100, 100, 2000)
    parts = of_arrays(X, Y, W, ends=ends)
    here = SoftmaxRegression()
    for a, b in pairwise((*sorted({*ends}), len(Y))):
        here.partial_fit(X[a:b], Y[a:b], range(4), W[a:b])
    for given in (parts, Blocks(list(parts))):
        model = SoftmaxRegression().partial_fit(given, classes=range(4))
        np.testing.assert_array_equal(model.coef_, here.coef_)
    with pytest.raises(TypeError, match="y: expected None beside Partitions"):
        SoftmaxRegression().partial_fit(parts, Y, classes=range(4))


def test_what_collections_may_not_be():
    dX, dY, _ = arrays()
    with pytest.raises(ValueError, match=r"X: expected all columns .* chunks of 10, 10: use"):
        SoftmaxRegression().fit(dX.rechunk((1500, 10)), dY)
    with pytest.raises(ValueError, match="y: expected 6000 rows, as X has, got 5999"):
        SoftmaxRegression().fit(dX, dY[1:])
    with pytest.raises(TypeError, match="y: expected an array, as X is, got a collection"):
        SoftmaxRegression().fit(X, dY)
    with pytest.raises(TypeError, match="X: expected an array, got a collection of Dask's"):
        MLPClassifier().fit(dX, Y)
    with pytest.raises(TypeError, match="X: expected an array or Blocks for cross-validation"):
        SoftmaxRegressionCV().fit(dX, dY)
    with pytest.raises(TypeError, match="offset: expected None beside a collection"):
        SoftmaxRegression().fit(dX, dY, offset=np.zeros((6000, 4)))
