"""Constants of the solvers that `Options` carry.

Where a page is named it has what was measured; docs/experiments/0064-rules-of-solvers.md has what
becomes of fits with other numbers.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class EndingRules:
    """What tells how F goes on, and that it goes on for ever (0041 and 0071)."""

    lately: int = 4  # iterations, at least, from which a trend is read
    vanishing: float = -0.5  # relative change of a probability by Newton's step: it goes on to 0
    large_offset: float = 300.0  # beyond it an offset alone predicts rows with certainty: a tenth
    # of those beside which fits from the median still ended at the minimum (0087)
    separated: float = 1e-5  # of the null loss: an unpenalised loss this low may go on to 0


@dataclass(frozen=True)
class LbfgsRules:
    """How L-BFGS begins, and when float32 gives way (0016, 0024, 0029 and 0064)."""

    first_change: float = 10.0  # of any logit by the first step, at most: no curvature is known yet
    further: float = 10.0  # times the first step, to which a subsample is followed: it may separate
    rough: float = 1e-7  # of F, left to gain, down to which float32 shows the way
    lost: int = 3  # iterations, in which F falls by its rounding at most, until float32 gives way
    fewest_pairs: int = 3  # however short memory is
    rounds: int = 10  # of the loop per iteration: all but one mend precision, logits or history


@dataclass(frozen=True)
class ProofRules:
    """When conjugate gradients towards a proof end (0043 and 0064)."""

    ready: float = 0.9  # of the tolerance: an estimate below which a proof is tried
    tight: float = 1.05  # times what F falls by: a bound that another product hardly improves
    forcing: float = 0.25  # of the residual, in M's norm, that is left for a mere step
    products: int = 200  # with the Hessian, for a proof
    products_of_step: int = 10  # for a mere step
    last_products: int = 10  # for a bound where a fit did not converge


@dataclass(frozen=True)
class ProximalRules:
    """How far Newton's method goes on the weights that are not 0 (0033, 0035, 0049 and 0064)."""

    forcing: float = 0.1  # of the residual on the face, in M⁻¹'s norm, that may be left
    products: int = 100  # with the Hessian, in an iteration
    faces: int = 6  # of which it ends on the last
    flat: float = 1e-8  # of M's curvature: F falls along what is flatter until a weight becomes 0
    crossings: float = 0.2  # of these weights, that may change sign
    rise: float = 0.05  # of twice what F falls by, that the penalty of changed signs may be more
    change: float = 30.0  # of any logit by the step that is evaluated first, at most
    given_up: int = 8  # iterations in which neither F falls nor the bound, before the end
    share: float = 0.1  # of the tolerance that the residual of the step may leave to the bound
