"""The problems of the campaign: each from a family of data and a seed, crossed with options."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse


@dataclass
class Problem:
    """What is fitted, and what it is called in the table."""

    family: str
    seed: int
    dense: np.ndarray  # the numbers of X, in float64
    X: Any = None  # as it is given: an array, a sparse array, or blocks of rows
    y: np.ndarray | None = None
    target: str = "labels"
    sample_weight: np.ndarray | None = None
    offset: np.ndarray | None = None
    params: dict = field(default_factory=dict)
    traits: list[str] = field(default_factory=list)


@dataclass
class Rows:
    """What a family makes: features, and labels from them unless it gives them."""

    X: np.ndarray
    noise: float = 1.0  # of the logits by which labels are drawn, relative to their signal
    n_classes: int | None = None
    dtypes: str = "all"  # or "wide": those that hold a range beyond float16's; "exact": float64
    C: float | None = None  # where the family is about the strength of the penalty
    codes: np.ndarray | None = None
    solvers: str = "all"  # or "own": the first-order solvers can't do it in 1000 iterations


Family = Callable[[np.random.Generator], Rows]
FAMILIES: dict[str, Family] = {}


def family(make: Family) -> Family:
    FAMILIES[make.__name__.replace("_", " ")] = make
    return make


def size(r, least=20, most=400, columns=14):
    return int(least * (most / least) ** r.random()), int(r.integers(1, columns + 1))


# ---- data


@family
def normal(r):
    n, d = size(r)
    X = r.normal(size=(n, d))
    if r.random() < 0.3:
        X = X @ (r.normal(size=(d, d)) * 10.0 ** r.uniform(-1, 1, d))
    return Rows(X, solvers="all")


@family
def heavy_tailed(r):
    n, d = size(r)
    if r.random() < 0.5:
        return Rows(r.standard_cauchy((n, d)), dtypes="wide")
    X = np.exp(r.uniform(3, 4) * r.normal(size=(n, d)))
    return Rows(X * r.choice([-1, 1], (n, d)) if r.random() < 0.3 else X, dtypes="wide")


@family
def outliers(r):
    n, d = size(r, 60)
    X = r.normal(size=(n, d))
    if r.random() < 0.5:
        for _ in range(r.integers(1, 4)):
            X[r.integers(n), r.integers(d)] = r.choice([999999, -999999, 1e4, 1e9])
    else:
        X[r.random((n, d)) < 0.01] = r.choice([-999, 99999, 1e7])
    return Rows(X, dtypes="wide")


@family
def long_tailed_classes(r):
    k = int(6 * (500 / 6) ** (r.random() ** 1.7))
    n, d = int(min(max(200, 8 * k), max(3e5 / k, 2.5 * k))), int(r.integers(2, 9))
    X = r.normal(size=(n, d)) / np.sqrt(np.arange(1, d + 1))
    X *= 2.6 / np.linalg.norm(X, axis=1, keepdims=True)
    logits = X @ r.normal(size=(d, k))
    logits *= r.choice([5, 30]) / logits.std()
    logits -= r.uniform(0, 2) * np.log(1 + np.arange(k))
    codes = np.argmax(logits + r.gumbel(size=(n, k)), axis=1)
    return Rows(X, codes=codes)


@family
def near_separable(r):
    n, d = size(r, 30)
    return Rows(r.normal(size=(n, d + 1)), noise=10.0 ** r.uniform(-3, -1))


@family
def separable(r):
    n, d = size(r)
    return Rows(r.normal(size=(n, d + 1)), noise=0.0)


@family
def more_features_than_rows(r):
    n = int(r.integers(8, 40))
    d = int(n * 2 ** r.uniform(0.1, 5))
    X = r.normal(size=(n, d))
    if r.random() < 0.3:
        X[:, r.random(d) < 0.9] = 0
    if r.random() < 0.3:
        X = X * 10.0 ** r.uniform(-2, 2, d)
    return Rows(X, noise=1.0)


@family
def duplicates_and_constants(r):
    n, d = size(r, columns=8)
    X = r.normal(size=(n, d))
    X = np.hstack([X, X[:, r.integers(0, d, r.integers(1, 4))]])
    X = np.hstack([X, np.tile(r.choice([0, 1, -3, 255, 1e6], r.integers(1, 3)), (n, 1))])
    if r.random() < 0.2:
        X = np.repeat(X[: n // 3 + 2], 3, axis=0)
    return Rows(X[:, r.permutation(X.shape[1])], dtypes="wide")


@family
def scales(r):
    n, d = size(r)
    X = r.normal(size=(n, d + 1))
    if r.random() < 0.5:
        return Rows(X * 10.0 ** r.uniform(-12, 12, d + 1), dtypes="wide", solvers="own")
    return Rows(X * 10.0 ** r.choice([-30, -26, -20, 18, 25, 30]), dtypes="wide", solvers="own")


@family
def large_means(r):
    n, d = size(r)
    X = r.normal(size=(n, d)) * 10.0 ** r.uniform(-2, 2)
    return Rows(X + X.std() * 10.0 ** r.uniform(2, 8, d), dtypes="wide", solvers="own")


@family
def one_hot(r):
    n = size(r, 50)[0]
    columns = [np.eye(m)[r.integers(0, m, n)] for m in r.integers(2, 9, r.integers(1, 4))]
    return Rows(np.hstack(columns))


@family
def timestamps(r):
    n, d = size(r, columns=4)
    X = r.normal(size=(n, d))
    when = 1.6e9 + np.round(r.normal(size=(n, 1)) * 10.0 ** r.uniform(1, 7))
    return Rows(np.hstack([X, when * r.choice([1, 1000])]), dtypes="wide", solvers="own")


# ---- options


SLOW = "normal", "one hot", "near separable", "separable"  # families on which "gd" may be tried
DTYPES = {
    "all": ("uint8", "float16", "float32", "float64"),
    "wide": ("float32", "float64"),
}


def problem(name: str, seed: int) -> Problem:
    """The problem of a family and a seed."""
    r = np.random.default_rng([*name.encode(), seed])
    rows = FAMILIES[name](r)
    made = Problem(name, seed, rows.X)
    dtype = DTYPES[rows.dtypes][min(int(r.integers(4)), len(DTYPES[rows.dtypes]) - 1)]
    if rows.dtypes == "wide" and r.random() < 0.5:
        dtype = "float32"
    stored = cast(rows.X, dtype)
    _targets(made, r, rows, standard(stored.astype(float)))
    _layout(made, r, stored, rows)
    _weights(made, r)
    _penalty(made, r, rows)
    _solver(made, r, rows)
    made.traits += [dtype]
    return made


def cast(X: np.ndarray, dtype: str) -> np.ndarray:
    """X in a dtype that may not hold its range."""
    if dtype == "uint8":
        least, most = X.min(), X.max()
        return np.round((X - least) * (255 / max(most - least, 1e-300))).astype(np.uint8)
    if dtype == "float16":
        return np.clip(X, -60000, 60000).astype(np.float16)
    return X.astype(dtype)


def standard(X: np.ndarray) -> np.ndarray:
    """Columns of ordinary size, by quantiles, for the signal of labels."""
    low, middle, high = np.quantile(X, [0.25, 0.5, 0.75], axis=0)
    spread = np.where(high > low, high - low, 1)
    return np.clip((X - middle) / spread, -3, 3)


def _targets(made, r, rows, Z):
    """Labels, probabilities or counts of classes, or several labels."""
    n, d = Z.shape
    if rows.codes is not None:
        made.y = np.unique(rows.codes, return_inverse=True)[1]
        made.traits.append("multinomial")
        return
    kind = r.choice(["binary", "multinomial", "several labels"], p=[0.36, 0.48, 0.16])
    k = 2 if kind == "binary" else int(r.integers(3, 6 if kind == "multinomial" else 5))
    made.traits.append(str(kind))
    W = r.normal(size=(d, k)) * r.choice([0.5, 1.5, 3])
    signal = Z @ W
    for _ in range(50):
        if kind == "several labels":
            y = signal + rows.noise * r.logistic(size=(n, k)) > np.median(signal, axis=0)
            fine = (y.min(axis=0) < y.max(axis=0)).all()
        else:
            y = np.argmax(signal + rows.noise * r.gumbel(size=(n, k)), axis=1)
            fine = len(np.unique(y)) == k
        if fine:
            break
        signal = 0.7 * signal + 0.3 * r.normal(size=signal.shape)
    if not fine:
        i = np.arange(n)
        y = (i[:, None] + np.arange(k)) % 2 if kind == "several labels" else i % k
    if kind == "several labels":
        made.y, made.target = y.astype(int), "indicators"
        return
    made.y = y
    if r.random() < 0.14:
        made.traits.append("soft targets")
        if r.random() < 0.5:
            made.target = "probabilities"
            e = np.exp(signal + r.normal(size=signal.shape))
            made.y = e / e.sum(axis=1, keepdims=True)
        else:
            made.target = "counts"
            made.y = r.integers(0, 4, (n, k)) * (r.random((n, k)) < 0.5)
            made.y[np.arange(n), y] += 1
    if r.random() < 0.06:
        made.params["label_smoothing"] = float(r.choice([0.1, 0.01]))
        made.traits.append("label smoothing")


def _layout(made, r, stored, rows):
    """Dense, sparse or in blocks."""
    kind = r.choice(["dense", "CSR", "blocks"], p=[0.6, 0.22, 0.18])
    if kind == "CSR" and made.family != "large means" and r.random() < 0.7:
        stored = stored * (r.random(stored.shape) < r.choice([0.1, 0.5])).astype(stored.dtype)
    if kind == "CSR" and r.random() < 0.5 and made.family != "more features than rows":
        zeros = np.zeros((len(stored), int(r.integers(20, 60))), stored.dtype)
        stored = np.hstack([stored, zeros])  # else small ones are made dense
    if kind == "CSR" and stored.dtype.kind == "f" and stored.dtype.itemsize > 2:
        made.X = sparse.csr_array(stored)
    elif kind == "blocks":
        made.X = [stored[i::3].copy() for i in range(3)]
        order = np.concatenate([np.arange(len(stored))[i::3] for i in range(3)])
        stored, made.y = stored[order], made.y[order]
        if r.random() < 0.3 and stored.dtype.kind == "f" and stored.dtype.itemsize > 2:
            made.X = [sparse.csr_array(block) for block in made.X]
    else:
        made.X, kind = stored, "dense"
    made.dense = stored.astype(np.float64)
    made.traits.append(str(kind))


def _weights(made, r):
    """Weights of rows and of classes, and offsets."""
    n = len(made.dense)
    if r.random() < 0.16:
        kind = r.choice(["zeros", "factor", "some tiny", "some huge"], p=[0.5, 0.2, 0.15, 0.15])
        w = r.exponential(size=n) if r.random() < 0.7 else np.ones(n)
        if kind == "zeros":
            w[r.random(n) < 0.3] = 0
            _every_class(made, w)
        elif kind == "factor":
            w *= 10.0 ** r.choice([-30, 30])
        else:
            w[r.random(n) < 0.2] *= 1e-30 if kind == "some tiny" else 1e30
        made.sample_weight = w
        made.traits.append("weights with zeros" if kind == "zeros" else "weights of 1e±30")
    if made.target == "labels" and r.random() < 0.06:
        made.params["class_weight"] = "balanced"
        made.traits.append("balanced")
    if r.random() < 0.06:
        k = 1 if made.y.ndim == 1 and made.y.max() == 1 else (
            len(np.unique(made.y)) if made.y.ndim == 1 else made.y.shape[1])  # fmt: skip
        k = 1 if k == 2 and made.target != "indicators" else k
        made.offset = r.normal(size=(n, k)) * r.choice([0.3, 3])
        made.traits.append("offsets")


def _every_class(made, w):
    """Give weight to a row of each class."""
    columns = made.y.T if made.y.ndim == 2 else made.y[None] == np.unique(made.y)[:, None]
    for column in columns:
        w[np.argmax(column)] = max(1.0, w[np.argmax(column)])
        w[np.argmin(column)] = max(1.0, w[np.argmin(column)])


def _penalty(made, r, rows):
    """C, the kind of penalty, intercepts."""
    d = made.dense.shape[1]
    kind = r.choice(["usual", "weak", "strong", "none"], p=[0.5, 0.26, 0.12, 0.12])
    if made.family == "more features than rows" and kind == "usual" and r.random() < 0.6:
        kind = "weak"
    many = made.target != "indicators" and rows.codes is not None and rows.codes.max() > 15
    if many and kind == "none":
        kind = "usual"
    limits = {"usual": (-2, 2), "weak": (2, 12), "strong": (-8, -2)}
    if many:  # else the reference takes minutes
        limits["weak"] = (2, 6)
    C = np.inf if kind == "none" else float(10.0 ** r.uniform(*limits[kind]))
    made.traits.append({
        "usual": "C 1e-2…1e2", "weak": "C 1e2…1e12", "strong": "C 1e-8…1e-2", "none": "C = ∞"
    }[str(kind)])  # fmt: skip
    if made.sample_weight is not None and np.isfinite(C):
        total = made.sample_weight.sum()
        if not 1e-10 < total < 1e10:
            C *= len(made.dense) / total
    made.params["C"] = C
    k = made.y.shape[1] if made.y.ndim == 2 else len(np.unique(made.y))
    small = d * k <= 160
    if small and np.isfinite(C) and r.random() < 0.14:
        made.params["l1_ratio"] = float(r.choice([1.0, 1.0, 0.5, 0.1]))
        made.traits.append("L1" if made.params["l1_ratio"] == 1 else "elastic net")
    if r.random() < 0.12:
        made.params["standardize"] = True
        made.traits.append("standardize")
    if r.random() < 0.08 and np.isfinite(C) and not many:
        factors = r.choice([0.0, 0.0, 1.0, 3.0, 1e-3], d)
        factors[r.random(d) < 0.3] = 1.0
        if d > len(made.dense):
            factors[3:] = np.maximum(factors[3:], 0.5)
        made.params["penalty_factor"] = factors
        made.traits.append("penalty factors")
    if r.random() < 0.12:
        made.params["fit_intercept"] = False
        made.traits.append("no intercept")
    if made.X is not None and made.traits and r.random() < 0.03:
        made.params["feature_scale"] = 1 / 255
        made.traits.append("feature scale")


def _solver(made, r, rows):
    """Of any solver that is able to."""
    if made.params.get("l1_ratio"):
        names = ["auto", "proximal-newton"]
    else:
        names = ["auto", "auto", "preconditioned-lbfgs", "newton"]
        # about the condition number, on which these depend
        total = len(made.dense) if made.sample_weight is None else made.sample_weight.sum()
        condition = made.params["C"] * total * np.max(np.sum(made.dense**2, axis=1))
        if rows.solvers == "all" and condition <= 1e9:
            names += ["lbfgs"]
        # no penalty bounds the condition number of what is free
        free = np.any(made.params.get("penalty_factor", 1) == 0)
        if made.family in SLOW and condition <= 1e5 and not free:
            names += 3 * ["gd"]
    solver = str(r.choice(names)) if r.random() < 0.6 else "auto"
    k = made.y.shape[1] if made.y.ndim == 2 else len(np.unique(made.y))
    hessian = k * (made.dense.shape[1] + 1)
    is_sparse = sparse.issparse(made.X) or isinstance(made.X, list)
    if solver == "newton" and (hessian > 400 or is_sparse):
        solver = "auto"
    if solver in ("gd", "lbfgs"):
        made.params["max_iter"] = 20000
    made.params["solver"] = solver
    made.traits.append(f"solver {solver}")
