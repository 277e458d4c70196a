"""Rules that are passed decide: frozen dataclasses of constants, with unusual numbers."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from support.problems import softmax_rows
from support.tuned import Tuned

from fastsoftmax import SoftmaxRegression
from fastsoftmax._core import recycled
from fastsoftmax._engine.curvature import BlockRules, FarModelRules, blocks_for, curvature_of
from fastsoftmax._engine.curvature.block_gram import ClassGrams, GramRules
from fastsoftmax._engine.curvature.far_rows import FarRules
from fastsoftmax._engine.curvature.hessian import CurvatureRules, RefinementRules
from fastsoftmax._engine.curvature.joint import JointHessian, JointRules
from fastsoftmax._engine.curvature.low_rank import LowRankBlocks, LowRankRules
from fastsoftmax._engine.data import DenseData, column_space, data_of, row_space
from fastsoftmax._engine.data.column_space import BasisRules
from fastsoftmax._engine.data.partitioned.data import DensePartitions, FetchRules
from fastsoftmax._engine.data.row_space import Factor, Orthonormal, SpaceRules
from fastsoftmax._engine.linalg import ClassFactors, descend_by_grams
from fastsoftmax._engine.linalg.cholesky import JitterRules
from fastsoftmax._engine.linalg.coordinate import DescentRules
from fastsoftmax._engine.linalg.memory import RecyclingRules, empty
from fastsoftmax._engine.line_search import LineRules, iterate_at
from fastsoftmax._engine.line_search.bracket import SearchRules, search
from fastsoftmax._engine.line_search.phi import Trial
from fastsoftmax._engine.objective import Objective, Observations, Penalised, Penalty, start_of
from fastsoftmax._engine.objective.coordinates.bulk import BulkRules, bulk
from fastsoftmax._engine.objective.coordinates.features import FeatureRules, change_of, suited
from fastsoftmax._engine.small.newton import SmallRules, is_small
from fastsoftmax._engine.solvers import lbfgs
from fastsoftmax._engine.solvers.base import SEPARABLE, FailedProofs, Options, Run
from fastsoftmax._engine.solvers.certificate import CertificateRules, certify
from fastsoftmax._engine.solvers.class_models import ModelRules, model_for
from fastsoftmax._engine.solvers.far_start import far_start
from fastsoftmax._engine.solvers.proof import prove
from fastsoftmax._engine.solvers.proximal_newton import on_face
from fastsoftmax._engine.solvers.rules import EndingRules, LbfgsRules, ProofRules, ProximalRules
from fastsoftmax._engine.solvers.unseen import UnseenRules, is_cheap
from fastsoftmax._linear.inference.likelihood import (
    DependenceRules,
    Likelihood,
    LikelihoodRules,
    NoMaximum,
    Sample,
    maximum,
    why_not,
)
from fastsoftmax._linear.inference.penalised_likelihood import PenalisedLikelihood, ScoringRules
from fastsoftmax._linear.problem.penalty import BasisRules as WhereItPays
from fastsoftmax._linear.problem.penalty import row_space_of
from fastsoftmax._linear.problem.targets import with_class_weights
from fastsoftmax._runtime.memory_budget import MemoryBudget

RNG = np.random.default_rng(0)
X, Y = softmax_rows(400, 6, 4, RNG, mean=1)
Y = Y.astype(np.int32)
MEMORY = MemoryBudget.of(None, 0)


def objective(X=X, y=Y, k=4, **penalty):
    rows = Observations(data_of(X, 1), y, k)
    return Objective(rows, Penalty(**{"C": 1.0} | penalty), fit_intercept=True)


# ---- lines


class Falling:
    """φ falls for ever; where it was evaluated."""

    near = 0.0

    def __init__(self):
        self.at = []

    def evaluate(self, t):
        self.at.append(t)
        return Trial(-t, -1.0, 1e-9)


@pytest.mark.parametrize("stretch", [3.0, 10.0])
def test_a_search_goes_no_farther_than_its_stretch(stretch):
    path = Falling()
    search(path, 0.0, -1.0, 1.0, rounding=0.0, rules=SearchRules(trials=6, stretch=stretch))
    np.testing.assert_allclose(path.at, stretch ** np.arange(6))


def test_a_search_keeps_a_margin_from_the_ends_of_its_bracket():
    """Newton's step from 1, to 0.001, ends at a quarter of the bracket."""
    at = []

    class Steep(Falling):
        def evaluate(self, t):
            at.append(t)
            return Trial(-1.0, 0.999, 1.0) if t == 1 else Trial(-1.0, 0.0, 1.0)

    assert search(Steep(), 0.0, -1.0, 1.0, rounding=0.0, rules=SearchRules(margin=0.25)) == 0.25
    assert at == [1.0, 0.25]


def test_lines_end_where_their_rules_say():
    o = objective()
    for rules in (LineRules(), LineRules(near_of_stored=0.01, near_of_pass=0.3)):
        it = iterate_at(o, start_of(o), rules)
        line = it.line(-it.gradient)
        assert (line.near, line.by_passes().near) == (rules.near_of_stored, rules.near_of_pass)


# ---- curvature


def kinds(rules):
    return [type(blocks) for blocks in blocks_for(curvature_of(objective()), 0, rules)]


def test_which_blocks_cost_what_they_save():
    assert kinds(BlockRules()) == [JointHessian, ClassGrams]
    assert kinds(BlockRules(joint_passes=0, joint_work=0)) == [ClassGrams]


def test_grams_of_other_rules():
    c = curvature_of(objective())
    assert ClassGrams(c, 0, GramRules(affordable=3, enough=150)).rows == 150
    assert ClassGrams(c, 0, GramRules(affordable=1.2, enough=150)).rows == 80  # 1.2 · 400 / 6
    work = [JointHessian(c, 0, JointRules(pairs_per_parameter=m)).work for m in (10, 20, 30)]
    assert work[1] - work[0] == pytest.approx(work[2] - work[1])  # linear in the pairs


def test_blocks_of_full_rank_from_all_rows_are_those_of_grams():
    o = objective()
    it = iterate_at(o, start_of(o))
    c, v = curvature_of(o), o.parameters.project(RNG.normal(size=o.size))
    low = LowRankBlocks(c, 0, LowRankRules(rank=6, rows=10**6, sample=10**6, means=1, rounds=8))
    gram = ClassGrams(c, 0, GramRules(enough=10**6, affordable=1e9, diagonal=0.0))
    found = []
    for blocks in (low, gram):
        blocks.at_start(it)
        found.append(blocks.by_class(it, 400, 0).solve(v)[0])
    cosine = found[0] @ found[1] / np.linalg.norm(found[0]) / np.linalg.norm(found[1])
    assert cosine > 0.999


def test_no_row_is_far_at_an_infinite_length():
    far = X.copy()
    far[3, 0] = 1e6
    o = objective(far)
    for length, rows_ in ((100.0, [3]), (np.inf, [])):
        c = curvature_of(o, CurvatureRules(far=FarRules(length=length, newton_passes=1e9)))
        assert list(c.few_far) == rows_


def test_no_step_towards_the_minimum_of_a_model_of_far_rows():
    far = X.copy()
    far[3, 0] = 1e6
    o = objective(far)
    c, theta = curvature_of(o, CurvatureRules(far=FarRules(newton_passes=1e9))), start_of(o)
    np.testing.assert_array_equal(far_start(c, theta, FarModelRules(steps=0)), theta)
    moved = far_start(c, theta)
    assert o.value_and_grad(moved)[0] < o.value_and_grad(theta)[0]


def test_no_class_has_less_curvature_than_the_floor():
    o = objective()
    masses = o.loss.variances(o.shares) * [1, 1, 1, 1e-6]
    for floor in (0.02, 0.5):
        c = curvature_of(o, CurvatureRules(floor=floor))
        start = o.loss.variances(o.shares)
        np.testing.assert_allclose(c.missing(masses)[3], floor * start[3] - masses[3])


def test_a_step_of_newton_is_that_of_its_first_factors_without_refinements():
    o = objective(C=100.0)
    it, c = iterate_at(o, start_of(o)), curvature_of(o)
    assert not c.solve_hessian(it, 1e-6, RefinementRules(steps=0)).any()
    one, all_ = (c.solve_hessian(it, 1e-6, RefinementRules(steps=s)) for s in (1, 20))
    H, g = c.hessian(it), it.gradient
    residual = np.linalg.norm(o.parameters.project(H @ all_ - g))
    assert residual <= np.linalg.norm(o.parameters.project(H @ one - g)) * (1 + 1e-9)
    assert residual < 1e-10 * np.linalg.norm(g)


# ---- data


def test_a_basis_that_no_gram_matrix_may_tell_comes_from_X():
    wide = RNG.normal(size=(20, 90))
    usual = row_space(DenseData(wide, 1), None, True, 1e9)
    other = row_space(DenseData(wide, 1), None, True, 1e9, rules=SpaceRules(largest_inverse=0))
    assert not isinstance(usual.basis, Orthonormal) and isinstance(other.basis, Orthonormal)
    corrected = row_space(DenseData(wide, 1), None, True, 1e9, rules=SpaceRules(accurate_inverse=0))
    centred = wide - wide.mean(axis=0)
    for space in (usual, other, corrected):
        np.testing.assert_allclose(space.rows.X @ space.rows.X.T, centred @ centred.T, atol=1e-9)
        W = space.basis.expand(np.eye(space.rows.shape[1]))
        np.testing.assert_allclose(space.rows.X @ W, centred, atol=1e-9)


def test_rows_that_depend_on_others_do_so_but_for_rounding():
    few = RNG.normal(size=(8, 90))
    data = DenseData(np.concatenate([few, few[:3] + few[3:6]]), 1)
    usual = row_space(data, None, False, 1e9)
    exact = row_space(data, None, False, 1e9, rules=SpaceRules(rounding=0))
    assert not isinstance(usual.basis, Orthonormal) and isinstance(exact.basis, Orthonormal)
    for space in (usual, exact):
        assert space.rows.shape == (11, 8)


@pytest.mark.parametrize("rules", [SpaceRules(least_square=200), SpaceRules(largest_square=50)])
def test_no_row_space_of_rows_whose_squares_are_not_trusted(rules):
    rows = RNG.normal(size=(20, 90))  # squares of about 90
    assert row_space(DenseData(rows, 1), None, False, 1e9, rules=rules) is None


def test_random_vectors_tell_the_norm_of_an_inverse():
    rows = RNG.normal(size=(40, 90))
    gram = rows @ rows.T
    L = np.linalg.cholesky(gram) / np.linalg.norm(rows, axis=1)[:, None]
    exact = np.linalg.norm(np.linalg.inv(L))
    few, many = (Factor(gram.copy(), 1, SpaceRules(probes=n)).inverse for n in (1, 20000))
    assert many == pytest.approx(exact, rel=1e-2) and few != many


def test_columns_depend_on_each_other_as_far_as_is_said():
    columns, data = np.arange(6), DenseData(X, 1)
    assert column_space(data, columns, None, True) is None
    space = column_space(data, columns, None, True, BasisRules(nearly=1.0))
    np.testing.assert_allclose(space.rows.X.T @ space.rows.X / 400, np.eye(6), atol=1e-12)


def test_where_the_row_space_pays():
    targets = with_class_weights(Y, np.arange(4), None, None, 0.0)
    made = [
        row_space_of(DenseData(X, 1), targets, Penalised(), True, MEMORY, rules)
        for rules in (WhereItPays(), WhereItPays(wide=0, rows=400))
    ]
    assert made[0] is None and made[1].rows.shape[1] <= 6


def test_a_row_space_takes_no_more_memory_than_it_may():
    few = np.random.default_rng(0).normal(size=(20, 400))
    targets = with_class_weights(Y[:20], np.arange(4), None, None, 0.0)
    for row_space_bytes, is_made in ((48 * 20**2, True), (48 * 20**2 - 1, False)):
        memory = replace(MEMORY, row_space=row_space_bytes)
        made = row_space_of(DenseData(few, 1), targets, Penalised(), True, memory)
        assert (made is not None) == is_made


def test_the_bulk_of_a_feature():
    far = X.copy()
    far[7, 2] = 1e6
    means, deviations = far.mean(axis=0), far.std(axis=0)
    for wide, is_bulk in ((30.0, True), (np.inf, False)):
        _, found = bulk(DenseData(far, 1), means, deviations, True, BulkRules(wide=wide))
        assert (found[2] < 10) == is_bulk
        np.testing.assert_array_equal(np.delete(found, 2), np.delete(deviations, 2))


def test_which_features_float32_holds():
    moved = (X + 50).astype(np.float32)
    for offset, dtype in ((256.0, np.float32), (10.0, np.float64)):
        data, _ = suited(DenseData(moved, 1), None, None, True, 1e-3, FeatureRules(offset=offset))
        assert data.dtype == dtype


def test_which_sparse_features_are_scaled():
    small = sparse.csr_array(np.where(X > 1, X * 1e-6, 0))
    for scales, is_changed in (((1e-12, 1e12), False), ((1e-3, 1e3), True)):
        rules = FeatureRules(scales=scales)
        _, change = change_of(data_of(small, 1), None, None, True, 1e-14, rules)
        assert (change is not None) == is_changed


def test_how_many_rows_are_fetched():
    data = DensePartitions(None, (10**6, 10), np.dtype(np.float32), 40.0, 1)
    assert data.sample_step == 16  # of 65536 rows, at most
    data.rows = lambda chosen: chosen
    data.rules = FetchRules(most_sample=1000, least_sample=1, least_line=1, line_work=10**5)
    assert data.sample_step == 1000
    assert data.line_sample(10, 9)[0] == slice(500, None, 1000)  # every row that may be in one


def test_which_memory_is_kept():
    usual, small = (
        empty(100, np.uint8, rules) for rules in (RecyclingRules(), RecyclingRules(large=1))
    )
    assert usual.base is None and isinstance(small.base, recycled.Lent)


# ---- solvers


def test_one_cycle_of_coordinate_descent():
    """Of ½ dᵀHd + g·d + Σ t|v + d| each place in turn, by a soft threshold."""
    A = RNG.normal(size=(9, 5))
    H, g, v, t = A.T @ A, RNG.normal(size=5), np.zeros(5), np.full(5, 0.1)
    d = np.zeros(5)
    for j in range(5):
        slope = g[j] + H[j] @ d - H[j, j] * d[j]
        d[j] = -np.sign(slope) * max(abs(slope) - t[j], 0) / H[j, j]
    counts = np.array([5], np.int64)
    found = descend_by_grams(H[None], counts, g[None], v[None], t[None], 1, DescentRules(cycles=1))
    np.testing.assert_allclose(found[0], d, rtol=1e-12)


def test_what_cannot_be_factored_gets_as_much_as_is_said():
    M = np.array([[[1.0, 2.0], [2.0, 1.0]]])
    with pytest.raises(FloatingPointError):
        ClassFactors(M.copy(), 1, rules=JitterRules(attempts=1))
    added = 1 + 3 / 2**52 * 2**52  # 3 more on the diagonal is the first that makes it definite
    rules = JitterRules(first=3 * 2**52, attempts=1)
    (solved,) = ClassFactors(M.copy(), 1, rules=rules).solve(np.array([[1.0, 0.0]]))
    expected = np.linalg.solve(M[0] + (added - 1) * np.eye(2), [1.0, 0.0])
    np.testing.assert_allclose(solved[0], expected, rtol=1e-9)


def test_what_is_small():
    data = DenseData(X, 1)
    assert is_small(data, 4)
    for rules in ({"most_numbers": 2399}, {"most_parameters": 27}, {"most_logits": 3}):
        assert not is_small(data, 4, SmallRules(**rules))
    assert is_small(data, 4, SmallRules(most_numbers=2400, most_parameters=28, most_logits=4))


def test_models_are_renewed_as_their_rules_say():
    o = objective(l1_ratio=1.0)
    it = iterate_at(o, start_of(o))
    for change, serves in ((0.25, True), (-1.0, False)):
        model = model_for(curvature_of(o), it, 0, ModelRules(weight_change=change))
        assert model.serves(it) == serves


def test_failed_proofs_end_a_fit_of_separated_classes():
    x, y = np.arange(20.0)[:, None], (np.arange(20) > 9).astype(int)
    X, y = np.hstack([x, x**2]), np.minimum(y + (np.arange(20) > 15), 2)
    model = Tuned(C=np.inf, solver="lbfgs")
    with pytest.warns(UserWarning, match=SEPARABLE.reason[:20]):
        model.tuned(proofs=FailedProofs(to_zero=1)).fit(X, y)
    assert not model.converged_


def test_a_loss_is_separated_below_the_share_that_is_said():
    x = np.arange(20.0)[:, None]
    o = objective(x, (x[:, 0] > 9).astype(np.int32), 1, C=np.inf)
    it = iterate_at(o, start_of(o))
    it.restart(5 * np.sign(-it.gradient))
    assert 0 < it.value < 0.1 * np.log(2)
    for share, is_separated in ((0.1, True), (1e-30, False)):
        run = Run(o, Options(1e-6, 1, endings=EndingRules(separated=share)))
        assert run.separated(it) == is_separated


def test_what_the_hessian_of_unseen_gains_may_cost():
    o = objective()
    assert is_cheap(o) and not is_cheap(o, rules=UnseenRules(work=0.0))


class Unknown(Falling):
    """A line of which nothing is known but how far a unit step reaches."""

    displaced = False

    def __init__(self, sampled=None):
        super().__init__()
        self._sampled = sampled

    def reach(self):
        return 100.0

    def subsample(self):
        return self._sampled

    def by_passes(self):
        return self


class Distant(Falling):
    """φ has its minimum at 1e6."""

    def correct_slope(self, slope):
        return Trial(0.0, slope, 0.0)

    def evaluate(self, t):
        return Trial(t * t / 2e6 - t, t / 1e6 - 1, 1e-6)


def begun(line, **rules):
    """Where L-BFGS first evaluates a line."""
    o = objective()
    it, run = iterate_at(o, start_of(o)), Run(o, Options(1e-6, 1, lbfgs=LbfgsRules(**rules)))
    lbfgs.search_along(run, it, line, -it.gradient, None)
    return line.at[0]


def test_where_a_first_step_begins():
    for change in (1e-3, 10.0):
        assert begun(Unknown(), first_change=change) == pytest.approx(change / 100)
    assert begun(Unknown(), first_change=1e9) == 1.0
    for further in (3.0, 50.0):
        t = begun(Unknown(Distant()), first_change=1e-3, further=further)
        assert t == pytest.approx(further * 1e-5)


def test_when_float32_is_rough():
    o = objective(X.astype(np.float32))
    for rough, expected in ((1e-7, False), (1e-3, True)):
        run = Run(o, Options(1e-5, 1, lbfgs=LbfgsRules(rough=rough)))
        assert lbfgs.is_rough(run) == expected


def test_a_mere_step_is_that_of_so_many_conjugate_gradients():
    o = objective(C=100.0)
    it = iterate_at(o, start_of(o))
    H, g = curvature_of(o).hessian(it), it.gradient
    x, r = np.zeros_like(g), -g
    p = r
    for steps in range(1, 4):
        alpha = r @ r / (p @ H @ p)
        x, before, r = x + alpha * p, r, r - alpha * H @ p
        p = r + (r @ r) / (before @ before) * p
        rules = ProofRules(forcing=0.0, products_of_step=steps)
        found = prove(o, it, -g, np.copy, 1e-20, 200, rules=rules)
        assert found.certificate is None
        np.testing.assert_allclose(found.direction, x, rtol=1e-9, atol=1e-12)


def test_products_on_faces_are_as_many_as_is_said():
    o = objective(l1_ratio=1.0)
    it = iterate_at(o, start_of(o))
    it.restart(o.parameters.project(0.1 * RNG.normal(size=o.size)))
    model = model_for(curvature_of(o), it, 0)
    model.damp(0.0)
    for most in (1, 3):
        rules = ProximalRules(forcing=0.0, products=most)
        assert on_face(it, model, 0, 0.0, rules)[1] == most


def test_without_moving_intercepts_nothing_is_proved():
    o = objective()
    it = iterate_at(o, start_of(o))
    direction = -0.9 * curvature_of(o).solve_hessian(it, 1e-6)
    still, moved = (
        certify(o, it.theta, direction, 1.0, CertificateRules(rounds=r)).bound for r in (0, 8)
    )
    assert still == pytest.approx(it.value)  # F* >= 0 is all that is known
    least = SoftmaxRegression(tol=1e-10).fit(X, Y).objective_
    assert it.value - least <= moved < 2 * (it.value - least)


def sample(X, y=Y % 2):
    return Sample(DenseData(X, 1), y.astype(np.int32), None, None, 1, None, True)


def test_the_likelihood_is_climbed_in_so_many_steps():
    zeros = np.zeros((1, 6)), np.zeros(1)
    best = maximum(sample(X), *zeros)
    W, b = best.table[:, 1:], best.table[:, 0]
    p = 1 / (1 + np.exp(-(X @ W.T + b)))[:, 0]
    np.testing.assert_allclose(np.c_[np.ones(400), X].T @ (Y % 2 - p), 0, atol=1e-9)
    with pytest.raises(NoMaximum):
        maximum(sample(X), *zeros, LikelihoodRules(steps=1))


def test_which_features_depend():
    near = np.c_[X[:, :2], X[:, 0] + 1e-3 * X[:, 2]]
    likelihood = Likelihood(sample(near))
    for dependent, named in ((1e-10, []), (1e-4, [0, 2])):
        assert why_not(likelihood, np.ones((1, 4)), DependenceRules(dependent)).collinear == named


def test_a_step_of_scoring_is_no_longer_than_is_said():
    for longest in (1e-4, 1e-2):
        rules = ScoringRules(steps=1, longest=longest)
        point = PenalisedLikelihood(Likelihood(sample(X)), rules).maximum()
        assert np.abs(point.table).max() == pytest.approx(longest)


@pytest.mark.parametrize(("pairs", "kept"), [(1, 3), (5, 5), (50, 7)])
def test_a_history_has_as_many_pairs_as_there_is_memory_for(pairs, kept):
    o = objective()
    pair = 2 * o.parameters.dtype.itemsize * o.size
    o.memory = replace(o.memory, history=pair * 7.5)
    rules = LbfgsRules(fewest_pairs=3)
    run = Run(o, Options(1e-6, 1, lbfgs=rules))
    assert lbfgs.history_of(run, pairs)._most == kept
