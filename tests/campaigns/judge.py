"""One problem: the fit, the reference's answer, and what they say of each other."""

import time
import warnings

import numpy as np
from campaigns.definition import define
from campaigns.families import Problem
from campaigns.reference import optimum
from campaigns.separability import has_minimiser

from fastsoftmax import Blocks, LogisticRegression, SoftmaxRegression

TOL = 1e-6
ABSOLUTE = 1e-13  # of F(0): below it the tolerance is absolute


def fitted(problem: Problem):
    """The model, fitted by one thread."""
    several = problem.target == "indicators"
    params = {"tol": TOL, "n_threads": 1, **problem.params}
    model = (LogisticRegression if several else SoftmaxRegression)(**params)
    extra = {"offset": problem.offset, **({} if several else {"target": problem.target})}
    if not isinstance(problem.X, list):
        return model.fit(problem.X, problem.y, problem.sample_weight, **extra)
    ends = np.cumsum([block.shape[0] for block in problem.X])[:-1]
    parts = [problem.X, np.split(problem.y, ends)]
    if problem.sample_weight is not None:
        parts.append(np.split(problem.sample_weight, ends))
    return model.fit(Blocks(list(zip(*parts, strict=True))), **extra)


def judged(problem: Problem) -> dict:
    """A line of the record."""
    n, d = problem.dense.shape
    record = {
        "family": problem.family,
        "seed": problem.seed,
        "traits": problem.traits,
        "n": n,
        "d": d,
        "C": float(problem.params["C"]),
        "l2": not problem.params.get("l1_ratio"),
    }
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = fitted(problem)
        except Exception as error:
            return record | {"error": f"{type(error).__name__}: {error}"[:300]}
    record["fit_seconds"] = round(time.perf_counter() - start, 4)
    record["told"] = any(w.category.__name__ == "ConvergenceWarning" for w in caught)
    record["warnings"] = [f"{w.category.__name__}: {w.message}"[:200] for w in caught]
    record |= {
        "k": len(model.intercept_),
        "objective": model.objective_,
        "bound": model.gap_bound_,
        "converged": bool(model.converged_),
        "certified": bool(getattr(model, "certified_", False)),
        "n_iter": int(np.max(model.n_iter_)),  # an array, where scikit-learn has one
        "n_passes": round(float(model.n_passes_), 2),
    }
    start = time.perf_counter()
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        record |= _by_reference(problem, model)
    record["reference_seconds"] = round(time.perf_counter() - start, 4)
    return record


def _by_reference(problem: Problem, model) -> dict:
    definition = define(problem)
    found = {"at_zero": definition.at_zero(), "minimiser": has_minimiser(definition)}
    centred = definition.X - definition.s @ definition.X * definition.intercept
    held = definition.pull > 0
    reach = np.sum(centred[:, held] ** 2 / definition.pull[held], axis=1).max()  # C·S·max ‖x - x̄‖²
    found["reach"] = float(reach) if np.isfinite(problem.params["C"]) else np.inf
    value = definition.value(model.coef_, model.intercept_)
    found["value"] = float(value)
    if not found["minimiser"]:
        return found
    best = optimum(definition, (model.coef_, model.intercept_) if np.isfinite(value) else None)
    return found | {
        "upper": float(best.upper),
        "width": float(best.upper - best.lower),
        "gap": float(value - best.upper),  # at least, and at most this plus the width
    }


def scale(record: dict) -> float:
    """What the tolerance is relative to."""
    return max(record["upper"], ABSOLUTE * record["at_zero"])


def faults(record: dict) -> list[str]:
    """What must not be, and is."""
    if "error" in record:
        return ["error"]
    if not record["minimiser"]:
        wrong = [] if record["told"] else ["no minimiser: not told"]
        return wrong + (["no minimiser: converged"] if record["converged"] else [])
    unit, gap = scale(record), record["gap"]
    if not np.isfinite(gap):
        return ["not finite"]
    found = []
    if record["width"] > TOL * unit or gap < -max(record["width"], 0) - 1e-12 * unit:
        found.append("undecided")
    if record["converged"] and gap > 10 * TOL * unit:
        found.append("wrong")
    if record["certified"] and gap > TOL * (1 + 1e-3) * unit:
        found.append("certified above tol")
    # a lower bound above the upper one shows how far the reference itself is off
    if record["bound"] < gap - max(-record["width"], 0) - 1e-11 * unit:
        found.append("bound below gap")
    if not record["converged"]:
        found.append("unconverged")
    if abs(record["objective"] - record["value"]) > 1e-6 * max(unit, abs(record["value"])):
        found.append("objective misreported")
    return found
