"""Problems whose X is held in several dtypes, with the same numbers in each."""

from typing import NamedTuple

import numpy as np

from benchmarks.support import data

DTYPES = ("float32", "uint8", "int8", "float16", "bfloat16")  # the first is what others are held to
BOUND = 1.0  # times float32's time, for each


class Shape(NamedTuple):
    n: int
    d: int
    k: int

    def named(self, dtype):
        return f"{self.n}×{self.d}, K={self.k}, {dtype}"


SHAPES = [
    Shape(60000, 784, 10),
    Shape(100000, 64, 5),
    Shape(20000, 1024, 100),
    Shape(50000, 512, 1000),
]


def gradient_problem(shape):
    """uint8 numbers below 128, which every dtype holds exactly; W, b and labels."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 128, shape[:2], dtype=np.uint8)
    W = (rng.standard_normal((shape.k, shape.d)) / 1000).astype(np.float32)
    b = rng.standard_normal(shape.k).astype(np.float32)
    return X, W, b, rng.integers(shape.k, size=shape.n)


def stored(X, dtype):
    """ImportError where bfloat16 is wanted and ml_dtypes is missing."""
    if dtype == "bfloat16":
        import ml_dtypes

        dtype = ml_dtypes.bfloat16
    return X.astype(dtype)


class Fit(NamedTuple):
    """X as it is stored and as float32, labels, what multiplies X, and the optimum's C·Σ."""

    name: str
    X: np.ndarray
    single: np.ndarray
    y: np.ndarray
    feature_scale: float | None
    optimum: float


def fits():
    """Names of fits, and what loads them."""
    return {"MNIST, uint8": mnist, "banking77, float16": banking77}


def mnist():
    X, y = data.pixels()
    return Fit("MNIST, uint8", X, X.astype(np.float32) / 255, y, 1 / 255, 13927.06)


def banking77():
    X, y = data.embeddings("banking77")
    return Fit("banking77, float16", X, X.astype(np.float32), y, None, 10313.73)
