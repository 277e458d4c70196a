"""Several targets on one X against a fit for each, and the passes that they share."""

import _thread
import signal
import time
import warnings

import numpy as np
import pytest
from scipy import sparse
from support.threads import are_at_most, running_threads

import fastsoftmax
from fastsoftmax import Blocks, SoftmaxRegression, fit_many
from fastsoftmax._engine import solvers
from fastsoftmax._engine.data import DenseData, SharedPasses
from fastsoftmax._engine.data.batch import Batch, Point
from fastsoftmax._engine.data.shared import bytes_of
from fastsoftmax._engine.data.stored_logits import StoredLogits
from fastsoftmax._engine.linalg import Workspace
from fastsoftmax._runtime.sklearn_compat import ConvergenceWarning


def made(n=3000, d=180, seed=0, dtype=np.float32):
    """X, and targets of 2, 3, and 10 classes, too large for fits in one call."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)).astype(dtype)
    scores = X.astype(float) @ rng.normal(size=(d, 15)) * 3 / np.sqrt(d)
    scores += rng.gumbel(size=scores.shape)
    names = np.array(["ant", "bee"])
    return X, [
        names[(scores[:, 0] > scores[:, 1]).astype(int)],
        scores[:, 2:5].argmax(axis=1),
        scores[:, 5:].argmax(axis=1),
        names[(scores[:, 1] > scores[:, 2]).astype(int)],
    ]


def mean_loss(model, X, y, s=None):
    """F of a model, in NumPy."""
    z = X.astype(float) @ model.coef_.T + model.intercept_
    z = np.column_stack([np.zeros(len(z)), z]) if z.shape[1] == 1 else z
    codes = np.searchsorted(model.classes_, y)
    s = np.ones(len(y)) if s is None else s
    top = z.max(axis=1)
    losses = top + np.log(np.exp(z - top[:, None]).sum(axis=1)) - z[np.arange(len(z)), codes]
    return (s @ losses + np.sum(model.coef_**2) / (2 * model.C)) / s.sum()


@pytest.fixture
def counted(monkeypatch):
    """The passes over all rows of each call of `fit_many`."""
    counts, run = [], SharedPasses.run

    def counting(self, jobs):
        results = run(self, jobs)
        counts.append(self.count)
        return results

    monkeypatch.setattr(SharedPasses, "run", counting)
    return counts


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_fits_are_those_of_single_targets(dtype):
    X, ys = made(dtype=dtype)
    many = fit_many(X, ys, Cs=[0.1, 1e-3])
    assert len(many) == len(ys)
    for row, y in zip(many, ys, strict=True):
        assert [model.C for model in row] == [0.1, 1e-3]
        for model in row:
            single = SoftmaxRegression(C=model.C).fit(X, y)
            assert type(model) is SoftmaxRegression and model.certified_ and model.converged_
            assert model.get_params() == single.get_params()
            assert vars(model).keys() == vars(single).keys()
            np.testing.assert_array_equal(model.classes_, single.classes_)
            np.testing.assert_allclose(model.objective_, single.objective_, rtol=1e-6)
            np.testing.assert_allclose(model.objective_, mean_loss(model, X, y), rtol=1e-6)
            assert model.gap_bound_ <= 1e-6 * model.objective_
            assert (model.predict(X) == single.predict(X)).mean() > 0.995
    for row in many:  # the first of a path begins as a single fit does
        single = SoftmaxRegression(C=1e-3).fit(X, ys[many.index(row)])
        assert abs(row[1].n_iter_ - single.n_iter_) <= 1


def test_passes_are_shared(counted):
    X, ys = made()
    for y in ys:
        fit_many(X, [y], Cs=[0.01])
    fit_many(X, ys, Cs=[0.01])
    *alone, together = counted
    assert min(alone) > 2
    assert together <= 1.2 * max(alone)


def test_an_int_is_a_number_of_strengths_and_a_float_is_one():
    X, ys = made(60, 3)
    for Cs, expected in [
        (2, [1e-4, 1e4]), (np.int64(1), [1e-4]), (2.0, [2.0]), (np.float32(0.5), [0.5]),
        (np.array(3.0), [3.0]), ([2], [2.0]), ([2.0, 0.5], [2.0, 0.5]),
    ]:  # fmt: skip
        ((*models,),) = fit_many(X, ys[:1], Cs=Cs)
        assert [model.C for model in models] == expected
    of_cv = fastsoftmax.SoftmaxRegressionCV(Cs=2, cv=2).fit(X, ys[0])
    assert of_cv.Cs_.tolist() == [1e-4, 1e4]


def test_what_is_kept_for_other_fits_stays_within_max_memory(monkeypatch):
    X, ys = made(d=300)
    kept, needed, once = [], {}, SharedPasses.once

    def watched(self, key, make):
        result = once(self, key, make)
        kept.append(sum(map(bytes_of, self._found.values())))
        needed[key] = bytes_of(result)
        return result

    monkeypatch.setattr(SharedPasses, "once", watched)
    Cs, memory = np.logspace(-3, -1, 8), 3 << 20
    many = fit_many(X, ys, Cs=Cs, max_memory=memory)
    assert max(kept) <= 0.4 * memory < sum(needed.values())
    for row, y in zip(many, ys, strict=True):
        single = SoftmaxRegression(C=Cs[-1], max_memory=memory).fit(X, y)
        np.testing.assert_allclose(row[-1].objective_, single.objective_, rtol=2e-6)


def test_what_was_not_asked_for_the_longest_goes_first():
    passes, made_of = SharedPasses(most=250), []

    def ask(key, size=12):
        def make():
            made_of.append(key)
            return np.zeros(size)

        assert len(passes.once(key, make)) == size

    for key in "abacab":  # of 96 bytes each
        ask(key)
    assert made_of == ["a", "b", "c", "b"]
    ask("large", 100)
    ask("large", 100)
    assert made_of[4:] == ["large", "large"]


def test_a_target_by_itself_takes_the_steps_of_a_fit():
    X, ys = made()
    for y in ys[:3]:
        ((model,),) = fit_many(X, [y], Cs=[0.01])
        single = SoftmaxRegression(C=0.01).fit(X, y)
        np.testing.assert_array_equal(model.coef_, single.coef_)
        assert model.n_passes_ == single.n_passes_ and len(model.history_) == len(single.history_)


@pytest.mark.parametrize(
    "params",
    [
        {"standardize": True, "feature_scale": np.linspace(0.5, 2, 180)},
        {"fit_intercept": False, "class_weight": "balanced"},
        {"penalty_factor": np.r_[0, 0, np.ones(178)], "label_smoothing": 0.1},
        {"solver": "lbfgs", "tol": 1e-4},
        {"max_memory": 1 << 20},
        {"n_threads": 1},
    ],
    ids=str,
)
def test_weights_and_parameters(params):
    X, ys = made()
    s = np.random.default_rng(1).uniform(0, 2, len(X))
    many = fit_many(X, ys, s, Cs=[0.01], **params)
    for (model,), y in zip(many, ys, strict=True):
        single = SoftmaxRegression(C=0.01, **params).fit(X, y, s)
        np.testing.assert_allclose(
            model.objective_, single.objective_, rtol=2 * params.get("tol", 1e-6)
        )
        assert model.certified_ == single.certified_


def test_targets_may_be_probabilities_and_counts_and_rows_few():
    X, ys = made(60, 5)
    P = np.eye(3)[ys[1]] * 0.7 + 0.1
    counts = np.eye(3, dtype=int)[ys[1]] * 3
    many = fit_many(X, [P, ys[1], P * 1.0], Cs=[1.0])
    single = SoftmaxRegression().fit(X, P)
    np.testing.assert_allclose(many[0][0].objective_, single.objective_, rtol=2e-6)
    ((of_counts,),) = fit_many(X, [counts], Cs=2.0, target="counts")
    assert of_counts.C == 2.0 and of_counts.certified_
    wide = np.hstack([X, np.random.default_rng(0).normal(size=(60, 500))])  # the space of the rows
    for (model,), y in zip(fit_many(wide, ys[:2], Cs=[0.1]), ys[:2], strict=True):
        np.testing.assert_allclose(
            model.objective_, SoftmaxRegression(C=0.1).fit(wide, y).objective_, rtol=2e-6
        )


def test_frames_keep_their_names():
    pandas = pytest.importorskip("pandas")
    X, ys = made(60, 3)
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    ((model,), _) = fit_many(frame, ys[:2])
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]


def test_warnings_and_errors_of_one_of_them():
    X, ys = made()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        many = fit_many(X, ys, Cs=[1.0], max_iter=1)
    assert [w.category for w in caught] == [ConvergenceWarning] * len(ys)
    assert not any(model.converged_ for row in many for model in row)
    for i, warning in enumerate(caught):
        assert str(warning.message).startswith(f"The fit of ys[{i}] with C = 1 did not converge:")
    with pytest.raises(ValueError, match=r"^ys\[1\]: expected 3000 labels") as error:
        fit_many(X, [ys[0], ys[1][:7]])
    assert not hasattr(error.value, "__notes__")
    with pytest.raises(ValueError, match=r"^class_weight: expected classes of y") as error:
        fit_many(X, ys[:2], class_weight={"ant": 1, "bee": 2})
    assert error.value.__notes__ == ["for ys[1]"]
    X[3, 4] = np.nan
    with pytest.raises(ValueError, match="X: expected finite"):
        fit_many(X, ys)


def test_what_a_fit_raises_ends_all(monkeypatch):
    X, ys = made()
    prove, calls = solvers.lbfgs.verify, []

    def failing(*args):
        calls.append(args)
        if len(calls) == 2:
            raise MemoryError("no more")
        return prove(*args)

    before = running_threads()
    monkeypatch.setattr(solvers.lbfgs, "verify", failing)
    with pytest.raises(MemoryError, match="no more"):
        fit_many(X, ys)
    assert are_at_most(before)
    monkeypatch.undo()
    assert all(model.certified_ for (model,) in fit_many(X, ys))


def test_an_interrupt_ends_fits_that_pass_alone():
    """Before their next pass, whether they wait for others or keep no logits to wait for."""
    X, _ = made(300, 5)
    passes, counts = SharedPasses(0), [0, 0]
    data = passes.of(DenseData(X, 1, Workspace()))

    def alone():
        for counts[0] in range(1, 100):
            data.value_and_grad(Point(np.zeros((2, 5), X.dtype)), Batch(np.zeros(300, np.int32)))
            if counts[0] == 3:
                signal.raise_signal(signal.SIGINT)
                time.sleep(1)

    def together():
        logits = StoredLogits(300, 2, data.dtype, 1)
        for counts[1] in range(1, 100):
            data.store_logits(np.zeros((2, 5), X.dtype), None, logits)

    before = running_threads()
    with pytest.raises(KeyboardInterrupt):
        passes.run([together, alone])
    assert counts == [4, 1]
    assert are_at_most(before)


@pytest.mark.parametrize("given", [0, 2])
def test_where_the_system_has_no_threads_to_give(given, monkeypatch):
    X, ys = made()
    expected, before = fit_many(X, ys), running_threads()
    start, started = _thread.start_new_thread, []

    def refused(*args):
        if len(started) == given:
            raise RuntimeError("can't start new thread")
        started.append(None)
        start(*args)

    monkeypatch.setattr(_thread, "start_new_thread", refused)
    found = fit_many(X, ys)
    assert are_at_most(before) and len(started) == given
    for (model,), (other,) in zip(found, expected, strict=True):
        np.testing.assert_allclose(model.objective_, other.objective_, rtol=1e-6)
        assert model.certified_ and model.n_iter_ == other.n_iter_


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda X, ys: fit_many(sparse.csr_array(X), ys), r"X: expected a dense array in fit_many"),
        (lambda X, ys: fit_many(Blocks([(X, ys[0])]), ys), r"X: expected a dense .* got Blocks"),
        (lambda X, ys: fit_many(X, ys[0]), r"ys: expected a list of targets, got ndarray"),
        (lambda X, ys: fit_many(X, []), r"ys: expected at least one target, got none"),
        (lambda X, ys: fit_many(X, ys, C=1.0), r"C: expected none for several fits"),
        (lambda X, ys: fit_many(X, ys, l1_ratio=0.5), r"l1_ratio: expected 0 in fit_many, got 0.5"),
        (lambda X, ys: fit_many(X, ys, calibrate=3), r"calibrate: expected None in fit_many"),
        (lambda X, ys: fit_many(X, ys, verbose=True), r"verbose: expected False in fit_many"),
        (lambda X, ys: fit_many(X, ys, Cs=[0.0]), r"Cs: expected numbers > 0"),
        (lambda X, ys: fit_many(X, ys, Cs=-1.0), r"Cs: expected numbers > 0, got -1"),
        (lambda X, ys: fit_many(X, ys, Cs=0), r"Cs: expected a number of strengths >= 1 or an"),
        (lambda X, ys: fit_many(X, ys, Cs=True), r"Cs: expected a number of strengths .* True"),
        (lambda X, ys: fit_many(X, ys, max_itr=3), r"fit_many: unknown parameter 'max_itr'"),
    ],
)
def test_what_it_refuses(call, message):
    X, ys = made(50, 4)
    with pytest.raises((ValueError, TypeError), match=message):
        call(X, ys)
    assert fastsoftmax.fit_many is fit_many
