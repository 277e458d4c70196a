"""Passes of fits with each number of a rule at a quarter of what it is, and at four times it.

    python -m benchmarks.rules.report [FIRST LAST]

All numbers, or some of them by their places in the list; some 8 s of a processor per number.
Passes and iterations are counts: they do not depend on the machine at hand, nor on its load.
"""

import gc
import importlib
import pkgutil
import sys
import warnings
from dataclasses import fields, is_dataclass
from functools import partial

import numpy as np
from scipy import sparse

import fastsoftmax
from benchmarks.fit.problems import drawn, few_rows, outlier, sentinels
from fastsoftmax import LogisticRegression, SoftmaxRegression
from fastsoftmax.datasets import load_digits

FACTORS = (0.25, 4.0)
# numbers that stand alone in their modules, beside the fields of dataclasses
ALONE = {
    "_engine.curvature.diagonal": ["SHARED"],
    "_engine.solvers.gradient_descent": ["AGAIN"],
    "_engine.solvers.newton": ["NEAR", "CHANGE"],
    "_engine.solvers.proof": ["RESIDUAL"],
    "_engine.solvers.working_set": ["LEAST", "RESIDUAL"],
}
# bytes, work and precision: they change no number of passes here, or prove less
SKIPPED = {"RecyclingRules", "FetchRules", "SmallRules", "FeatureRules", "SeparationRules"}
SKIPPED |= {"SpaceRules", "BasisRules", "RefinementRules"}
# see `benchmarks.rules.inference`
SKIPPED |= {"LikelihoodRules", "DependenceRules", "ScoringRules"}


def modules():
    """All modules of solvers, imported."""
    for found in pkgutil.walk_packages(fastsoftmax.__path__, "fastsoftmax."):
        if found.name.startswith(("fastsoftmax._engine", "fastsoftmax._linear")):
            yield importlib.import_module(found.name)


def letters():
    """Classes side by side, of very different sizes."""
    rng = np.random.default_rng(0)
    y = np.minimum(rng.geometric(0.25, 4000) - 1, 11)
    return rng.standard_normal((12, 8))[y] + rng.standard_normal((4000, 8)), y


def many_classes():
    """For blocks of low rank."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((3000, 200), dtype=np.float32)
    X *= np.arange(1, 201, dtype=np.float32) ** -0.5
    return X, drawn(X, 60, rng)


def text():
    """Few entries per row, the weights of few features."""
    rng = np.random.default_rng(2)
    X = sparse.csr_array(rng.random((1500, 2500)) * (rng.random((1500, 2500)) < 0.02))
    return X, drawn(X, 5, rng)


def long():
    """More rows than a subsample has, few features."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((20000, 10)) @ rng.standard_normal((10, 10))
    return X, drawn(X / 3, 8, rng)


def fits():
    """(name, model, (X, y)) of each fit."""
    data = {
        "letters": letters(), "digits": load_digits(), "few rows": few_rows(), "text": text(),
        "outlier": outlier(), "sentinels": sentinels(), "many classes": many_classes(),
        "long": long(),
    }  # fmt: skip
    for name, arrays in data.items():
        for C in (1.0, 100.0):
            yield f"{name}, C={C:g}", SoftmaxRegression(C=C, solver="preconditioned-lbfgs"), arrays
    for name in ("letters", "outlier"):
        yield f"{name}, Newton", SoftmaxRegression(solver="newton"), data[name]
        yield f"{name}, L-BFGS", SoftmaxRegression(solver="lbfgs"), data[name]
        yield f"{name}, no penalty", SoftmaxRegression(C=np.inf), data[name]
    X, y = data["letters"]
    yield "letters, gd", SoftmaxRegression(C=0.01, solver="gd", tol=1e-3), (X, y)
    yield "two classes", LogisticRegression(solver="preconditioned-lbfgs"), (X, y < 1)
    yield "letters, L1", SoftmaxRegression(l1_ratio=1.0), (X, y)
    yield "digits, L1", SoftmaxRegression(l1_ratio=1.0, C=10.0), data["digits"]
    yield "text, L1", SoftmaxRegression(l1_ratio=1.0, C=10.0), data["text"]


def passes(given):
    """Passes of each fit, and whether it is certified."""
    with warnings.catch_warnings(action="ignore"):
        models = [model.fit(*arrays) for _, model, arrays in given]
    return np.array([m.n_passes_ for m in models]), np.array([m.certified_ for m in models])


def numbers():
    """(name, value, set it) of all that is varied."""
    seen = set()
    for module in modules():
        path = module.__name__.removeprefix("fastsoftmax.")
        for name in ALONE.get(path, ()):
            yield f"`{name}`", path, getattr(module, name), partial(setattr, module, name)
        for kind in list(vars(module).values()):
            if not is_rules(kind) or kind in seen or kind.__name__ in SKIPPED:
                continue
            seen.add(kind)
            for field in fields(kind):
                value = getattr(kind, field.name, None)
                if type(value) in (int, float):
                    name = f"`{kind.__name__}.{field.name}`"
                    path = kind.__module__.removeprefix("fastsoftmax.")
                    yield name, path, value, default(kind, field.name)


def is_rules(kind):
    """Whether this is a frozen dataclass that can be made without arguments."""
    if not (isinstance(kind, type) and is_dataclass(kind) and kind.__dataclass_params__.frozen):
        return False
    return all(hasattr(kind, f.name) or callable(f.default_factory) for f in fields(kind))


def default(kind, name):
    """A function that sets the default of a field, also in the defaults that exist."""
    names = [f.name for f in fields(kind)]

    def put(value):
        init = kind.__init__
        setattr(kind, name, value)
        given = list(init.__defaults__)
        given[names.index(name) - len(names)] = value
        init.__defaults__ = tuple(given)
        for each in gc.get_objects():
            if type(each) is kind:
                object.__setattr__(each, name, value)

    return put


def scaled(value, factor):
    """An integer stays one, and shares of one below it."""
    if isinstance(value, int):
        return max(1, round(value * factor))
    return min(value * factor, 1 - (1 - value) / 4) if 0 < value < 1 else value * factor


def main(first=0, last=None):
    """Print a table."""
    given = list(fits())
    usual, certified = passes(given)
    if not first:
        print(f"{len(given)} fits, {usual.sum():.0f} passes, {certified.sum()} certified\n")
        print("| number | in | value | a quarter | worst | four times | worst |")
        print("|---|---|---:|---:|---:|---:|---:|")
    for name, path, value, put in list(numbers())[first:last]:
        cells = []
        for factor in FACTORS:
            put(scaled(value, factor))
            found, proved = passes(given)
            put(value)
            ratios, lost = found / usual, int((certified & ~proved).sum())
            most = int(np.argmax(np.abs(np.log(ratios))))
            text = f"{np.exp(np.log(ratios).mean()):.3f}"
            cells.append(text if not lost else f"{text} ({lost} not certified)")
            same = ratios[most] == 1
            cells.append("" if same else f"{ratios[most]:.2f} {given[most][0]}")
        print(f"| {name} | `{path}` | {value:g} | {' | '.join(cells)} |", flush=True)
    assert (passes(given)[0] == usual).all()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
