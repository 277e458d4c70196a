"""What a fit leaves for the next on the same data: coordinates, and blocks of the Hessian.

All of it serves conditioning alone. Where it does not suit what comes, the next fit takes more
iterations, and ends at its own optimum all the same.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

from fastsoftmax._engine.linalg import ClassFactors

if TYPE_CHECKING:
    from fastsoftmax._engine.objective.objective import Objective


@dataclass
class Grams:
    """Full Gram matrices, factored. Another ridge is one for all who share them."""

    unweighted: NDArray
    factors: ClassFactors
    ridge: NDArray  # that is in them
    joint: bool  # whether they are one matrix for all classes


class WarmStart(NamedTuple):
    """Warm-start state: parts of an objective without its data."""

    key: tuple[Any, ...]
    coordinates: dict[str, Any]
    reference: NDArray | None  # weights p(1 - p) of some rows at the last build
    grams: Grams | None


def key_of(objective: "Objective") -> tuple[Any, ...]:
    """Equal for objectives that can hand on what they know: of the same rows, as some say."""
    o = objective
    kind = o.data.shape, str(o.data.dtype), o.n_logits, o.logistic, o.fit_intercept
    return *kind, o.data.fingerprint()


def warm_start_of(objective: "Objective") -> WarmStart | None:
    """What the objective leaves after a fit; None if that is nothing."""
    coordinates = objective.parameters.coordinates()
    if coordinates is None:
        return None
    curvature = objective.curvature
    return WarmStart(key_of(objective), coordinates, curvature.reference, curvature.grams)
