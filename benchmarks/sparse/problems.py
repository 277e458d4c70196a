"""Sparse problems: texts as TF-IDF, in compressed rows of float64."""

import csv
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import sparse

from benchmarks.support.data import folder


class Problem(NamedTuple):
    """A data set, a penalty, and the relative gap at which a fit counts as done."""

    data: str
    C: float
    gap: float = 1e-6

    @property
    def name(self):
        return f"{self.data}, C={self.C:g}"


DATA = ("20newsgroups", "banking77")
PROBLEMS = [Problem(data, C) for data in DATA for C in (1.0, 10.0, 100.0)]


def posts(part):
    """Texts and labels of the training or the test posts of 20 Newsgroups."""
    (path,) = (folder() / "20newsgroups").glob(f"*{part}*.tar.gz")
    texts, labels = [], []
    with tarfile.open(path) as archive:
        for member in sorted(archive.getmembers(), key=lambda m: m.name):
            if member.isfile():
                texts.append(archive.extractfile(member).read().decode("latin-1"))
                labels.append(Path(member.name).parent.name)
    return texts, labels


def sentences():
    """Texts and labels of the training sentences of banking77."""
    (path,) = (folder() / "banking77").glob("*train*.csv")
    with open(path, newline="") as file:
        return zip(*((row["text"], row["category"]) for row in csv.DictReader(file)), strict=True)


def load(name):
    """(X, y), y being codes; kept in a file between runs. FileNotFoundError without the data."""
    source = folder() / name
    if not source.is_dir():
        raise FileNotFoundError(f"no {source}")
    kept = Path(tempfile.gettempdir(), f"fastsoftmax-bench-{name}.npz")
    labels = kept.with_suffix(".npy")
    if not (kept.exists() and labels.exists()):
        from sklearn.feature_extraction.text import TfidfVectorizer

        texts, y = posts("train") if name == "20newsgroups" else sentences()
        sparse.save_npz(kept, TfidfVectorizer(sublinear_tf=True).fit_transform(texts))
        np.save(labels, np.unique(y, return_inverse=True)[1])
    return sparse.csr_array(sparse.load_npz(kept)), np.load(labels)
