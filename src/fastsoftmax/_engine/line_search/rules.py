"""What lines are made by: when logits are stored, rows sampled, and rows left out."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ShrinkingRules:
    """Which rows become inactive, and for how long (docs/experiments/0025-shrinking.md)."""

    curvature: float = 0.01  # of the penalty's, that an inactive row may have
    largest_residual: float = 1e-3  # a residual above which no row becomes inactive
    margin: float = 1.1  # times the logarithm: a row is kept active below the threshold already
    most_active: float = 0.7  # of the rows: with more active ones nothing is left out
    check_interval: int = 24  # steps before all rows are evaluated again,
    longest_interval: int = 96  # and to how many it doubles while none is reactivated
    most_failed_checks: int = 3  # after which all rows stay active


@dataclass(frozen=True)
class LineRules:
    """How F is followed along a line (docs/experiments/0015, 0016 and 0047)."""

    stored_bytes: int = 256 << 20  # of logits and of their change, each, at most
    subsample_rows: int = 2048  # which are searched first if there are twice as many rows
    unreliable: float = 0.3  # of the slope, left where it is 0 on the subsample: not used again
    few_features: int = 128  # up to which φ of all stored logits is expensive beside a pass
    # |φ'| at the end of a search, as a share of |φ'(0)|: the less, the less an evaluation costs,
    near_of_subsample: float = 0.1  # on a subsample,
    near_of_stored: float = 0.2  # on all stored logits,
    near_of_pass: float = 0.8  # or in a pass
    shrinking: ShrinkingRules = ShrinkingRules()
