"""Whether F has a minimiser where parameters are not penalised.

It has none if some direction δ of these lowers the loss for ever: if no row's target loses by it,

    m = u·(δ_target - δ_k) >= 0  for every row u and class k, and m > 0 for one

(Albert & Anderson 1984). Where a target gives several classes a share, these have to gain alike. By
Stiemke's theorem of the alternative there is such a δ if and only if there are no probabilities,
none of them 0 or 1, at which the gradient vanishes. Both are answered by a linear programme (Konis
2007): max Σ m subject to m >= 0 and |δ| <= 1 is 0, or the classes are separated.

Weights but for 0, offsets and the sizes of features make no difference. Features are scaled and
made orthogonal all the same, and rows scaled: the solver's tolerances are absolute.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.objective.objective import Objective

DEPENDENT = 4 * float(np.finfo(float).eps)  # times the number of rows: of singular values

Table = NDArray[np.float64]


@dataclass(frozen=True)
class SeparationRules:
    """What decides, and how large a programme may be (docs/experiments/0041-separation.md)."""

    largest: int = 300_000  # numbers of a programme, at most: half a second
    tolerance: float = 1e-10  # of the programme: the least that its solver accepts
    rounds: int = 10  # times the rows: steps of the solver, which may go round in circles
    separated: float = 1e-7  # of m: more than that tolerance makes of 0
    independent: float = 1e-10  # of squares of singular values: 1e-5, far above their rounding
    uncertain: float = 1e-3  # a probability, and
    near: float = 10.0  # times what is left to gain: a class no better known is not separated


class Margins(NamedTuple):
    """The u·(δ_target - δ_k) of rows and classes k, linear in δ."""

    of_step: Table  # (m, parameters)
    alike: NDArray[np.bool_]  # those to be 0, the others >= 0
    losses: Table  # the weight of the row times the probability of k


def separates(objective: Objective, value: float) -> bool:
    """Whether a model of this loss, without a penalty, is itself a direction that separates.

    It is if the loss is too small for even one row of a single label to be wrong.
    """
    targets, weights, offset = objective.given
    if offset is not None or targets.dtype.kind == "f":
        return False
    if left_out(objective).all():  # the loss is small by the intercepts alone
        return False
    least = 1.0 if weights is None else float(np.min(weights, where=weights > 0, initial=np.inf))
    return value < 0.5 * np.log(2) * least / len(targets)


def has_minimiser(
    objective: Objective, theta: NDArray, left: float, rules: SeparationRules | None = None
) -> bool | None:
    """Whether F has a minimiser, at a θ where at most so much is left to gain; None if there are
    too many rows, features and classes to tell by a programme of so many numbers.

    Whatever separates classes predicts them confidently there. So there is nothing to solve where
    the other rows leave no direction, which is as a rule.
    """
    o, rules = objective, rules or SeparationRules()
    of_classes = (o.n_logits - 1) ** 2 if o.loss.shift_invariant else 1
    n, most = o.data.shape[0], rules.largest / of_classes
    if o.data.is_distributed:
        return None
    found: list[bool | None] = [None]
    features = len(o.free) if o.penalty or o.l1 else o.data.shape[1]
    if n * min(n, features + 1) <= most and (U := unpenalised(o)).size <= most:
        least = max(rules.uncertain, rules.near * n * left)
        found = [separated(margins, least, rules) for margins in all_margins(o, U, theta)]
    if any(found) or (None in found and is_a_direction(o, theta)):
        return False
    return None if None in found else True


def is_a_direction(objective: Objective, theta: NDArray) -> bool:
    """Whether what is not penalised of θ separates all rows by itself: then more of it is better.

    It does if it gives each row's label more than half of the probability.
    """
    o = objective
    targets, weights, offset = o.given
    if offset is not None or targets.dtype.kind == "f" or left_out(o).all():
        return False
    data = o.data_float64
    W, b = o.parameters.user(theta, data.dtype)
    if o.penalty or o.l1:
        W = np.where(np.isin(np.arange(W.shape[1]), o.free), W, 0)
    for rows, piece in data.pieces():
        logits = o.loss.logits_of(piece)
        piece.store_logits(W, b, logits)
        off = logits.residuals(targets[rows], None)
        if (off[slice(None) if weights is None else weights[rows] > 0] >= 0.5).any():
            return False
    return True


def separated(margins: Margins, least: float, rules: SeparationRules) -> bool | None:
    """Whether a δ has these margins, not all of them 0; None if that is beyond the solver.

    Those of losses above the least are known to be 0, or it has none.
    """
    from scipy.optimize import linprog  # half of the time of importing the package

    if margins.alike.all() or not margins.of_step.size:
        return False
    known = margins.of_step[margins.alike | (margins.losses > least)]
    squares = np.linalg.eigvalsh(known.T @ known)
    if squares[0] > rules.independent * squares[-1]:
        return False
    ahead, alike = margins.of_step[~margins.alike], margins.of_step[margins.alike]
    found = linprog(
        -ahead.sum(axis=0), -ahead, np.zeros(len(ahead)), alike, np.zeros(len(alike)), (-1, 1),
        method="highs-ds",
        options={
            "primal_feasibility_tolerance": rules.tolerance,
            "dual_feasibility_tolerance": rules.tolerance,
            "maxiter": rules.rounds * len(ahead),
        },
    )  # fmt: skip
    return bool((ahead @ found.x > rules.separated).any()) if found.success else None


def all_margins(objective: Objective, U: Table, theta: NDArray) -> Iterator[Margins]:
    """The margins of a softmax, or of one logistic function after another, for directions of U."""
    o, n, k = objective, len(U), objective.n_logits
    targets, weights, offset = o.given
    data = o.data_float64
    logits = o.loss.logits_of(data)
    data.store_logits(*o.parameters.user(theta, data.dtype), logits)
    if offset is not None:
        logits.put(logits.table() + offset)
    weights = np.ones(n) if weights is None else weights
    counts = weights > 0
    losses = (weights[:, None] * logits.probabilities().table())[counts]
    U, targets, weights = U[counts], targets[counts], weights[counts]
    present = ~left_out(o)
    if o.loss.shift_invariant:
        shares = np.eye(k)[targets] if targets.ndim == 1 else targets
        yield of_softmax(U, shares[:, present], losses[:, present])
        return
    for on, loss in zip(targets.reshape(len(U), k).T[present], losses.T[present], strict=True):
        known = on <= 1
        against = np.where(on == 1, weights - loss, loss)
        alike = (on > 0) & (on < 1)
        signed = np.where(on == 1, 1, -1)[:, None] * U
        yield Margins(signed[known], alike[known], against[known])


def left_out(objective: Objective) -> NDArray[np.bool_]:
    """Logits of classes without weight, which intercepts make improbable from the start; all where
    one class alone has any."""
    o = objective
    absent = o.loss.absent(o.shares) & o.fit_intercept
    alone = o.loss.shift_invariant and absent.sum() == o.n_logits - 1
    return absent | alone


def of_softmax(U: Table, shares: Table, losses: Table) -> Margins:
    """The margins of targets' shares of classes, the last of which stays where it is."""
    k = losses.shape[1]
    if not k:  # one class, which nothing separates
        return Margins(np.empty((0, 0)), np.empty(0, bool), np.empty(0))
    first = shares.argmax(axis=1)
    rows, others = np.nonzero((np.arange(k) != first[:, None]) & shares.any(axis=1)[:, None])
    signs = np.eye(k)[first[rows]] - np.eye(k)[others]
    of_step = np.einsum("mk,mr->mkr", signs[:, :-1], U[rows]).reshape(len(rows), -1)
    return Margins(of_step, shares[rows, others] > 0, losses[rows, others])


def unpenalised(objective: Objective) -> Table:
    """What is not penalised of each row, intercept and all, in an orthogonal basis."""
    o = objective
    data = o.data_float64
    if o.penalty or o.l1:
        U = o.parameters.features(data, o.free)
    else:
        U = np.concatenate([piece.in_float64(slice(None)) for _, piece in data.pieces()])
    if o.fit_intercept:
        U = np.hstack([np.ones((len(U), 1)), U - np.median(U, axis=0)])
    if o.in_a_basis:  # whose rounding would count as numbers that most rows have
        U[np.abs(U) <= DEPENDENT * U.shape[1] * np.abs(U).max(axis=0)] = 0
    # by what most rows have, so that a far row does not make the others' numbers next to nothing
    sizes = [np.median(np.abs(u[u != 0])) if u.any() else 1.0 for u in U.T]
    U = unit_rows(U / np.array(sizes))
    left, values, _ = np.linalg.svd(U, full_matrices=False)
    left[~U.any(axis=1)] = 0  # but for rounding
    return unit_rows(left[:, values > DEPENDENT * len(U) * values.max(initial=0)])


def unit_rows(U: Table) -> Table:
    """Rows divided by their largest number."""
    sizes = np.abs(U).max(axis=1, keepdims=True, initial=0)
    return U / np.where(sizes > 0, sizes, 1)
