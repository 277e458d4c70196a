"""The losses of `fastsoftmax.functional` for PyTorch's tensors, with gradients; needs PyTorch.

They have the names and the arguments of ``torch.nn.functional``, and run on the CPU.
"""

from fastsoftmax.torch._cross_entropy import cross_entropy
from fastsoftmax.torch._linear_cross_entropy import linear_cross_entropy

__all__ = ["cross_entropy", "linear_cross_entropy"]
