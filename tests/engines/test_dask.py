"""Fits on workers of dask.distributed, by loopback: with a worker killed, to the same bits."""

import operator
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from support.failing import RAISED, ends, raises, require_as_raised, with_one
from support.partitions import of_arrays, part, partitions, rows, same_bits
from support.threads import at_once

import fastsoftmax
from fastsoftmax import (
    LogisticRegression,
    Partitions,
    SoftmaxRegression,
)
from fastsoftmax._runtime.engines import entered, wire
from fastsoftmax._runtime.engines.dask import Dask, HeldByDask
from fastsoftmax._runtime.engines.dask_faults import FaultRules
from fastsoftmax._runtime.engines.dask_tasks import made_here
from fastsoftmax._runtime.engines.dask_workers import known_workers
from fastsoftmax._runtime.engines.in_process import InProcess
from fastsoftmax._runtime.threads import available_threads

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")
pytest.importorskip("dask.bag")
pd = pytest.importorskip("pandas")
pytestmark = [
    pytest.mark.filterwarnings("default"),  # of other packages
    pytest.mark.xdist_group("dask"),
]

X, Y, Z = rows("dense")
W = np.random.default_rng(3).random(len(Y))


@pytest.fixture(scope="module")
def client():
    config = {
        "distributed.worker.memory.terminate": False,
        "distributed.logging": {},
        "distributed.deploy.lost-worker-timeout": "1h",  # workers start again, however busy it is
    }
    threads = os.environ.get("OMP_NUM_THREADS")
    with (
        dask.config.set(config),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client
    if threads is None:
        os.environ.pop("OMP_NUM_THREADS", None)  # which a cluster leaves behind


@pytest.fixture(scope="module")
def expected():
    """Of this process."""
    with fastsoftmax._runtime.engines.entered(fastsoftmax._runtime.engines.in_process.InProcess()):
        return {
            name: SoftmaxRegression(C=0.1).fit(partitions(name)) for name in ("dense", "sparse")
        }


@pytest.mark.parametrize("name", ["dense", "sparse"])
def test_the_bits_are_those_of_this_process(client, expected, name):
    assert same_bits(SoftmaxRegression(C=0.1).fit(partitions(name)), expected[name])


def test_a_worker_has_the_threads_that_dask_says(monkeypatch):
    worker = SimpleNamespace(state=SimpleNamespace(nthreads=3))
    monkeypatch.setattr(distributed, "get_worker", lambda: worker)
    before = available_threads()
    assert made_here({0: available_threads}, wire.packed((operator.call, ()))) == {0: 3}
    assert available_threads() == before


def test_a_round_takes_a_task_for_each_worker_and_one_less_to_add(client, monkeypatch):
    submitted, submit = [], type(client).submit

    def counted(self, function, *args, **more):
        submitted.append(function.__name__)
        return submit(self, function, *args, **more)

    monkeypatch.setattr(type(client), "submit", counted)
    rounds = []
    add = HeldByDask.sum

    def summed(self, *args):
        before = len(submitted)
        result = add(self, *args)
        rounds.append(len(submitted) - before)
        return result

    monkeypatch.setattr(HeldByDask, "sum", summed)
    SoftmaxRegression().fit(partitions("dense"))
    assert set(rounds) == {2 * 2 - 1}


# ---- collections


def frame(of_y=Y):
    frame = pd.DataFrame(X, columns=[f"f{i}" for i in range(X.shape[1])])
    frame["y"], frame["w"] = of_y, W
    return frame


def collections(npartitions=5):
    import dask.dataframe as dd

    whole = dd.from_pandas(frame(np.array(["b", "a", "d", "c"])[Y]), npartitions=npartitions)
    return whole[[f"f{i}" for i in range(X.shape[1])]], whole["y"], whole["w"]


def arrays(rows=1500):
    return (da.from_array(array, chunks=(rows, *array.shape[1:])) for array in (X, Y, W))


def test_arrays(client):
    dX, dY, dW = arrays()
    model = SoftmaxRegression(C=0.1, tol=1e-11).fit(dX, dY, dW)
    here = SoftmaxRegression(C=0.1, tol=1e-11).fit(X, Y, W)
    assert model.certified_
    assert model.objective_ == pytest.approx(here.objective_, rel=1e-10)
    parts = of_arrays(X, Y, W, ends=range(0, 6000, 1500))
    with entered(InProcess()):  # the same partitions
        assert same_bits(SoftmaxRegression(C=0.1, tol=1e-11).fit(parts), model)
    proof = model.certify(dX, dY, dW)
    assert proof.gap_bound <= 1e-9 * proof.objective


def test_unequal_blocks_and_arrays_that_are_here(client):
    dX, dY, _ = arrays()
    one = SoftmaxRegression().fit(dX, dY)
    other = SoftmaxRegression().fit(dX, da.from_array(Y, chunks=700))
    assert same_bits(one, other)
    assert same_bits(one, fastsoftmax.fit(dX, Y))


def test_frames_of_unknown_lengths(client):
    dX, dy, dw = collections()
    few = dX["f0"] > 0.5  # some partitions may be empty
    model = SoftmaxRegression(C=0.1, tol=1e-9).fit(dX[few], dy[few], dw[few])
    some = X[:, 0] > 0.5
    here = SoftmaxRegression(C=0.1, tol=1e-9).fit(X[some], Y[some], W[some])
    assert model.objective_ == pytest.approx(here.objective_, rel=2e-9)
    assert model.classes_.tolist() == ["a", "b", "c", "d"]
    assert model.feature_names_in_.tolist() == list(dX.columns)
    assert model.predict(dX[few]).compute().tolist() == model.predict(dX[few].compute()).tolist()


@pytest.mark.parametrize("kind", ["strings", "categories", "numbers"])
def test_labels_of_frames(client, kind):
    """One of the categories has no rows."""
    dX, dy, _ = collections()
    y = pd.Series(np.array(["b", "a", "d", "c"])[Y])
    if kind == "categories":
        of = pd.CategoricalDtype(["d", "c", "never", "b", "a"])
        dy, y = dy.astype(of), y.astype(of)
    elif kind == "numbers":
        dy = dy.map({"a": 5, "b": -1, "c": 9, "d": 2}, meta=("y", "int64"))
        y = pd.Series(np.array([-1, 5, 2, 9])[Y])
    model = SoftmaxRegression(C=0.1, tol=1e-11).fit(dX, dy)
    here = SoftmaxRegression(C=0.1, tol=1e-11).fit(X, y)
    assert model.objective_ == pytest.approx(here.objective_, rel=1e-10)
    assert model.classes_.tolist() == here.classes_.tolist()
    assert model.predict(dX).compute().tolist() == here.predict(X).tolist()


def first_rows(part):
    return part[part.index < 2500]


def test_empty_partitions_of_frames(client):
    dX, dy, _ = collections(6)
    first, labels = (each.map_partitions(first_rows) for each in (dX, dy))
    model = LogisticRegression(C=0.1, tol=1e-9).fit(first, labels)
    here = LogisticRegression(C=0.1, tol=1e-9).fit(X[:2500], Y[:2500])
    assert model.objective_ == pytest.approx(here.objective_, rel=2e-9)
    assert len(model.predict_proba(first).compute()) == 2500


def test_offsets_and_several_labels(client):
    dX, _, dW = arrays()
    offset = np.random.default_rng(4).normal(size=Z.shape)
    model = SoftmaxRegression(tol=1e-9).fit(dX, Y, dW, offset=da.from_array(offset, chunks=1000))
    here = SoftmaxRegression(tol=1e-9).fit(X, Y, W, offset=offset)
    assert model.objective_ == pytest.approx(here.objective_, rel=2e-9)
    several = (Z > 1).astype(int)
    model = LogisticRegression(tol=1e-9).fit(dX, da.from_array(several, chunks=(1500, -1)))
    here = LogisticRegression(tol=1e-9).fit(X, several)
    assert model.objective_ == pytest.approx(here.objective_, rel=2e-9)


def test_predictions_come_later(client):
    dX, dY, _ = arrays()
    model = SoftmaxRegression().fit(dX, dY)
    for name in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        later, here = getattr(model, name)(dX), getattr(model, name)(X)
        assert isinstance(later, da.Array)
        assert later.dtype == here.dtype and later.shape == here.shape
        np.testing.assert_array_equal(later.compute(), here)
    binary = SoftmaxRegression().fit(X, Y > 0)
    assert binary.decision_function(dX).compute().tolist() == binary.decision_function(X).tolist()


def test_scores_of_collections(client):
    dX, dY, dW = arrays()
    model = SoftmaxRegression().fit(X, Y)
    assert model.score(dX, dY, dW) == pytest.approx(model.score(X, Y, W), rel=1e-12)
    assert model.score(dX, Y, top_k=2) == model.score(X, Y, top_k=2)
    frame, labels, _ = collections()
    named = SoftmaxRegression().fit(frame, labels)
    assert named.score(frame, labels) == model.score(X, Y)


def test_what_has_no_blocks_of_rows(client):
    model = SoftmaxRegression().fit(X, Y)
    dX, dY, _ = arrays()
    later = dask.delayed(X)
    for call in (
        lambda: model.fit(later, dY),
        lambda: model.predict(later),
        lambda: model.fit(dask.bag.from_sequence([X, X]), dY),
    ):
        with pytest.raises(TypeError, match="X: expected an array or a frame of Dask's, got"):
            call()
    with pytest.raises(TypeError, match="y: expected an array or a frame of Dask's, got Delayed"):
        model.fit(dX, later)
    with pytest.raises(ValueError, match=r"X: expected a 2-d collection \(rows, features\), got 1"):
        model.predict(dX[:, 0])


def test_workers_are_asked_for_where_a_client_has_forgotten_them(client, monkeypatch):
    """An answer without workers takes the place of what the client knows, at any time."""
    monkeypatch.setattr(client, "scheduler_info", lambda **_: {"workers": {}})
    assert len(known_workers(client)) == 2


def test_messages_name_the_partition(client):
    bad = X.copy()
    bad[4571, 7] = np.inf
    with pytest.raises(ValueError, match=r"partition 3: X: expected finite .* in row 71, column 7"):
        SoftmaxRegression().fit(da.from_array(bad, chunks=(1500, -1)), Y)
    later = SoftmaxRegression().fit(X, Y).predict_proba(da.from_array(bad, chunks=(1500, -1)))
    with pytest.raises(ValueError, match=r"block 3: X: expected finite .* in row 71, column 7"):
        later.compute()


@pytest.mark.parametrize("name", RAISED)
def test_what_a_loader_raises_has_its_partition_and_traceback(client, name):
    with pytest.raises((Exception, SystemExit)) as raised:
        SoftmaxRegression().fit(with_one(partial(raises, name)))
    require_as_raised(raised.value, name)


@pytest.mark.parametrize("error", [OSError("cannot read it"), StopIteration("cannot read it")])
def test_a_block_that_cannot_be_made_is_named(client, error):
    def block(block_info=None):
        if block_info[None]["chunk-location"][0] == 2:
            raise error
        return np.ones((1500, 20))

    dX = da.map_blocks(block, chunks=((1500,) * 4, (20,)), meta=X[:0])
    with pytest.raises((OSError, RuntimeError), match=r"cannot read it|StopIteration") as raised:
        SoftmaxRegression().fit(dX, Y)
    assert raised.value.__notes__ == ["in partition 2"]


@pytest.mark.parametrize("failures", [0, 100])
def test_a_partition_whose_loader_ends_its_worker_is_named(client, monkeypatch, failures):
    """Whether Dask gives the partition up, or this process the round."""
    monkeypatch.setattr(client.cluster.scheduler, "allowed_failures", failures)
    with (
        entered(Dask(client, FaultRules(tries=1, poll=0.2))),
        pytest.raises((RuntimeError, distributed.KilledWorker)) as raised,
    ):
        SoftmaxRegression().fit(with_one(partial(ends, "SIGKILL"), at=1, count=2))
    assert any("partition 1" in note for note in raised.value.__notes__)
    client.wait_for_workers(2, timeout=60)


# ---- faults


def slow_part(*args):
    """Rows, loaded slowly enough for a worker to die meanwhile."""
    time.sleep(0.1)
    return part(*args)


def killer(client, after, seconds):
    """A callback that kills a worker after so many iterations."""
    killed = []

    def callback(state):
        if state.n_iter == after and not killed:
            worker = min(known_workers(client))
            killed.append(client.run(os.getpid, workers=[worker])[worker])
            os.kill(killed[0], signal.SIGKILL)

    return killed, callback


def test_a_fit_beside_a_killed_worker_has_the_same_bits(client, expected):
    killed, callback = killer(client, 2, 0)
    model = SoftmaxRegression(C=0.1).fit(partitions("dense"), callback=callback)
    assert killed
    assert same_bits(model, expected["dense"])
    client.wait_for_workers(2, timeout=60)


def kill(client, workers):
    """The first of the workers end at once."""
    addresses = known_workers(client)[:workers]
    for pid in client.run(os.getpid, workers=addresses).values():
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("name", "function", "large"),
    [
        ("dense", "describe", HeldByDask.large),
        ("dense", "every", HeldByDask.large),  # rows to build preconditioners from
        ("sparse", "diagonal_sums", 1),  # whose arguments are data of workers
        ("sparse", "value_and_grad", HeldByDask.large),
        ("dense", "value_and_grad", 1),
        ("dense", "sum_of_pieces", 1),  # the proof
    ],
)
def test_workers_killed_in_a_round(client, expected, monkeypatch, name, function, workers, large):
    monkeypatch.setattr(HeldByDask, "large", large)
    tasks, killed = HeldByDask._tasks, []

    def deadly(self, size, applied, args):
        submitted = tasks(self, size, applied, args)
        if applied.__name__ == function and not killed:
            killed.append(True)
            kill(client, workers)
        return submitted

    monkeypatch.setattr(HeldByDask, "_tasks", deadly)
    assert same_bits(SoftmaxRegression(C=0.1).fit(partitions(name)), expected[name])
    assert killed
    client.wait_for_workers(2, timeout=60)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_killed_while_partitions_are_loaded(client, expected, workers):
    slow = Partitions(
        [type(loader)(slow_part, *loader.args) for loader in partitions("dense").loaders]
    )
    timer = threading.Timer(0.25, kill, (client, workers))
    timer.start()
    assert same_bits(SoftmaxRegression(C=0.1).fit(slow), expected["dense"])
    client.wait_for_workers(2, timeout=60)


def once(action):
    """A callback that acts in the second iteration."""
    done = []

    def callback(state):
        if state.n_iter == 2 and not done:
            done.append(action())

    return callback


def test_blocks_of_a_collection_where_all_workers_are_killed(client):
    dX, dY, _ = arrays(1000)
    here = SoftmaxRegression(C=0.1).fit(dX, dY)
    model = SoftmaxRegression(C=0.1).fit(dX, dY, callback=once(lambda: kill(client, 2)))
    assert same_bits(model, here)
    client.wait_for_workers(2, timeout=60)


def test_rows_that_were_scattered_are_lost_with_the_workers(client):
    blocks = client.scatter([X[:3000], X[3000:]])
    dX = da.concatenate(
        [da.from_delayed(dask.delayed(block), (3000, 20), X.dtype) for block in blocks]
    )
    message = "rows that are lost with the workers that had them, of partition 0, 1: let workers"
    with pytest.raises(RuntimeError, match=message):
        SoftmaxRegression(C=0.1).fit(
            dX, da.from_array(Y, chunks=3000), callback=once(lambda: kill(client, 2))
        )
    client.wait_for_workers(2, timeout=60)


def test_no_worker_is_left(client):
    began, engine = time.time(), Dask(client, FaultRules(wait=3.0))
    message = "expected workers, got none for 3 s after all of them"
    with entered(engine), pytest.raises(RuntimeError, match=message):
        SoftmaxRegression(C=0.1).fit(
            partitions("dense"), callback=once(lambda: client.cluster.scale(0))
        )
    assert time.time() - began < 60
    client.cluster.scale(2)
    client.wait_for_workers(2, timeout=60)


async def fails():
    raise KeyError("tcp://127.0.0.1:1")  # as Dask does where a worker went meanwhile


class Failing:
    """A client that cannot scatter, so often."""

    def __init__(self, client, times):
        self.client, self.times = client, times

    def __getattr__(self, name):
        return getattr(self.client, name)

    def scatter(self, *args, **how):
        self.times -= 1
        return fails() if self.times >= 0 else self.client.scatter(*args, **how)


def sleeps(partition, seconds):
    time.sleep(seconds)
    return partition


def test_a_slow_worker_is_waited_for(client):
    """However often it is asked meanwhile whether workers work."""
    rules = FaultRules(poll=0.02, tries=1)
    held = Dask(client, rules).hold(float, [(0.6,), (0.0,)])
    assert held.map(sleeps, per=[0.6, 0.0]).each(float) == [0.6, 0.0]
    assert held.each(sleeps, 0.3) == [0.6, 0.0]
    assert held.sum(sleeps, 0.3) == 0.6


@pytest.mark.parametrize("times", [2, FaultRules().tries])
def test_data_that_a_lost_worker_was_to_get_is_sent_again(client, times):
    rules = FaultRules(pause=0.01)
    held = Dask(Failing(client, times), rules).hold(tuple, [([1.0],), ([2.0],)])
    held.large = 1
    if times < rules.tries:
        assert held.each(sum) == [1.0, 2.0]
        assert held.traffic.rounds == 2 + times
    else:
        with pytest.raises(RuntimeError, match="workers were lost 6 times during one round"):
            held.each(sum)


def test_a_retired_worker(client, expected):
    def callback(state):
        if state.n_iter == 2:
            client.retire_workers([min(known_workers(client))])

    model = SoftmaxRegression(C=0.1).fit(partitions("dense"), callback=callback)
    assert same_bits(model, expected["dense"])
    client.cluster.scale(3)
    client.wait_for_workers(2, timeout=60)


def test_two_fits_at_once(client, expected):
    def fit(name):
        with client.as_current():
            return SoftmaxRegression(C=0.1).fit(partitions(name))

    for model, alone in zip(at_once(fit, expected), expected.values(), strict=True):
        assert same_bits(model, alone)


def test_ctrl_c_raises_at_once_and_leaves_no_tasks(client):
    def callback(state):
        if state.n_iter == 2:
            os.kill(os.getpid(), signal.SIGINT)

    model = SoftmaxRegression(C=0.1)
    with pytest.raises(KeyboardInterrupt):
        model.fit(partitions("dense"), callback=callback)
    assert not hasattr(model, "coef_")
    deadline = time.time() + 10
    while any(client.processing().values()) and time.time() < deadline:
        time.sleep(0.05)
    assert not any(client.processing().values())


@pytest.fixture
def processes(tmp_path):
    """A scheduler and a worker, each a process of its own."""
    file = str(tmp_path / "scheduler.json")
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--scheduler-file", file]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", file]
    here = {"cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    started = []
    for command in (
        [*scheduler, "--host", "127.0.0.1", "--port", "0", "--no-dashboard"],
        [*worker, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--death-timeout", "10"],
    ):
        started.append(subprocess.Popen(command, env=environment, **here))
    yield file, started[0]
    for process in started:
        process.kill()
        process.wait(10)


def test_a_killed_scheduler_is_an_error_and_the_callback_has_the_model(processes):
    file, scheduler = processes
    seen, killed_at = [], []

    def callback(state):
        seen.append(state.coef)
        if state.n_iter == 2:
            scheduler.kill()
            killed_at.append(time.time())

    deadline = time.time() + 30
    while not os.path.exists(file) and time.time() < deadline:
        time.sleep(0.05)
    config = {"distributed.comm.timeouts.connect": "1s"}
    with dask.config.set(config), distributed.Client(scheduler_file=file, timeout=20) as client:
        client.wait_for_workers(1, timeout=30)
        with client.as_current(), pytest.raises(Exception, match=r"."):
            SoftmaxRegression(C=0.1).fit(partitions("dense"), callback=callback)
        assert time.time() - killed_at[0] < 20
    assert len(seen) == 2 and np.isfinite(seen[-1]).all()


def test_models_travel(client):
    model = SoftmaxRegression().fit(*list(arrays())[:2])
    assert pickle.loads(pickle.dumps(model)).coef_.tolist() == model.coef_.tolist()


def test_dask_ml(client):
    wrappers = pytest.importorskip("dask_ml.wrappers")
    dX, dY, _ = arrays()
    post = wrappers.ParallelPostFit(SoftmaxRegression()).fit(X, Y)
    assert post.predict(dX).compute().tolist() == post.estimator.predict(X).tolist()
    assert post.score(dX, dY) == post.estimator.score(X, Y)
    incremental = wrappers.Incremental(SoftmaxRegression()).fit(dX, dY, classes=range(4))
    assert incremental.score(dX, dY) == incremental.estimator_.score(X, Y) > 0.5


def test_adaptive_scaling_is_refused(client):
    """And a fixed number of workers, which is adaptive in name alone, is not."""
    cluster = client.cluster
    try:
        cluster.adapt(minimum=1, maximum=2, interval="1h")  # nothing is to happen meanwhile
        with pytest.raises(
            RuntimeError, match=r"expected a fixed number of workers.* between 1 and 2"
        ):
            SoftmaxRegression(C=0.1).fit(partitions("dense"))
        cluster.adapt(minimum=2, maximum=2, interval="1h")
        assert SoftmaxRegression(C=0.1).fit(partitions("dense")).certified_
    finally:
        cluster._adaptive.stop()
        cluster._adaptive = None
