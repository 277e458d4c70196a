"""Files of models with anything changed in them: a ValueError or a model, never anything else.

    python tests/saving/fuzz_files.py [cases] [seed]

A script of its own, to be run under the address sanitizer (`.ci/long`). A member that is changed
gets the checksum that goes with it, so that what reads it sees the change.
"""

import io
import re
import sys
import tempfile
import warnings
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

from fastsoftmax import (
    LogisticRegression,
    LogisticRegressionCV,
    MLPClassifier,
    SoftmaxRegression,
    SoftmaxRegressionCV,
)
from fastsoftmax._runtime.sklearn_compat import NotFittedError
from fastsoftmax._saving.load import estimators
from fastsoftmax._saving.model import read

NUMBERS = (0, 1, 2, 3, 8, 2**16, 2**31, 2**32, 2**62, 2**63, 2**64, 10**17, 10**18 - 1)


def files():
    """Bytes of whole files, of estimators whose attributes differ."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 4)), np.array(["a", "bb", "c"])[np.arange(30) % 3]
    with warnings.catch_warnings(action="ignore"):
        models = (
            SoftmaxRegression().fit(X, y),
            SoftmaxRegression(feature_scale=np.ones(4)).fit(X, y.astype(object)),
            LogisticRegression().fit(X, y == "a"),
            SoftmaxRegression().partial_fit(X, y, ["a", "bb", "c"]),
            MLPClassifier(3, max_iter=2, random_state=0).fit(X, y),
            SoftmaxRegression(calibrate=2, l1_ratio=0.5, l1_group="classes").fit(X, y),
            SoftmaxRegressionCV(Cs=[0.1, 1.0], cv="loo").fit(X, y),
            LogisticRegressionCV(Cs=[0.1, 1.0], cv=2, use_legacy_attributes=False).fit(X, y),
        )
    return [saved(model) for model in models]


def saved(model):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        model.save(path)
        return path.read_bytes()


def number(rng):
    """One that a header may claim."""
    return int(rng.choice(np.array(NUMBERS, dtype=object))) + int(rng.integers(-1, 2))


def flipped(content, rng):
    """Some bytes replaced, removed or repeated."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        if not content:
            break
        at = int(rng.integers(len(content)))
        match rng.integers(4):
            case 0:
                content[at] ^= int(rng.integers(1, 256))
            case 1:
                del content[at : at + int(rng.integers(1, 9))]
            case 2:
                content[at:at] = content[at : at + int(rng.integers(1, 9))]
            case _:
                del content[at:]
    return bytes(content)


def claimed(content, rng):
    """A header of another shape or dtype, or a document of other numbers."""
    if content.startswith(b"\x93NUMPY") and rng.random() < 0.8:
        shape = ", ".join(str(abs(number(rng))) for _ in range(rng.integers(0, 4)))
        kind = rng.choice(list("biufUSOVMm")) + str(abs(number(rng)) if rng.random() < 0.5 else 8)
        header = re.sub(rb"'shape': \([^)]*\)", b"'shape': (%s,)" % shape.encode(), content)
        if rng.random() < 0.5:
            header = re.sub(rb"'[<|>]..?'", f"'{rng.choice(list('<>|'))}{kind}'".encode(), header)
        if rng.random() < 0.5:
            start = header.index(b"{")
            rest = header[header.index(b"\n", start) :]
            text = header[start : len(header) - len(rest)].rstrip(b" ")
            header = header[: start - 2] + (len(text) + 1).to_bytes(2, "little") + text + rest
            header = header[: start + len(text) + 1 + int(rng.integers(0, 65))]
        return header
    places = [match.span() for match in re.finditer(rb"-?\d+(?:\.\d+)?", content)]
    if not places:
        return flipped(content, rng)
    start, stop = places[rng.integers(len(places))]
    return content[:start] + str(number(rng)).encode() + content[stop:]


def mutated(content, rng):
    """The file with something changed, checksums and places in step where it is inside a member."""
    if rng.random() < 0.25:
        return flipped(content, rng)
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        members = {name: file.read(name) for name in file.namelist()}
    name = rng.choice(list(members))
    change = claimed if rng.random() < 0.6 else flipped
    members[name] = change(members[name], rng)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for member, text in members.items():
            file.writestr(member, text)
    return out.getvalue()


def outcome(path, content, known):
    """What reading makes of it: "refused" or "read"; all else is raised."""
    path.write_bytes(content)
    try:
        model = read(path, known)
    except ValueError as error:
        if not str(error).startswith(f"{path}: "):
            raise
        return "refused"
    try:
        model.predict(np.zeros((2, model.n_features_in_)))
    except (ValueError, NotFittedError):
        return "read, and refused in use"
    return "read"


def main(cases, seed):
    rng, known, whole = np.random.default_rng(seed), estimators(), files()
    outcomes = Counter()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
        path = Path(folder, "model")
        for i in range(cases):
            content = mutated(whole[i % len(whole)], rng)
            try:
                outcomes[outcome(path, content, known)] += 1
            except BaseException:
                print(f"case {i} of seed {seed}")
                raise
    print(f"{cases} files: {dict(outcomes)}")


if __name__ == "__main__":
    main(*map(int, [*sys.argv[1:], *("1000", "0")[len(sys.argv) - 1 :]]))
