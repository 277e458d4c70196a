"""What a solver moves: a point θ with F and ∇F there, and F along a line from it."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from numpy.typing import NDArray

from fastsoftmax._engine.data import StoredLogits, Variances
from fastsoftmax._engine.line_search.phi import LineFunction, Path


class Sample(NamedTuple):
    """Logits of some rows, and scratch of their size, which may be these themselves; until the next
    sample or `Iterate.line`."""

    logits: StoredLogits
    scratch: StoredLogits
    rows: slice


class Line(LineFunction, Protocol):
    """φ(t) = F(θ + t·direction), as long as the iterate is asked for nothing else.

    Evaluating it moves neither θ nor F nor ∇F.
    """

    displaced: bool  # whether logits have been moved to evaluate φ, and are not those of θ

    def reach(self) -> float:
        """The most that a unit step changes a logit."""

    def subsample(self) -> Path | None:
        """φ of a subsample, if that is to be searched first; then, on all rows, `by_passes`."""

    def by_passes(self) -> LineFunction:
        """φ of all rows, whose last evaluation spares `Iterate.step` its pass."""


class Iterate(Protocol):
    """θ, F and ∇F. `step` and `restart` move θ; checks change F and ∇F as far as rounding, or the
    rows left out, had them wrong."""

    theta: NDArray
    value: float
    gradient: NDArray
    incremental_logits: bool  # whether F and gradient are those of logits that steps update
    sample_step: int  # every which row is in one of the samples
    fresh: bool  # whether the logits come straight from θ
    complete: bool  # whether F is that of all rows, rather than of some and a tangent
    way_back: NDArray | None  # the way to where F was lower, if it has risen since

    def line(self, direction: NDArray) -> Line:
        """F along a direction from θ."""

    def step(self, line: Line, t: float) -> None:
        """Move to θ + t·direction."""

    def restart(self, theta: NDArray) -> None:
        """Move to another point, with logits computed from it."""

    def verify_logits(self) -> None:
        """All logits anew from θ: sums of many steps drift, and inactive rows may matter again."""

    def update_active_rows(self) -> bool:
        """Choose the active rows, or evaluate all again, where it is time for either.

        Whether F and its gradient are others now.
        """

    def hessian_times(self, direction: NDArray) -> NDArray:
        """The Hessian of loss and ridge, of all rows, times a direction."""

    def logits(self, rows: int) -> StoredLogits:
        """The present logits of about so many rows, evenly spread; of all of them for 0."""

    def samples(self) -> Iterator[Sample]:
        """Logits to draw rows from, of as many rows at a time as there is room for, evenly
        spread."""

    def variances(self) -> Variances:
        """Each row's weight times p(1 - p); until the next `line`."""
