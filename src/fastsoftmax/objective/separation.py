"""Whether F has a minimiser where parameters are not penalised.

It has none if some direction δ of these lowers the loss for ever: if no row's target loses by it,

    m = u·(δ_target - δ_k) >= 0  for every row u and class k, and m > 0 for one

(Albert & Anderson 1984). Where a target gives several classes a share, these have to gain alike. By
Stiemke's theorem of the alternative there is such a δ if and only if there are no probabilities,
none of them 0 or 1, at which the gradient vanishes. Both are answered by a linear programme (Konis
2007): max Σ m subject to m >= 0 and |δ| <= 1 is 0, or the classes are separated.

Weights but for 0, offsets and the sizes of features make no difference. Features are scaled and made
orthogonal all the same, and rows scaled: the solver's tolerances are absolute.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fastsoftmax.objective.objective import Objective

LARGEST = 1_000_000  # numbers of a programme, at most: about a second
TOLERANCE = 1e-10  # of the programme: the least that its solver accepts
SEPARATED = 1e-7  # of m: more than that tolerance makes of 0
DEPENDENT = 4 * float(np.finfo(float).eps)  # times the number of rows: of singular values

Table = NDArray[np.float64]
Margins = tuple[Table, Table]  # rows a with m = a·δ that have to be >= 0, and those to be 0


def separates(objective: Objective, value: float) -> bool:
    """Whether a model of this loss, without a penalty, is itself a direction that separates.

    It is if the loss is too small for even one row of a single label to be wrong.
    """
    o, n = objective, objective.data.shape[0]
    if o.offset is not None or o.targets.dtype.kind == "f":
        return False
    least = 1.0 if o.weights is None else float(np.min(o.weights, where=o.weights > 0, initial=1.0))
    return value < 0.5 * np.log(2) * least / n


def has_minimiser(objective: Objective) -> bool | None:
    """Whether F has a minimiser; None if there are too many rows, features and classes to tell."""
    o = objective
    of_classes = 1 if o.logistic else (o.n_logits - 1) ** 2
    features = len(o.free) if o.penalty or o.l1 else o.data.shape[1]
    if o.data.shape[0] * (features + o.fit_intercept) * of_classes > LARGEST:
        return None
    found = [separated(*margins) for margins in programmes(o)]
    if any(found):
        return False
    return None if None in found else True


def separated(ahead: Table, alike: Table) -> bool | None:
    """Whether a δ has ``ahead @ δ >= 0``, not all of it 0, and ``alike @ δ = 0``; None if that is
    beyond the solver."""
    from scipy.optimize import linprog  # half of the time of importing the package

    if not ahead.size:
        return False
    found = linprog(
        -ahead.sum(axis=0), -ahead, np.zeros(len(ahead)), alike, np.zeros(len(alike)), (-1, 1),
        method="highs-ds",
        options={
            "primal_feasibility_tolerance": TOLERANCE, "dual_feasibility_tolerance": TOLERANCE
        },
    )  # fmt: skip
    return bool((ahead @ found.x > SEPARATED).any()) if found.success else None


def programmes(objective: Objective) -> Iterator[Margins]:
    """One for a softmax, or one for each logistic function."""
    targets, weights, _ = objective.given
    counts = slice(None) if weights is None else weights > 0
    U, targets = unpenalised(objective)[counts], targets[counts]
    if not objective.logistic:
        yield of_softmax(U, targets, objective.n_logits)
    elif targets.ndim == 1:
        yield of_logistic(U, targets)
    else:
        for column in targets.T:
            yield of_logistic(U[column <= 1], column[column <= 1])


def of_logistic(U: Table, on: NDArray) -> Margins:
    """Of targets 0 and 1, or shares between these."""
    alike = (on > 0) & (on < 1)
    return np.where(on == 1, 1, -1)[~alike, None] * U[~alike], U[alike]


def of_softmax(U: Table, targets: NDArray, k: int) -> Margins:
    """Of labels or shares of k classes; the last class stays where it is."""
    shares = np.eye(k)[targets] if targets.ndim == 1 else targets
    shares, U = shares[shares.any(axis=1)], U[shares.any(axis=1)]
    first = shares.argmax(axis=1)
    rows, others = np.nonzero(np.arange(k) != first[:, None])
    signs = np.eye(k)[first[rows]] - np.eye(k)[others]
    margins = np.einsum("mk,mr->mkr", signs[:, :-1], U[rows]).reshape(len(rows), -1)
    alike = shares[rows, others] > 0
    return margins[~alike], margins[alike]


def unpenalised(objective: Objective) -> Table:
    """What is not penalised of each row, intercept and all, in an orthogonal basis."""
    o = objective
    data = o.data_float64
    if o.penalty or o.l1:
        U = o.parameters.free_features(data)
    else:
        U = np.concatenate([piece.in_float64(slice(None)) for _, piece in data.pieces()])
    if o.fit_intercept:
        U = np.hstack([np.ones((len(U), 1)), U - np.median(U, axis=0)])
    # by what most rows have, so that a far row does not make the others' numbers next to nothing
    sizes = [np.median(np.abs(u[u != 0])) if u.any() else 1.0 for u in U.T]
    U = unit_rows(U / np.array(sizes))
    left, values, _ = np.linalg.svd(U, full_matrices=False)
    return unit_rows(left[:, values > DEPENDENT * len(U) * values.max(initial=0)])


def unit_rows(U: Table) -> Table:
    """Rows divided by their largest number."""
    sizes = np.abs(U).max(axis=1, keepdims=True, initial=0)
    return U / np.where(sizes > 0, sizes, 1)
