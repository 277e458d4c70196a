"""The optimum without one of the rows, for each row in turn, from the Hessian of all.

Let u be the features of a row, a its share of the loss, g = p - y and A = diag(p) - ppᵀ gradient
and Hessian of its loss by its logits, and H the Hessian of F at the optimum. Without the row F has
the gradient -a g ⊗ u there and the Hessian H - a A ⊗ uuᵀ. A step of Newton's method changes the
row's own logits by

    Δz = L (I - a A L)⁻¹ a g,    L = (I ⊗ u)ᵀ H⁻¹ (I ⊗ u),

by the Woodbury identity: a matrix of K × K for each row, its leverages (Rad & Maleki, A scalable
estimate of the out-of-sample prediction error via approximate leave-one-out cross-validation,
J. R. Stat. Soc. B 82, 2020; Giordano, Stephenson, Liu, Jordan & Broderick, A Swiss army
infinitesimal jackknife, AISTATS 2019). F without the row falls by a gᵀΔz / 2.

What the step leaves out is the change of the curvature along it, which is small unless logits
change by a lot, if not its own then another row's: those of row j by no more than √(δᵀHδ · tr Lⱼ),
where the step δ has δᵀHδ = (a g)ᵀ (I - a L A)⁻¹ Δz. Measurements:
docs/experiments/0082-leave-one-out.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.curvature.hessian import (
    Curvature,
    GramCurvature,
    add_shifts,
    curvature_of,
)
from fastsoftmax._engine.data import DenseData, StoredLogits
from fastsoftmax._engine.linalg import ClassFactors
from fastsoftmax._engine.objective.coordinates.base import Parameters
from fastsoftmax._engine.objective.objective import Objective
from fastsoftmax._engine.objective.precision import to_float64
from fastsoftmax._engine.objective.rows import Part

PIECE = 1 << 22  # bytes of features at a time: what caches hold
PARTS = 4  # of a quadratic form, which then takes 5/8 of the products

Numbers = NDArray[np.float64]


@dataclass
class LeaveOneOut:
    """What becomes of an optimum without each of its rows, to second order.

    Attributes
    ----------
    theta : ndarray
        The optimum with all rows.
    value : float
        F there.
    shares : ndarray of shape (n,)
        Of the rows in the loss.
    logits : ndarray of shape (n, K)
        Of each row, at the optimum without it.
    changes : ndarray of shape (n, K)
        By which these differ from those at the optimum with all rows.
    falls : ndarray of shape (n,)
        By which F without the row's loss falls on the way.
    variances : ndarray of shape (n,)
        The sum of the row's leverages without it: its logits change by no more than about
        √(2 Δ · variance) while F changes by Δ from there.
    reaches : ndarray of shape (n,)
        What one logit of any row that counts rises by on the way relative to another, at most.
    """

    theta: Numbers
    value: float
    shares: Numbers
    logits: Numbers
    changes: Numbers
    falls: Numbers
    variances: Numbers
    reaches: Numbers
    _pushes: Numbers  # (I - a A L)⁻¹ a g, (n, K)
    _inverse: Numbers
    _parameters: Parameters

    def without(self, row: int, features: Numbers) -> Numbers:
        """The optimum without a row of these features."""
        push = np.multiply.outer(self._pushes[row], features)
        return moved(self._parameters, self.theta, self._inverse, push)


def leave_one_out(objective: Objective, theta: NDArray) -> LeaveOneOut:
    """The optima without each of the rows, from about that with all of them.

    Of an L2 penalty, and of rows that are not on an engine. The objective is computed in float64
    from here on.
    """
    to_float64(objective)
    o, p = objective, objective.parameters
    part = Part(o.loss, o.rows)
    o.store_logits(theta, part.logits)
    value, gradient = o.value_and_grad(theta, part)
    inverse = inverse_hessian(curvature_of(o), part.logits)
    theta, value = improved(o, part, theta, value, gradient, inverse)
    n, k = o.data.shape[0], o.n_logits
    P, Q = o.loss.probabilities(part.logits)
    part.change.fill(np.zeros(k))
    part.logits.dual_point(part.change, o.targets, o.weights, part.change)
    gradients = part.change.table() / n
    shares = np.full(n, 1 / n) if o.weights is None else o.weights / n
    (changes, pushes), variances = np.empty((2, n, k)), np.empty(n)
    leverages = Leverages(inverse, o.shape, o.data.n_threads)
    for rows, U in pieces_of(o, PIECE):
        L = leverages.of(U)
        R = o.loss.root_of_hessian(P[rows], Q[rows], shares[rows])
        kept = np.linalg.inv(np.eye(k) - np.einsum("nka,nkb->nab", R, R) @ L)
        pushes[rows] = np.einsum("nab,nb->na", kept, gradients[rows])
        changes[rows] = np.einsum("nab,nb->na", L, pushes[rows])
        variances[rows] = np.einsum("nab,nba->n", L, kept)
    falls = np.einsum("nk,nk->n", gradients, changes) / 2
    energies = np.einsum("nk,nk->n", pushes, changes)
    farthest = variances.max(where=shares > 0, initial=0)
    reaches = np.sqrt(2 * farthest * np.maximum(energies, 0))
    logits = part.logits.table() + changes
    return LeaveOneOut(
        theta, value, shares, logits, changes, falls, variances, reaches, pushes, inverse, p
    )


def improved(
    objective: Objective,
    part: Part,
    theta: NDArray,
    value: float,
    gradient: NDArray,
    inverse: Numbers,
) -> tuple[Numbers, float]:
    """A step of Newton's method further, and F there, if that is lower; logits go with it."""
    o, p = objective, objective.parameters
    further = moved(p, theta, inverse, -p.layout.table(gradient))
    o.store_logits(further, part.logits)
    lower = o.value_and_grad(further, part)[0]
    if lower <= value:
        return further, lower
    o.store_logits(theta, part.logits)
    return theta, value


def moved(p: Parameters, theta: NDArray, inverse: Numbers, push: Numbers) -> Numbers:
    """θ + H⁻¹ push, without what all classes have in common."""
    step = np.einsum("ij,j->i", inverse, push.ravel())
    there = np.array(theta, np.float64)
    p.layout.table(there)[:] += step.reshape(push.shape)
    return p.project(there)


def inverse_hessian(curvature: Curvature, logits: StoredLogits) -> Numbers:
    """H⁻¹ (K·size, K·size), class by class, for vectors of class mean 0 if the loss is a
    softmax."""
    o = curvature.objective
    size = o.shape[1]
    ridge = o.penalty * np.square(o.parameters.units(np.arange(size)))
    ridge[o.free] = 0
    if isinstance(curvature, GramCurvature):
        H = curvature.hessian_of(logits)
    else:
        H = hessian_by_pieces(o, *o.loss.probabilities(logits), ridge)
    if o.loss.shift_invariant:
        add_shifts(H, o.shape, ridge)
    return ClassFactors(H[None], o.data.n_threads).inverse()


def hessian_by_pieces(objective: Objective, P: Numbers, Q: Numbers, ridge: Numbers) -> Numbers:
    """The Hessian where X is sparse, of which some rows are made dense at a time."""
    o, (k, size) = objective, objective.shape
    H = np.zeros((k, size, k, size))
    # what a piece adds is as large as H: its rows are to be worth that
    for rows, U in pieces_of(o, max(PIECE, 8 * k * size**2)):
        gram = partial(DenseData(U, o.data.n_threads).gram, scale=1 / len(P))
        weights = None if o.weights is None else o.weights[rows]
        H += o.loss.hessian(P[rows], Q[rows], weights, size, gram)
    H = H.reshape(k * size, k * size)
    np.einsum("ii->i", H)[:] += np.tile(ridge, k)
    return H


class Leverages:
    """(I ⊗ u)ᵀ H⁻¹ (I ⊗ u): of each pair of classes a quadratic form of the features of a row.

    It takes products with some rows of its symmetric matrix at a time, up to the diagonal: what is
    before their own square counts twice.
    """

    def __init__(self, inverse: Numbers, shape: tuple[int, int], n_threads: int) -> None:
        (k, size), self._n_threads = shape, n_threads
        self._k, blocks = k, inverse.reshape(k, size, k, size)
        width = max(64, -(-size // PARTS))
        self._parts = []
        for a in range(k):
            for b in range(a + 1):
                symmetric = (blocks[a, :, b] + blocks[a, :, b].T) / 2
                for start in range(0, size, width):
                    part = slice(start, min(start + width, size))
                    W = symmetric[part, : part.stop].copy()
                    W[:, :start] *= 2
                    self._parts.append((a, b, part, W))

    def of(self, U: Numbers) -> Numbers:
        """Of rows of these features, (n, K, K)."""
        L = np.zeros((len(U), self._k, self._k))
        for a, b, part, W in self._parts:
            product = DenseData(U[:, : part.stop], self._n_threads).logits(W, None)
            L[:, a, b] += np.einsum("nj,nj->n", product, U[:, part])
        upper = np.triu_indices(self._k, 1)
        L[:, upper[0], upper[1]] = L[:, upper[1], upper[0]]
        return L


def pieces_of(objective: Objective, most_bytes: int) -> Iterator[tuple[slice, Numbers]]:
    """Features of some rows at a time in the coordinates of θ, and their constants."""
    o = objective
    most = max(32, most_bytes // (8 * o.shape[1]))
    for rows, piece in o.data.pieces():
        for first in range(0, piece.shape[0], most):
            some = slice(first, min(first + most, piece.shape[0]))
            of_all = slice(rows.start + some.start, rows.start + some.stop)
            yield of_all, o.parameters.features(piece.rows(some))


def features_of(objective: Objective, chosen: NDArray[np.intp]) -> Numbers:
    """The same of chosen rows, in order."""
    o = objective
    found = [np.empty((0, o.shape[1]))]
    for rows, piece in o.data.pieces():
        here = chosen[(chosen >= rows.start) & (chosen < rows.stop)]
        if len(here):
            found.append(o.parameters.features(piece.rows(here - rows.start)))
    return np.concatenate(found)
