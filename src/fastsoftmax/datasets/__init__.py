"""Data sets: one small one that comes with the package, and readers for files of your own."""

from fastsoftmax.datasets._digits import Digits, load_digits
from fastsoftmax.datasets._idx import read_idx
from fastsoftmax.datasets._mnist import MNIST, load_mnist

__all__ = ["MNIST", "Digits", "load_digits", "load_mnist", "read_idx"]
