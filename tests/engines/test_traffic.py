"""What goes between this process and workers: counted, and of sparse rows only what they need."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from scipy import sparse
from support.partitions import Counting, of_arrays, partitions, rows, same_bits

from fastsoftmax import SoftmaxRegression, load
from fastsoftmax._engine.data.partitioned.by_feature import ByFeature, Weights
from fastsoftmax._runtime.engines import entered, pipes
from fastsoftmax.engines import Processes


def test_history_has_rounds_and_bytes(monkeypatch, tmp_path):
    sent, got, send, answer = [], [], pipes.send, pipes.answer

    def sends(connection, task, call):
        sent.append(len(call))
        send(connection, task, call)

    def answers(connection):
        succeeded, result = answer(connection)
        got.append(len(result) if result != pickle.dumps({}, pickle.HIGHEST_PROTOCOL) else 0)
        return succeeded, result

    monkeypatch.setattr(pipes, "send", sends)
    monkeypatch.setattr(pipes, "answer", answers)
    with Processes(2):
        model = SoftmaxRegression(C=0.1).fit(partitions("dense"))
    last = model.history_[-1]
    assert last.n_bytes == sum(sent) + sum(got)
    assert 2 * last.n_rounds == len(sent)
    for before, after in pairwise(model.history_):
        assert before.n_rounds < after.n_rounds and before.n_bytes < after.n_bytes
    model.save(tmp_path / "model")
    assert load(tmp_path / "model").history_ == model.history_
    here = SoftmaxRegression(C=0.1).fit(partitions("dense"))
    assert [each.n_rounds for each in here.history_] == [each.n_rounds for each in model.history_]
    assert {each.n_bytes for each in here.history_} == {0}
    X, y, _ = rows("dense")
    last = SoftmaxRegression(C=0.1).fit(X, y).history_[-1]
    assert last.n_rounds == last.n_bytes == 0


def test_numbers_of_absent_features_are_not_sent():
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(1000, 3))
    numbers[rng.random(1000) < 0.8] = 0
    numbers[:4] = [[0, 0, 1], [-0.0, 0, 0], [0, np.nan, 0], [0, 0, 0]]
    packed = pickle.dumps(ByFeature(numbers))
    assert pickle.loads(packed).numbers.tobytes() == numbers.tobytes()
    assert len(packed) < 0.25 * numbers.nbytes
    some = rng.random(1000) < 0.2
    W = pickle.loads(pickle.dumps(Weights(numbers.T, some)))
    assert W.shape == (3, 1000)
    np.testing.assert_array_equal(W, np.where(some, numbers.T, 0))


@pytest.fixture
def disjoint():
    """Rows whose features depend on the half in which they are, but for a few."""
    X, y, _ = rows("sparse")
    X = sparse.csr_array(X)
    n, d = X.shape
    halves = [X[: n // 2], X[n // 2 :]]
    nothing = [sparse.csr_array((half.shape[0], d - 10)) for half in halves]
    first = sparse.hstack([halves[0], nothing[0]])
    last = sparse.hstack([halves[1][:, :10], nothing[1], halves[1][:, 10:]])
    return sparse.csr_array(sparse.vstack([first, last])), y


def test_an_evaluation_sends_what_the_rows_of_a_worker_have(disjoint):
    X, y = disjoint
    ends = range(0, X.shape[0], 500)
    with entered(counting := Counting()):
        model = SoftmaxRegression().fit(of_arrays(X, y, ends=ends))
    assert same_bits(model, SoftmaxRegression().fit(of_arrays(X, y, ends=ends)))
    numbers, share = model.coef_.size + model.intercept_.size, 400 / X.shape[1]
    evaluations = [r for r in counting.rounds if r[0] in ("value_and_grad", "curved")]
    assert len(evaluations) > 5
    for name, sent, got in evaluations:
        models = 2 if name == "curved" else 1
        assert sent + got <= 1.1 * share * (models + 1) * 8 * numbers + 1000
    here = SoftmaxRegression(tol=1e-9).fit(X, y)
    assert model.objective_ == pytest.approx(here.objective_, rel=2e-6)
