"""Compressed rows, columns and entries with anything in them: an error or a result, never a crash.

    PYTHONPATH=tests python tests/core/fuzz_csr.py [cases] [seed] [unchecked]

A script of its own, to be run with kernels that are built with the address sanitizer (`.ci/run`),
which sees what lies out of bounds and does no harm yet. "unchecked" lets an index that is one too
large through to the kernels instead, which shows that it is awake.
"""

import contextlib
import sys
import warnings
from functools import partial

import numpy as np
from support.sparse_rows import uniform

import fastsoftmax._linear.problem.rows as estimator
from fastsoftmax import SoftmaxRegression, linear_cross_entropy_value_and_grad
from fastsoftmax._runtime import threads as _threads
from fastsoftmax._validation import sparse as validation

EXPECTED = (ValueError, TypeError)
WRONG = (-1, 1, 2, 7, 127, 2**31 - 1, -(2**31), 2**40, 2**62, -(2**63))
DTYPES = ["i1", "i4", "i8", "u4", "u8", "f4", "f8", ">i4", ">i8", "c16", "O", "S3", "?", "M8[s]"]
REFUSED = (ValueError, TypeError, AttributeError, IndexError, OverflowError)  # by SciPy


def sound(rng):
    """A sparse problem of any shape, and its labels."""
    n, d, k = rng.integers((1, 1, 2), (70, 90, 40))
    X = uniform(n, d, rng.choice((0.02, 0.3)), rng, rng.choice((np.float32, np.float64)))
    return X, np.arange(n) % k


def spoilt(part, rng):
    """The array with something done to it; most often a few of its numbers."""
    match rng.integers(9):
        case 0:
            return part[: rng.integers(len(part) + 1)]
        case 1:
            return np.concatenate([part, part[: rng.integers(1, 4)]])
        case 2:
            return part.astype(rng.choice(DTYPES))
        case 3:
            shapes = part[:, None], part[None], part[::-1], np.array(3), part.tolist(), None
            return shapes[rng.integers(len(shapes))]
        case 4:
            return rng.permutation(part)
        case _:
            part = part.astype(np.int64) if part.dtype.kind in "iu" else part.copy()
            for at in rng.integers(max(len(part), 1), size=rng.integers(1, 4)):
                if len(part):
                    part[at] = rng.choice(WRONG)
            return part


def malformed(X, rng):
    """X in some format, some of whose parts are spoilt."""
    X = X.copy().asformat(rng.choice(("csr", "csr", "csr", "csc", "coo")))
    names = ("data", "row", "col") if X.format == "coo" else ("data", "indices", "indptr")
    for name in rng.choice(names, rng.integers(0, 3), replace=False):
        with contextlib.suppress(*REFUSED):
            setattr(X, name, spoilt(getattr(X, name), rng))
    if rng.integers(8) == 0:
        X._shape = tuple(int(rng.choice((1, s - 1, s + 1, 2 * s))) for s in X.shape)
    return X


def main(cases, seed):
    estimator.dense_if_small = lambda X: X
    _threads.team_rules.set(_threads.TeamRules(per_thread=1000, per_second=0))
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(seed)
    results = errors = 0
    for case in range(cases):
        whole, y = sound(rng)
        X = malformed(whole, rng)
        model = SoftmaxRegression(
            max_iter=3, n_threads=int(rng.integers(1, 4)), max_memory=[None, 1][rng.integers(2)]
        )
        W = np.asfortranarray(rng.standard_normal((y.max() + 1, whole.shape[1])))
        calls = {
            "fit": partial(model.fit, X, y),
            "gradient": partial(linear_cross_entropy_value_and_grad, X, W, None, y, n_threads=2),
            "predict": partial(model.predict_proba, X),
        }
        for name, call in calls.items():
            if name == "predict" and not hasattr(model, "coef_"):
                if len(y) < 2:
                    continue
                model.fit(whole, np.arange(len(y)) % 2)
            try:
                call()
                results += 1
            except EXPECTED:
                errors += 1
            except Exception as error:
                sys.exit(f"case {case} of seed {seed}, {name}: {type(error).__name__}: {error}")
    print(f"{cases} cases: {results} results, {errors} errors")


def just_outside():
    """One feature more than there are, on one thread: several may crash before they are seen."""
    validation.within = lambda *_: None
    X, y = sound(np.random.default_rng(0))
    X.indices[len(X.indices) // 2] = X.shape[1]
    W = np.asfortranarray(np.ones((y.max() + 1, X.shape[1])))
    linear_cross_entropy_value_and_grad(X, W, None, y, n_threads=1)


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    just_outside() if "unchecked" in sys.argv else main(*numbers, *(1000, 0)[len(numbers) :])
