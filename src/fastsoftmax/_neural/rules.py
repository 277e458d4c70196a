"""How weights follow their gradient: the rules of `_core/network/network_rules.pxd`, with state."""

import copy
from dataclasses import dataclass
from typing import Protocol, Self

from numpy.typing import NDArray


@dataclass(frozen=True)
class Kind:
    """What a rule needs."""

    states: int = 0  # numbers kept for each weight
    mean: str = "beta_1"  # parameter of its mean of gradients, where it has one
    decoupled: bool = False  # alpha shrinks the coefficients beside the loss, not within


KINDS = {
    "store": Kind(1),  # keep the gradient and leave the weights
    "sgd": Kind(),
    "momentum": Kind(1, mean="momentum"),
    "nesterov": Kind(1, mean="momentum"),
    "adagrad": Kind(1),
    "rmsprop": Kind(1),
    "adam": Kind(2),
    "adamw": Kind(2, decoupled=True),
}


class Trained(Protocol):
    """A network, as far as a rule knows it."""

    def block(self) -> NDArray:
        """Zeros, one for each weight, laid out as the weights are."""


class Rule:
    """An update rule, and its state from a network's past gradients.

    Parameters
    ----------
    name : str
        A key of `KINDS`.
    network : Network
        The network whose weights the rule updates.
    alpha : float
        Strength of the penalty alpha/2 ‖W‖² on the coefficients, which the sum of a batch's losses
        includes; for "adamw" a step takes rate * alpha of each coefficient instead.
    momentum, beta_1, beta_2, epsilon : float
        As in `MLPClassifier`; "rmsprop" averages squares by beta_2.
    """

    def __init__(
        self,
        name: str,
        network: Trained,
        *,
        alpha: float = 0.0,
        momentum: float = 0.9,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        kind = KINDS[name]
        self.name, self._kind = name, kind
        self.first: NDArray | None = network.block() if kind.states > 0 else None
        self.second: NDArray | None = network.block() if kind.states > 1 else None
        self.n_steps = 0
        self.change(alpha=alpha, momentum=momentum, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)

    def copy(self, network: Trained) -> Self:
        """The same rule with a copy of the state."""
        other = copy.copy(self)
        for name in ("first", "second"):
            if (state := getattr(self, name)) is not None:
                block = network.block()
                block[:] = state
                setattr(other, name, block)
        return other

    def change(
        self, *, alpha: float, momentum: float, beta_1: float, beta_2: float, epsilon: float
    ) -> None:
        """Replace the numbers of the rule and keep its state."""
        mean = momentum if self._kind.mean == "momentum" else beta_1
        self.numbers = mean, beta_2, epsilon, alpha
        self.penalty = 0.0 if self._kind.decoupled else alpha
