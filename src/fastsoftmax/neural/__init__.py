"""Networks of dense layers, trained by compiled epochs."""

from fastsoftmax.neural.network import Network, Pass
from fastsoftmax.neural.rules import Rule

__all__ = ["Network", "Pass", "Rule"]
