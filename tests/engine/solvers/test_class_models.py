"""M⁻¹ on a face from what is kept of iterations before, against NumPy's inverses of products."""

import numpy as np
import pytest
from scipy import sparse

from fastsoftmax._engine.curvature import curvature_of
from fastsoftmax._engine.data import data_of
from fastsoftmax._engine.line_search import iterate_at
from fastsoftmax._engine.objective import Objective, Observations, Penalised, Penalty, start_of
from fastsoftmax._engine.solvers.class_models import Kept, model_for
from fastsoftmax._engine.solvers.norm_curvature import NormCurvature

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 5)) + 1
Y = (X @ RNG.normal(size=(5, 3)) + RNG.gumbel(size=(300, 3))).argmax(axis=1).astype(np.int32)


def unshifted(table):
    """Without a shift of all intercepts, which has no curvature."""
    table = table.copy()
    table[:, 0] -= table[:, 0].mean()
    return table


class OnFaces:
    """A model at a point where no weight is 0, and tables on its working set."""

    def __init__(self, groups):
        penalised = Penalised(groups=groups)
        rows, penalty = Observations(data_of(X, 1), Y, 3), Penalty(0.1, 0.5, penalised)
        o = Objective(rows, penalty, fit_intercept=True)
        self.it = iterate_at(o, start_of(o))
        self.it.restart(o.parameters.project(RNG.normal(size=o.size)))
        self.model = model_for(curvature_of(o), self.it, 0)
        self.model.damp(0.0)
        self.kept: Kept = o.parameters.found["models"]
        self.kept.products = 10**6  # worth a joint Hessian
        chosen = self.model.set
        values = np.where(chosen.unpenalised, 0.0, chosen.take(self.it.theta))
        self.curved = NormCurvature(values, chosen.thresholds, chosen.groups)
        self.face = chosen.filled.copy()
        self.v = unshifted(RNG.normal(size=self.face.shape))

    def times(self, v):
        return self.model.hessian_times(self.it, v) + self.curved.times(v)

    def inverse(self, face):
        return self.model.factor(self.it, face, 0, self.curved)


@pytest.fixture(params=[None, np.array([0, 1, 1, 2, 0])])
def faces(request):
    return OnFaces(request.param)


def test_the_joint_hessian_is_newtons(faces):
    solve = faces.inverse(faces.face)
    np.testing.assert_allclose(unshifted(solve(faces.times(faces.v))), faces.v, atol=1e-9)
    part = faces.face.copy()
    part[1, 2:4] = False
    faces.kept.factors = None
    some = faces.v * part
    product = faces.times(some) * part
    np.testing.assert_allclose(unshifted(faces.inverse(part)(product)), some, atol=1e-9)


def test_factors_serve_until_products_cost_more_or_faces_differ(faces):
    solve, made = faces.inverse(faces.face), faces.kept.factors
    part = faces.face.copy()
    part[1, 2:4] = False
    of_part = faces.inverse(part)
    assert faces.kept.factors is made
    np.testing.assert_allclose(of_part(faces.v), solve(faces.v * part) * part, atol=1e-12)
    faces.model.damp(1e-3)
    faces.inverse(part)
    assert faces.kept.factors is not made
    made = faces.kept.factors
    faces.times(faces.v)  # one pass takes more than factors of 18 columns
    faces.inverse(part)
    assert faces.kept.factors is not made
    part[:, 2:] = False
    made = faces.kept.factors
    faces.inverse(part)
    assert faces.kept.factors is not made


def test_weights_that_factors_lack_have_their_diagonal(faces):
    part = faces.face.copy()
    part[1, 2:4] = False
    faces.inverse(faces.face)  # which makes the Hessian
    faces.kept.factors = None
    of_part, made = faces.inverse(part), faces.kept.factors
    z = faces.inverse(faces.face)(faces.v)
    assert faces.kept.factors is made
    np.testing.assert_allclose(z * part, of_part(faces.v), atol=1e-12)
    unit = np.zeros(part.shape)
    unit[1, 2] = 1
    curvature = faces.model.hessian_times(faces.it, unit)[1, 2] + faces.curved.diagonal[1, 2]
    np.testing.assert_allclose(z[1, 2], faces.v[1, 2] / curvature, rtol=0.1)


def test_a_joint_hessian_is_made_once_earlier_fits_or_an_iteration_have_paid_for_it(faces):
    faces.model.factor(faces.it, faces.face, 1, faces.curved)  # in an iteration that took one
    assert faces.kept.hessian is None
    faces.model.factor(faces.it, faces.face, 10**6, faces.curved)
    made = faces.kept.hessian
    assert faces.kept.products == 0
    faces.inverse(faces.face)
    assert faces.kept.hessian is made
    faces.kept.products = 10**6
    faces.inverse(faces.face)
    assert faces.kept.hessian is not made


def test_a_weight_without_curvature_has_a_finite_step():
    """As where a class is so improbable in all rows of a feature that p(1 - p) is 0."""
    rows, penalty = Observations(data_of(sparse.csr_array(X), 1), Y, 3), Penalty(0.1, 1.0)
    o = Objective(rows, penalty, fit_intercept=True)
    it = iterate_at(o, start_of(o))
    it.restart(o.parameters.project(RNG.normal(size=o.size)))
    model = model_for(curvature_of(o), it, 0)
    model.damp(0.0)
    chosen = model.set
    values = np.where(chosen.unpenalised, 0.0, chosen.take(it.theta))
    curved = NormCurvature(values, chosen.thresholds, chosen.groups)
    v, face = unshifted(RNG.normal(size=chosen.filled.shape)), chosen.filled.copy()
    model._weighted.diagonals[1, 2] = 0
    assert np.isfinite(model._factor_diagonals(face, curved)(v)).all()
