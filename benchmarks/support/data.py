"""The real data sets that the problems of several topics are made of."""

import os
from pathlib import Path

import numpy as np

from fastsoftmax.datasets import load_mnist


def folder():
    """Where the real data is: FASTSOFTMAX_DATA, else ../shared/data beside the project."""
    named = os.environ.get("FASTSOFTMAX_DATA")
    path = Path(named) if named else Path(__file__).parents[3] / "shared" / "data"
    if not path.is_dir():
        raise FileNotFoundError(f"no real data in {path} (set FASTSOFTMAX_DATA)")
    return path


def pixels():
    """MNIST's training images, (60000, 784) in uint8, and their digits."""
    X, y, *_ = load_mnist(folder() / "mnist")
    return X.reshape(len(X), -1), y


def mnist():
    """The same in float32, from 0 to 1."""
    X, y = pixels()
    return X.astype(np.float32) / 255, y


def letter():
    """20000 letters, 16 integer features, labels 0..25."""
    lines = (folder() / "uci" / "letter.arff").read_text().splitlines()
    rows = [line.split(",") for line in lines if line and line[0] not in "@%"]
    y = np.unique([row[-1] for row in rows], return_inverse=True)[1]
    return np.array([row[:-1] for row in rows], float), y


def embeddings(name):
    """The embeddings of a data set's training texts, in float16 as stored, and their labels."""
    with np.load(folder() / "embeddings" / f"{name}.npz") as arrays:
        return arrays["X_train"], arrays["y_train"]
