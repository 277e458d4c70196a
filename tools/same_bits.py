"""Compare fits of two commits bit by bit: what a change that moves code only must leave equal.

    python tools/same_bits.py OLD NEW [--cflags FLAGS] [--cache DIR]

Both commits are checked out and built for this machine's processor, the new one with the flags,
then fit the same models in processes of their own. `coef_`, `intercept_` and `n_iter_` are
compared, with the number of passes. Ends with 1 if any differs. No reference is stored, since
processors round differently.
"""

import argparse
import hashlib
import os
import pickle
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from scipy import sparse

ROOT = Path(__file__).parents[1]
COMPARED = ("coef_", "intercept_", "coefs_", "intercepts_", "n_iter_", "n_passes_", "C_")


def dense(n, d, k, seed=0, dtype=np.float64):
    """Rows of d features, and classes that a linear model tells apart in part."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * np.exp(rng.normal(size=d))
    z = X @ rng.normal(size=(d, k)) / np.sqrt(d) + rng.gumbel(size=(n, k))
    return X.astype(dtype), z.argmax(axis=1)


def bytes_like_pixels(n, d, k):
    """Rows of uint8 with many zeros."""
    X, y = dense(n, d, k, seed=1)
    return np.clip(60 * X, 0, 255).astype(np.uint8), y


def text(n, d, k):
    """A CSR matrix with few nonzeros per row."""
    rng = np.random.default_rng(2)
    X = sparse.csr_array(rng.random((n, d), np.float32) * (rng.random((n, d)) < 0.02))
    return X, np.asarray((X @ rng.normal(size=(d, k))).argmax(axis=1))


def problems():
    """A name, an estimator and the arguments of its `fit` each."""
    import fastsoftmax as fs

    small, middle, wide = dense(300, 6, 3), dense(4000, 40, 12), dense(40, 300, 3)
    many, pixels, words = (
        dense(5000, 30, 120),
        bytes_like_pixels(3000, 100, 10),
        text(2000, 3000, 6),
    )
    data = {
        "small": small,
        "two classes": (small[0], small[1] == 1),
        "middle": middle,
        "float32": (middle[0].astype(np.float32), middle[1]),
        "float16": (middle[0].astype(np.float16), middle[1]),
        "many classes": (many[0].astype(np.float32), many[1]),
        "wide": wide,
        "pixels": pixels,
        "words": words,
    }
    for name, (X, y) in data.items():
        for C in (0.01, 1.0, 100.0):
            yield f"{name}, C={C}", fs.SoftmaxRegression(C=C), (X, y)
    for solver in ("lbfgs", "newton", "preconditioned-lbfgs", "gd"):
        yield f"solver {solver}", fs.SoftmaxRegression(solver=solver, tol=1e-4), small
    weights = np.random.default_rng(3).random(4000)
    yield "weights", fs.SoftmaxRegression(), (*middle, weights)
    yield "standardize", fs.SoftmaxRegression(standardize=True), middle
    yield "standardize words", fs.SoftmaxRegression(standardize=True), words
    yield "no penalty", fs.SoftmaxRegression(C=np.inf), small
    yield "no intercept", fs.SoftmaxRegression(fit_intercept=False), middle
    yield "penalty factors", fs.SoftmaxRegression(penalty_factor=[0, 1, 1, 2, 1, 0]), small
    yield "soft targets", fs.SoftmaxRegression(label_smoothing=0.1), middle
    yield "balanced", fs.SoftmaxRegression(class_weight="balanced"), data["float32"]
    for name in ("small", "middle", "words", "two classes"):
        yield f"L1, {name}", fs.SoftmaxRegression(l1_ratio=1.0, C=0.1), data[name]
    yield "elastic net", fs.SoftmaxRegression(l1_ratio=0.5), middle
    far = small[0].copy()
    far[7, 0] = 999999
    yield "far cell", fs.SoftmaxRegression(), (far, small[1])
    labels = np.eye(12, dtype=int)[middle[1]]
    labels[::3, 0] = 1
    yield "several labels", fs.LogisticRegression(), (middle[0], labels)
    yield "several labels, L1", fs.LogisticRegression(l1_ratio=1.0), (middle[0], labels[:, :3])
    blocks = [(middle[0][i : i + 1000], middle[1][i : i + 1000]) for i in range(0, 4000, 1000)]
    yield "blocks", fs.SoftmaxRegression(), (fs.Blocks(blocks),)
    parts = [(words[0][i : i + 500], words[1][i : i + 500]) for i in range(0, 2000, 500)]
    yield "blocks of words", fs.SoftmaxRegression(max_memory=2**25), (fs.Blocks(parts),)
    for name in ("small", "pixels", "words", "two classes"):
        yield f"CV, {name}", fs.SoftmaxRegressionCV(Cs=[0.01, 1.0], cv=3), data[name]
    few = {"max_iter": 3, "random_state": 0}
    yield "sgd", fs.LogisticRegression(solver="sgd", **few), data["two classes"]
    yield "adaline", fs.Adaline(**few), data["two classes"]
    for name in ("small", "float32", "pixels"):
        yield f"network, {name}", fs.MLPClassifier((16, 8), **few), data[name]
    yield (
        "regressor",
        fs.MLPRegressor(hidden_layer_sizes=(16,), **few),
        (middle[0], middle[0][:, :2]),
    )


def fits():
    """What is compared of each fit, by name."""
    return {name: outcome(model, args) for name, model, args in problems()}


def outcome(model, args):
    """The compared attributes of a fit, or the error it ended with."""
    try:
        with warnings.catch_warnings(action="ignore"):
            model.fit(*args)
    except (TypeError, ValueError) as error:
        return {"error": str(error)}
    return {name: getattr(model, name) for name in COMPARED if hasattr(model, name)}


def equal(one, other):
    """Whether two attributes are the same to the bit."""
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    one, other = np.asarray(one), np.asarray(other)
    same = one.dtype == other.dtype and one.shape == other.shape
    return same and one.tobytes() == other.tobytes()


def git(*args):
    """What a git command prints."""
    done = subprocess.run(["git", *args], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def built(commit, cache, cflags):
    """A folder with a commit's package, built in place; kernels that did not change are reused."""
    flags = hashlib.sha256(cflags.encode()).hexdigest()[:8]
    tree = cache / (git("rev-parse", "--short=12", commit) + f"-{flags}" * bool(cflags))
    if (tree / "built").exists():
        return tree
    tree.mkdir(parents=True, exist_ok=True)
    archive = subprocess.run(
        ["git", "archive", commit, "src", "setup.py", "pyproject.toml", "README.md", "LICENSE"],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    subprocess.run(["tar", "-x"], cwd=tree, input=archive.stdout, check=True)
    kernels = [p for p in (tree / "src").rglob("*") if p.suffix in {".pyx", ".pxd", ".h", ".pxi"}]
    text = b"".join(p.read_bytes() for p in [tree / "setup.py", *sorted(kernels)])
    paths = "".join(str(p.relative_to(tree)) for p in sorted(kernels))
    store = cache / hashlib.sha256(text + paths.encode() + cflags.encode()).hexdigest()[:16]
    if not store.exists():
        environment = os.environ | {"FASTSOFTMAX_BUILD_ISA": "native", "CFLAGS": cflags}
        for precision in ("f32", "f64"):
            (tree / "src/fastsoftmax/_core" / f"native_{precision}").mkdir(exist_ok=True)
        subprocess.run(
            [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
            cwd=tree, env=environment, check=True, capture_output=True,
        )  # fmt: skip
        store.mkdir()
        copy(tree / "src", store)
    else:
        copy(store, tree / "src")
    (tree / "built").touch()
    return tree


def copy(source, to):
    """Compiled modules of one tree into the other."""
    for path in source.rglob("*.so"):
        target = to / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())


def of_commit(commit, cache, cflags=""):
    """The fits of a commit, from a process of its own."""
    tree = built(commit, cache, cflags)
    environment = os.environ | {"PYTHONPATH": str(tree / "src")}
    done = subprocess.run(
        [sys.executable, __file__, "--fits"], env=environment, check=True, capture_output=True
    )
    return pickle.loads(done.stdout)


def main():
    """Compare two commits."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--cflags", default="", help="for the compiler, for NEW alone")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "same_bits")
    args = parser.parse_args()
    old = of_commit(args.old, args.cache)
    new = of_commit(args.new, args.cache, args.cflags)
    differing = 0
    for name in old | new:
        one, other = old.get(name, {}), new.get(name, {})
        wrong = [key for key in one | other if not equal(one.get(key), other.get(key))]
        differing += bool(wrong)
        if wrong:
            print(f"{name}: {', '.join(wrong)} differ")
    print(f"{len(old | new)} fits, {differing} differ")
    return differing > 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--fits"]:
        sys.stdout.buffer.write(pickle.dumps(fits()))
    else:
        sys.exit(main())
