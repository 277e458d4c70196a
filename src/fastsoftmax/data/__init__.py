"""What X may be. Each kind offers the products that an objective needs, and never copies X."""

from fastsoftmax.data.dense import DenseData, Gradients

__all__ = ["DenseData", "Gradients"]
