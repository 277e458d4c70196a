"""Proximal Newton method for an L1 penalty (Lee, Sun & Saunders 2014), in two steps per iteration.

1. *Support.* A model of the loss with a block of the Hessian for each class, and the penalty as it
   is, are minimised by coordinate descent on a working set: all weights that are not 0 and of the
   others those whose subgradient is steepest. Weights come and go here.
2. *Weights.* With the signs kept, F is smooth: Newton's method on the weights that are not 0, by
   conjugate gradients on exact products with the Hessian, the model being the preconditioner.
   Weights that would change sign become 0, and the others make up for it, unless the penalty
   hardly notices.

The blocks leave out how the classes depend on each other; step 2 has it. Adding a number to all
classes' weights of a feature changes the penalty alone, so that the best number, a median, is
subtracted at no cost (`objective/l1.py`). Where steps are much
shorter than what a model proposes, as for nearly separable classes, whose curvature vanishes, the
next is damped.

Variants compared: docs/experiments/0033-proximal-newton.md.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.curvature import Curvature
from fastsoftmax._engine.line_search import iterate_at
from fastsoftmax._engine.line_search.bracket import search
from fastsoftmax._engine.line_search.penalised import PenalisedIterate
from fastsoftmax._engine.objective import Objective, group_norms
from fastsoftmax._engine.solvers.base import Options, Result, Run, Stop, register
from fastsoftmax._engine.solvers.certificate import Certificate, certify
from fastsoftmax._engine.solvers.class_models import ColumnModel, GramModel, Solve, model_for
from fastsoftmax._engine.solvers.norm_curvature import NormCurvature
from fastsoftmax._engine.solvers.rules import ProximalRules

USUAL = ProximalRules()


@dataclass(frozen=True)
class Damping:
    """How much stiffer the next model is, after steps by far shorter than it proposed.

    docs/experiments/0034-nearly-separable-text.md, 0047-deletions.md and 0049-signs.md.
    """

    short: float = 0.5  # of what a model proposes: a step less than this damps the next,
    first: float = 1e-3  # beginning with this, of the curvature at equal probabilities,
    factor: float = 10.0  # and so much more each time, so much less after each unit step,
    most: float = 1.0  # up to that curvature

    def after(self, damping: float, t: float) -> float:
        """What follows on a Newton step t."""
        if t < self.short:
            return min(self.most, max(self.first, self.factor * damping))
        return damping / self.factor if t >= 1 else damping


@register("proximal-newton", needs=("l1", "logits"))
def minimize_proximal(
    objective: Objective, theta: NDArray, options: Options, schedule: Damping | None = None
) -> Result:
    """Minimise from θ until the certified gap is tol * F."""
    rules, schedule = options.proximal, schedule or Damping()
    run, progress = Run(objective, options), Progress(rules.given_up)
    it, model, damping, most = iterate_at(objective, theta, options.line), None, 0.0, 0
    while True:
        if not np.isfinite(it.value):
            return stopped(run, it, run.stops(it))
        centre(objective, it)
        wanted, gap = run.tolerance(it.value), it.estimated_gap()
        # where features are free, a step has to show that no probability goes on to 0
        if gap <= wanted and not len(objective.free):
            run.proves(certify(objective, it.theta, np.zeros(objective.size), wanted))
        run.notify(it.theta, gap)
        if run.result.converged:
            return run.end(it)
        stalls = progress.stalls(it.value, gap, objective.rounding)
        if reason := run.stuck if stalls else run.stops(it):
            return stopped(run, it, reason)
        if model is None or not model.serves(it):
            model = model_for(run.curvature, it, options.seed + run.n_iter)
        # as curvature falls with the loss
        model.damp(damping * min(1.0, it.value / objective.loss.uniform_loss))
        step_along(it, model.set.step(model.descend(it), it.theta), objective.rounding, rules)
        centre(objective, it)
        direction, products, left = on_face(it, model, most, wanted, rules)
        most = max(most, products)
        if left <= wanted:
            certificate = certify(objective, it.theta, direction, wanted)
            if run.proves(certificate):
                run.record(it.value, it.gradient)
                run.notify(it.theta, run.result.gap_bound)
                return run.end(it)
            if certificate.is_newton:
                direction = certificate.direction
        t = step_along(it, direction, objective.rounding, rules)
        damping = schedule.after(damping, t)
        run.record(it.value, it.gradient)


def stopped(run: Run, it: PenalisedIterate, reason: Stop | None) -> Result:
    """The result without a proof, with the bound that another step gives."""
    run.result.stop = reason
    if not np.isfinite(it.value):
        return run.end(it)
    wanted, options = run.tolerance(it.value), run.options
    found = certificate_at(run.curvature, it, wanted, options.seed, options.proximal)
    return run.end(it, found)


class Progress:
    """Whether F or the bound on the gap still falls."""

    def __init__(self, most: int) -> None:
        self._value = self._gap = np.inf
        self._most = most
        self._stale = 0  # iterations in which neither did

    def stalls(self, value: float, gap: float, rounding: float) -> bool:
        """Whether it is time to give up."""
        falls = gap < self._gap or self._value - value > rounding * value
        self._stale = 0 if falls else self._stale + 1
        self._value, self._gap = min(self._value, value), min(self._gap, gap)
        return self._stale == self._most


def certificate_at(
    curvature: Curvature,
    it: PenalisedIterate,
    tolerance: float,
    seed: int,
    rules: ProximalRules = USUAL,
) -> Certificate:
    """What a step of Newton's method on the weights that are not 0 proves."""
    model = model_for(curvature, it, seed)
    model.damp(0.0)
    direction, _, _ = on_face(it, model, 0, tolerance, rules)
    return certify(curvature.objective, it.theta, direction, tolerance)


def centre(objective: Objective, it: PenalisedIterate) -> None:
    """Take out of the weights what changes no probability."""
    theta = objective.l1.centred(it.theta, it.places[it.theta[it.places] != 0])
    if theta is not None:
        objective.passes.count += 0.5
        it.relabel(theta)


def on_face(
    it: PenalisedIterate,
    model: GramModel | ColumnModel,
    most: int,
    wanted: float,
    rules: ProximalRules,
) -> tuple[NDArray, int, float]:
    """A step of Newton's method on the weights that are not 0, as long as they keep their signs.

    Those that would change sign become 0, and the others make up for it, on the face that is left.
    And the products with the Hessian that it took; `most` were taken before. And an estimate of
    F - F*, for which the step is a good one where that is as little as is wanted.
    """
    # an intercept that would change its sign becomes 0 too, which spares letter an iteration
    values = np.where(model.set.free, 0.0, model.set.take(it.theta))
    face = (group_norms.norms(values, model.set.groups) != 0) | model.set.unpenalised
    face[model.set.absent] = False  # without curvature
    if not face.any():
        return model.set.step(np.zeros(face.shape), it.theta), 0, 0.0
    curved = NormCurvature(values, model.set.thresholds, model.set.groups)
    solve = model.factor(it, face, most, curved)
    newton = NewtonOnFaces(it, model, values, curved, solve, wanted, rules)
    x = np.zeros_like(values)
    for _ in range(rules.faces):
        x, slack = newton.solve(face, x)
        crossing = newton.crossings(x)
        if not crossing.any() or not newton.products:
            break
        face, x = face & ~crossing, np.where(crossing, -values, x)
    step = np.where(newton.crossings(x), -values, x)
    left = 0.5 * inner(newton.right, step) + slack
    return model.set.step(step, it.theta), rules.products - newton.products, left


class NewtonOnFaces:
    """Newton's equations H x = right of the weights at an iterate, on faces of fewer and fewer.

    Parameters
    ----------
    values : ndarray of shape (K, m)
        Of the weights whose signs are kept; 0 for others.
    curved : NormCurvature
        What the norms of groups add to H.
    preconditioner : callable
        M⁻¹ of a face that all are part of.
    wanted : float
        Where F - F* is as little, x is to prove it.

    Attributes
    ----------
    right : ndarray of shape (K, m)
    products : int
        With H, that are left.
    """

    def __init__(
        self,
        it: PenalisedIterate,
        model: GramModel | ColumnModel,
        values: NDArray,
        curved: NormCurvature,
        preconditioner: Solve,
        wanted: float,
        rules: ProximalRules,
    ) -> None:
        self._it, self._model, self._values, self._curved = it, model, values, curved
        self._solve, self._wanted, self._rules = preconditioner, wanted, rules
        self._rounding = model.set.rounding(it.value)
        self.right = -(model.set.take(it.smooth) + model.set.pull(values))
        self.products = rules.products

    def _times(self, x: NDArray) -> NDArray:
        self.products -= 1
        return self._model.hessian_times(self._it, x) + self._curved.times(x)

    def solve(self, face: NDArray, x: NDArray) -> tuple[NDArray, float]:
        """About the solution on a face, by conjugate gradients from x; and what its residual adds
        to the bound."""
        rules, left = self._rules, self.right * face
        enough = rules.forcing**2 * inner(left, self._solve(left))
        if x.any():
            left = (self.right - self._times(x)) * face
        z = self._solve(left) * face
        p, size = z, inner(left, z)
        while self.products > 0:
            is_near = 0.5 * inner(self.right, x) + size <= self._wanted
            proves = self._slack(left) <= rules.share * self._wanted
            if size <= enough and (proves or not is_near):
                break
            product = self._times(p) * face
            curvature = inner(p, product)
            if not curvature > rules.flat * size:
                x = x + self._to_first_zero(x, p) * p
                break
            x = x + (size / curvature) * p
            crossing = self.crossings(x)
            if np.count_nonzero(crossing) > rules.crossings * np.count_nonzero(self._values):
                break
            left = left - (size / curvature) * product
            z = self._solve(left) * face
            size, before = inner(left, z), size
            p = z + (size / before) * p
        return x, self._slack(left)

    def _slack(self, left: NDArray) -> float:
        """What a residual adds to the bound; nothing where it is rounding."""
        if (np.abs(left) <= self._rounding).all():
            return 0.0
        return self._model.set.slack(left, self._values)

    def crossings(self, x: NDArray) -> NDArray[np.bool_]:
        """Which weights change sign along the step; none where the penalty hardly notices.

        Beyond 0 the penalty of a weight is 2 λ|w| more than on the face. Groups cross where the
        step turns them by more than a right angle.
        """
        t, groups = self._model.set.thresholds, self._model.set.groups
        there, units = t * (self._values + x), group_norms.unit(t * self._values, groups)
        crossing = group_norms.inner(units, there, groups) < 0
        beyond = np.where(crossing, there, 0.0)
        rise = inner(beyond, group_norms.unit(beyond, groups) - units)
        return crossing & (rise > self._rules.rise * inner(self.right, x))

    def _to_first_zero(self, x: NDArray, direction: NDArray) -> float:
        """How far from x along a direction without curvature the first of the weights changes its
        sign; 0 if none does."""
        t, groups = self._model.set.thresholds, self._model.set.groups
        there = t * np.where(self._values != 0, self._values + x, 0.0)
        along = group_norms.inner(group_norms.unit(there, groups), t * direction, groups)
        with np.errstate(divide="ignore", invalid="ignore"):
            lengths = -group_norms.norms(there, groups) / along
        lengths = lengths[lengths > 0]
        past = 1 + 1e-9  # despite rounding
        return past * float(lengths.min()) if lengths.size else 0.0


def inner(a: NDArray, b: NDArray) -> float:
    return float(np.einsum("km,km->", a, b))


def step_along(
    it: PenalisedIterate, direction: NDArray, rounding: float, rules: ProximalRules
) -> float:
    """Step to about where F is least along a direction; the step.

    A unit step comes first: it is the one that makes weights 0.
    """
    if not direction.any():
        return 1.0
    line = it.line(direction)
    slope = line.evaluate(0.0).slope
    if not slope < 0:
        return 0.0
    first = min(1.0, rules.change / max(line.reach(), 1e-300))
    t = search(line, it.value, slope, first, rounding=rounding) or 0.0
    if t:
        it.step(line, t)
    return t
