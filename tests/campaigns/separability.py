"""Whether F has a minimiser, decided by linear programming."""

from itertools import product

import numpy as np
from campaigns.reference import Basis, orthonormal
from scipy.optimize import linprog
from scipy.sparse import coo_array, hstack, identity


def has_minimiser(definition) -> bool:
    """False if some direction without a penalty lowers F for ever.

    Along such a direction no row's loss rises, and some row's falls: the classes that a row's
    target gives any probability move alike, and the others no further up (Albert & Anderson 1984).
    """
    basis = Basis(definition)
    U = basis.Z[:, (basis.ridge == 0) & (basis.lasso == 0)]
    if not U.shape[1]:
        return True
    if U.shape[1] == 1 and definition.intercept:  # intercepts alone
        return all(part.targets.any(axis=0).all() for part in definition.parts)
    return not any(descends(U, part) for part in definition.parts)


def places(classes, r):
    """Those of the weights of classes, r each."""
    return r * classes[:, None] + np.arange(r)


def conditioned(U):
    """The same rows up to positive factors, in an orthonormal basis.

    The solver's tolerances are absolute: with columns of unit size alone, where one row has 1e9 the
    others' 1e-9 were nothing to it, and it took data for separated that are not.
    """
    for _ in range(12):  # until the largest of each row and column is about 1 (Ruiz 2001)
        for axis in (0, 1):
            sizes = np.sqrt(np.abs(U).max(axis=axis, keepdims=True))
            U = U / np.where(sizes > 0, sizes, 1)
    U = orthonormal(U)
    sizes = np.abs(U).max(axis=1, keepdims=True)
    return (U / np.where(sizes > 0, sizes, 1)).astype(float)


def descends(U, part) -> bool:
    """Whether there is a direction along which no loss of a part rises and some fall."""
    U = conditioned(U)
    r, k = U.shape[1], part.targets.shape[1]
    support = part.targets > 0
    first = support.argmax(axis=1)
    rows, others = np.nonzero(np.arange(k) != first[:, None])
    lead = first[rows]
    at = np.arange(len(rows))[:, None]
    # the logit of a class of the row's target, less another: >= 0, and 0 where both are of it
    entries = [(U[rows], lead, 1), (U[rows], others, -1)]
    A = sum(
        coo_array(
            ((sign * values).ravel(), (np.repeat(at, r), places(classes, r).ravel())),
            shape=(len(rows), r * k),
        ).tocsr()
        for values, classes, sign in entries
    )
    alike = support[rows, others]
    # the last class, or that of the logit 0, stays
    A = A[:, r:] if part.logistic else A[:, :-r]
    ahead, equal = A[~alike], A[alike]
    m = ahead.shape[0]
    if not m:
        return False
    ways = product(("highs", "highs-ipm"), (1e-10, 1e-8, 1e-7), (None, 1e6))
    for method, feasible, box in ways:
        result = linprog(
            np.concatenate([np.zeros(A.shape[1]), -np.ones(m)]),
            A_ub=hstack([-ahead, identity(m)]).tocsr(),
            b_ub=np.zeros(m),
            A_eq=hstack([equal, coo_array((equal.shape[0], m))]).tocsr() if alike.any() else None,
            b_eq=np.zeros(equal.shape[0]) if alike.any() else None,
            bounds=[(box and -box, box)] * A.shape[1] + [(0, 1)] * m,
            method=method,
            options={
                "primal_feasibility_tolerance": feasible, "dual_feasibility_tolerance": feasible,
                "time_limit": 10.0,  # it may go round in circles
            },
        )  # fmt: skip
        # what is found is looked at: scaled within, it may be off by more than the tolerance
        if result.status == 0 and (ahead @ result.x[: A.shape[1]]).min() > -1e-3:
            break
    else:
        raise RuntimeError(f"linprog: {result.message}")
    return -result.fun > 0.5
