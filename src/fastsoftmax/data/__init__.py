"""What X may be. Each kind offers the products that an objective needs, and never copies X."""

from fastsoftmax.data.dense import DenseData, Gradients
from fastsoftmax.data.factors import ClassFactors
from fastsoftmax.data.stored import Draw, StoredLogits
from fastsoftmax.data.vectors import add, dot

__all__ = ["ClassFactors", "DenseData", "Draw", "Gradients", "StoredLogits", "add", "dot"]
