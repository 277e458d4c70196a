"""What is interrupted, and what has to be whole afterwards: the object, and the process.

    python tests/support/interrupted.py [points] [signals]

prints a table of so many injected errors, and of real SIGINTs at random times (`.ci/long`).
"""

import copy
import shutil
import signal
import sys
import tempfile
import time
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from support.estimators import ESTIMATORS, LARGE, SMALL, same, second_data
from support.interrupts import Places, lost_errors, raise_at, signalled
from support.threads import are_at_most, running_threads

import fastsoftmax
import fastsoftmax.formula
from fastsoftmax import (
    Blocks,
    LogisticRegression,
    MLPClassifier,
    Partitions,
    SoftmaxRegression,
    SoftmaxRegressionCV,
)


class Case(NamedTuple):
    """Something that is acted on."""

    make: Callable[[], Any]
    act: Callable[[Any], Any]
    state: Callable[[Any], Any] = vars


def numbers_of(results):
    """What a model by a formula says of its terms."""
    return results.terms, results.params, results.cov_params(), results.predict_proba(FRAME)


class Folder:
    """A saved model, and another that is to be saved in its place."""

    def __init__(self):
        folder = tempfile.mkdtemp()
        weakref.finalize(self, shutil.rmtree, folder)
        self.path = Path(folder, "model.npz")
        fastsoftmax.fit(*SMALL).save(self.path)
        self.model = fastsoftmax.fit(*LARGE)

    def __deepcopy__(self, memo):
        return Folder()

    def save(self):
        self.model.save(self.path)

    def state(self):
        """The files, and what the model's says."""
        names = sorted(path.name for path in self.path.parent.iterdir())
        return {"names": names, **vars(fastsoftmax.load(self.path))}


def nothing(subject):
    """The state of what a function is called with: it makes something new."""


def of_call(call):
    """A function that is called."""
    return Case(object, lambda _: call(), nothing)


X, Y = LARGE
S = sparse.csr_array(X * (X > 0.5))
HALVES = Blocks([(X[:50], Y[:50]), (X[50:], Y[50:])])
PARTITIONS = Partitions([lambda: (X[:50], Y[:50]), lambda: (X[50:], Y[50:])])
FOUR = np.arange(4)
FRAME = {"a": X[:, 0], "b": X[:, 1], "y": np.array(["ant", "bee", "cow", "dog"])[Y]}


def fitted(name):
    return ESTIMATORS[name]().fit(*SMALL)


CASES = {
    "fit": Case(SoftmaxRegression, lambda m: m.fit(*LARGE)),
    **{
        f"refit, {name}": Case(
            lambda name=name: fitted(name), lambda m, name=name: m.fit(*second_data(name))
        )
        for name in ESTIMATORS
    },
    **{
        f"refit, {name}": Case(lambda make=make: make().fit(*SMALL), lambda m: m.fit(*LARGE))
        for name, make in {
            "groups": lambda: SoftmaxRegression(l1_ratio=0.5, l1_group="classes", C=0.1),
            "calibrate": lambda: SoftmaxRegression(calibrate=3),
            "leave one out": lambda: SoftmaxRegressionCV(Cs=[0.1, 1.0], cv="loo"),
            "simplest": lambda: SoftmaxRegressionCV(Cs=[0.1, 1.0], cv=3, selection="1se"),
        }.items()
    },
    "refit, partitions": Case(lambda: fitted("softmax"), lambda m: m.fit(PARTITIONS)),
    **{
        f"refit, {solver}": Case(
            lambda solver=solver: SoftmaxRegression(solver=solver, tol=1e-4).fit(*SMALL),
            lambda m: m.fit(*LARGE),
        )
        for solver in ("preconditioned-lbfgs", "lbfgs", "newton", "gd")
    },
    "warm start": Case(
        lambda: (
            SoftmaxRegression(solver="preconditioned-lbfgs", warm_start=True, tol=1e-12)
            .fit(X, Y)
            .set_params(C=9.0)
        ),
        lambda m: m.fit(X, Y),
        lambda m: [m.classes_, m.coef_.round(4), m.intercept_.round(4)],  # whatever was learnt of F
    ),
    "warm start, network": Case(
        lambda: MLPClassifier(4, max_iter=2, warm_start=True, random_state=0).fit(X, Y),
        lambda m: m.fit(X, Y),
    ),
    "sparse": Case(lambda: fitted("softmax"), lambda m: m.fit(S, Y)),
    "several labels": Case(LogisticRegression, lambda m: m.fit(X, np.eye(4, dtype=int)[Y])),
    "first partial_fit": Case(SoftmaxRegression, lambda m: m.partial_fit(X, Y, FOUR)),
    "partial_fit": Case(
        lambda: SoftmaxRegression().partial_fit(X, Y, FOUR), lambda m: m.partial_fit(X, Y)
    ),
    "sparse partial_fit": Case(
        lambda: SoftmaxRegression().partial_fit(S, Y, FOUR), lambda m: m.partial_fit(S, Y)
    ),
    "partial_fit, network": Case(
        lambda: MLPClassifier(4, random_state=0).partial_fit(X, Y, FOUR),
        lambda m: m.partial_fit(X, Y),
    ),
    "predict": Case(lambda: SoftmaxRegression().fit(X, Y), lambda m: m.predict_proba(X)),
    "predict, network": Case(lambda: fitted("classifier"), lambda m: m.predict(SMALL[0])),
    "certify": Case(lambda: SoftmaxRegression().fit(X, Y), lambda m: m.certify(X, Y)),
    "fit_many": of_call(
        lambda: fastsoftmax.fit_many(
            X, [Y, Y > 1], Cs=[0.1, 1], tol=1e-11
        )  # too exact for one call
    ),
    "path": of_call(lambda: fastsoftmax.softmax_path(X, Y, Cs=4)),
    "path of groups": of_call(lambda: fastsoftmax.softmax_path(X, Y, Cs=4, l1_group="classes")),
    "formula": of_call(lambda: numbers_of(fastsoftmax.formula.fit("y ~ a + b", FRAME))),
    "save": Case(Folder, lambda folder: folder.save(), lambda folder: folder.state()),
}
# read by another thread, at times of its own: for signals only
WITH_THREADS = {
    "blocks": Case(lambda: fitted("softmax"), lambda m: m.fit(HALVES)),
}


class Interrupted:
    """A case, and what it comes to when nothing interrupts it."""

    def __init__(self, case):
        with warnings.catch_warnings(action="ignore"):
            self.case, self.made = case, case.make()
            first, self.before = self.again()
            start = time.perf_counter()
            self.after = self.outcome(first)
            self.seconds = time.perf_counter() - start
            self.twice = self.outcome(first)

    def again(self):
        """One to act on, and its state."""
        other = copy.deepcopy(self.made)
        return other, copy.deepcopy(self.case.state(other))

    def outcome(self, subject):
        """What acting on it returns, unless that is itself, and its state."""
        result = self.case.act(subject)
        return None if result is subject else result, copy.deepcopy(self.case.state(subject))

    def fault(self, interrupt):
        """What is wrong after `interrupt(call)`, which says whether its error came out."""
        subject, _ = self.again()
        errstate, filters = np.geterr(), warnings.filters[:]
        threads = running_threads()
        with warnings.catch_warnings(action="ignore"), lost_errors() as lost:
            with warnings.catch_warnings(action="always", record=True) as told:
                came_out = interrupt(lambda: self.case.act(subject))
            if any("Training interrupted by user" in str(each.message) for each in told):
                self.outcome(subject)  # what it has learnt so far is neither old nor new
                return None
            state = self.case.state(subject)
            if not came_out or lost:
                return f"the error was lost{''.join(f' in {each.object}' for each in lost)}"
            if np.geterr() != errstate or warnings.filters[1:] != filters:
                return "settings of the process are others"
            if not are_at_most(threads):
                return "threads are left"
            old, new = same(state, self.before), same(state, self.after[1])
            if not (old or new):
                return "neither old nor new"
            if not same(self.outcome(subject), self.after if old else self.twice):
                return "a further call comes to something else"
        return None


def injected(interrupted, points):
    """(place, error, fault) of errors at evenly spaced instructions; `points` is their number."""
    subject, _ = interrupted.again()
    with warnings.catch_warnings(action="ignore"):
        places = Places(lambda: interrupted.case.act(subject))
    for i in range(points):
        kind = (KeyboardInterrupt, MemoryError)[i % 2]
        place = places.find(int((i + 0.5) * places.total / points))

        def interrupt(call, place=place, kind=kind):
            try:
                raise_at(place, kind("injected"), call)
            except kind:
                return True
            return False

        yield place, kind.__name__, interrupted.fault(interrupt)


def main(points, signals):
    """Print what was run; the number of faults is the exit status."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which shells ignore in a background
    rng, faults = np.random.default_rng(0), 0
    names = [*CASES, *WITH_THREADS]
    print(f"{'case':28}{'injected':>10}{'SIGINTs':>10}{'faults':>10}")
    for name in names:
        interrupted = Interrupted((CASES | WITH_THREADS)[name])
        found, n = [], 0
        if name in CASES:
            for place, kind, fault in injected(interrupted, -(-points // len(CASES))):
                n += 1
                found += [f"{kind} at {place}: {fault}"] * (fault is not None)
        sent = -(-signals // len(names))
        for seconds in rng.uniform(0, interrupted.seconds, sent):
            fault = interrupted.fault(lambda call, s=seconds: signalled(call, s))
            found += [f"SIGINT after {seconds:.6f} s: {fault}"] * (fault is not None)
        print(f"{name:28}{n:10}{sent:10}{len(found):10}", *found, sep="\n    ", flush=True)
        faults += len(found)
    return faults


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])) > 0)
