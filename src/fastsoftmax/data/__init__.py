"""What X may be. Each kind offers the products that an objective needs, and never copies X."""

from fastsoftmax.data.dense import DenseData, Gradients, thread_workspace

__all__ = ["DenseData", "Gradients", "thread_workspace"]
