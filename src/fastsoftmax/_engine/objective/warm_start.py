"""What a fit leaves for the next on the same data: coordinates, and blocks of the Hessian.

All of it serves conditioning alone. Where it does not suit what comes, the next fit takes more
iterations, and ends at its own optimum all the same.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from numpy.typing import NDArray

from fastsoftmax._engine.data import Data
from fastsoftmax._engine.linalg import ClassFactors
from fastsoftmax._engine.objective.coordinates.scaling import Scaling
from fastsoftmax._engine.objective.loss import Loss


@dataclass
class Grams:
    """Full Gram matrices, factored. Another ridge is one for all who share them."""

    unweighted: NDArray
    factors: ClassFactors
    ridge: NDArray | None  # that is in them; None: a fit was interrupted while it changed them
    joint: bool  # whether they are one matrix for all classes


class WarmStart(NamedTuple):
    """Warm-start state: parts of an objective without its data."""

    key: tuple[Any, ...]
    scaling: Scaling
    reference: NDArray | None  # weights p(1 - p) of some rows at the last build
    grams: Grams | None

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """None for a worker that is sent an objective: it builds no preconditioner."""
        return type(None), ()

    def __deepcopy__(self, memo: object) -> Self:
        """Itself: compiled kernels in it have no copies."""
        return self


def key_of(data: Data, loss: Loss, fit_intercept: bool) -> tuple[Any, ...]:
    """Equal for objectives that can hand on what they know: of the same rows, as some say."""
    return data.shape, str(data.dtype), loss, fit_intercept, data.fingerprint()


def usable(warm_start: WarmStart | None, key: tuple[Any, ...]) -> WarmStart | None:
    """What another objective left, if it is one of the same rows."""
    return warm_start if warm_start is not None and warm_start.key == key else None
