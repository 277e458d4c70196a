"""cross_entropy, its gradient, nll_loss: PyTorch and NumPy for the rules, mpmath for digits."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from support import reference
from support.layouts import (
    FLOATS,
    STRIDED,
    arrays,
    axes,
    computed_eps,
    layouts,
    numbers,
    result_dtype,
    strided,
    terms,
)  # fmt: skip
from support.reference import assert_near, mp, ulps

from fastsoftmax import (
    cross_entropy,
    cross_entropy_value_and_grad,
    linear_cross_entropy,
    linear_cross_entropy_value_and_grad,
    log_softmax,
    nll_loss,
)
from fastsoftmax._runtime.threads import team

pytestmark = pytest.mark.kernel

TINY = 4.248354255291589e-18  # log1p(exp(-40))
REDUCTIONS = ("mean", "sum", "none")


def plain(
    z, target, *, axis=-1, weight=None, sample_weight=1.0, ignore_index=None, label_smoothing=0.0,
    temperature=1.0, reduction="mean",
):  # fmt: skip
    """Loss, gradient and the losses' sizes from the definitions, in NumPy and float64."""
    z = np.moveaxis(z, axis, -1).astype(float) / temperature
    k, target = z.shape[-1], np.asarray(target)
    w = np.ones(k) if weight is None else np.asarray(weight, float)
    s = np.broadcast_to(np.asarray(sample_weight, float), z.shape[:-1])
    if target.shape == z.shape[:-1]:
        kept = target != (-1 if ignore_index is None else ignore_index)
        s, t = s * kept, (target[..., None] == np.arange(k)) * 1.0
        total = (s * (t @ w)).sum()
    else:
        t = np.moveaxis(target, axis, -1).astype(float)
        counts = target.dtype.kind in "iu"
        total = (s * (t @ w)).sum() if counts else s.sum()
    mass = t.sum(-1, keepdims=True) if target.dtype.kind in "iu" else 1.0
    t = ((1 - label_smoothing) * t + label_smoothing / k * mass) * w * s[..., None]
    log_p = scipy.special.log_softmax(z, axis=-1)
    losses = -np.where(t > 0, t * log_p, 0).sum(-1)
    gradient = (np.exp(log_p) * t.sum(-1, keepdims=True) - t) / temperature
    scale = 1 if reduction != "mean" else 1 / total if total else np.nan
    size = (np.max(t) + np.max(t.sum(-1))) * (1 + np.ptp(z)) / temperature * scale
    value = losses if reduction == "none" else losses.sum() * scale
    gradient = gradient * scale
    return value, np.moveaxis(gradient, -1, axis), size, losses


@st.composite
def problems(draw):
    """Logits of any layout, targets of all kinds, and any of the options."""
    z = draw(arrays(dtypes=(np.float16, *FLOATS, np.int8), special=())).clip(-60, 60)
    axis = draw(axes(z.ndim, single=True))
    k, kept = z.shape[axis], np.delete(z.shape, axis)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    options = {"axis": axis, "reduction": draw(st.sampled_from(REDUCTIONS))}
    kind = draw(st.sampled_from(("labels", "probabilities", "counts")))
    if kind == "labels":
        target = rng.integers(k, size=kept).astype(draw(st.sampled_from((np.int64, np.uint16))))
        if draw(st.booleans()):
            options["ignore_index"] = draw(st.sampled_from((-100, 0, int(target.flat[0]))))
            if options["ignore_index"] < 0:
                target = target.astype(int)
                target[rng.random(kept) < 0.3] = -100
    elif kind == "counts":
        target = rng.integers(0, 4, z.shape)
    else:
        dtype = draw(st.sampled_from(FLOATS))
        target = rng.random(z.shape) * (rng.random(z.shape) < 0.7)
        target /= target.sum(axis, keepdims=True) + 1e-9
        target = layouts(target.astype(dtype))[draw(st.sampled_from(tuple(layouts(target))))]
    if draw(st.booleans()):
        options["weight"] = rng.random(k).round(1)
    if draw(st.booleans()):
        options["sample_weight"] = rng.random(kept) * (rng.random(kept) < 0.8)
    if draw(st.booleans()):
        options["label_smoothing"] = draw(st.sampled_from((0.1, 0.5, 1.0)))
    if draw(st.booleans()):
        options["temperature"] = draw(st.sampled_from((0.5, 3.0)))
    return z, target, options


@given(problems(), st.sampled_from(STRIDED))
@settings(deadline=None, max_examples=400, database=None)
def test_any_options_as_defined(problem, layout):
    z, target, options = problem
    before = z.tobytes(), target.tobytes()
    value, gradient, size, losses = plain(z, target, **options)
    eps, dtype = computed_eps(z.dtype), result_dtype(z.dtype)
    relative = (terms(z.shape[options["axis"]]) + 20) * eps
    spacing = np.finfo(dtype).eps if dtype == np.float16 else 0
    scale = 1 if options["reduction"] == "none" else losses.size
    loss_bound = relative * size * scale + (relative + spacing) * np.abs(value) + spacing / 1e3
    actual = cross_entropy(z, target, **options)
    if np.isnan(value).all():
        assert np.isnan(actual)  # the mean of nothing
        return
    if options["reduction"] == "none":  # losses of counts may be beyond float16
        value = np.where(value > np.finfo(dtype).max, np.inf, value)
    assert_near(actual, value, loss_bound)
    loss, grad = cross_entropy_value_and_grad(z, target, **options)
    assert_near(loss, actual, loss_bound / 10 if dtype == np.float16 else 0)
    assert_near(grad, gradient, relative * size + spacing * abs(gradient) + spacing / 1e3)
    assert (z.tobytes(), target.tobytes()) == before
    assert grad.dtype == dtype
    assert isinstance(loss, float) if scale > 1 or options["reduction"] != "none" else True
    out = strided(np.full(z.shape, -7, dtype))[layout]
    assert cross_entropy_value_and_grad(z, target, out=out, **options)[1] is out
    np.testing.assert_array_equal(out, grad)
    z = z if z.flags.writeable else z.copy()
    if z.dtype == dtype:
        grad = cross_entropy_value_and_grad(z, target, **options)[1]
        assert cross_entropy_value_and_grad(z, target, out=z, **options)[1] is z
        np.testing.assert_array_equal(z, grad)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("soft", [False, True])
def test_long_rows(soft, dtype):
    z = numbers(np.random.default_rng(0), (2, 131_073), dtype, 9)
    target = np.random.default_rng(1).random(z.shape).astype(dtype) / 1e5 if soft else [5, 131_072]
    value, gradient, *_ = plain(z, target)
    loss, grad = cross_entropy_value_and_grad(z, target)
    eps = float(np.finfo(dtype).eps)
    assert loss == pytest.approx(value, rel=40 * eps)
    assert_near(grad, gradient, 100 * eps * (abs(gradient) + (1e-5 if soft else 0)))
    assert cross_entropy_value_and_grad(z.T, np.transpose(target), axis=0)[0] == pytest.approx(loss)
    assert cross_entropy_value_and_grad(z, target, out=z) == (loss, z)
    np.testing.assert_array_equal(z, grad)


def test_gradient_in_place_of_the_target():
    z, target = np.random.default_rng(0).random((2, 40, 7))
    loss, gradient = cross_entropy_value_and_grad(z, target)
    assert cross_entropy_value_and_grad(z, target, out=target) == (loss, target)
    np.testing.assert_array_equal(target, gradient)


@given(problems())
@settings(deadline=None, max_examples=100, database=None)
def test_as_pytorch(problem):
    torch = pytest.importorskip("torch")
    z, target, options = problem
    options = {o: v for o, v in options.items() if o not in ("sample_weight", "temperature")}
    soft = target.shape == z.shape
    if soft and target.dtype.kind == "i":
        return  # PyTorch has no counts

    def rows(a):
        return np.moveaxis(a, options["axis"], -1).reshape(-1, a.shape[options["axis"]])

    theirs = torch.tensor(rows(z.astype(float)), requires_grad=True)
    given = rows(target).astype(float) if soft else target.ravel().astype(np.int64)
    tensors = {"weight": torch.tensor(options["weight"])} if "weight" in options else {}
    known = {o: v for o, v in options.items() if o != "axis"}
    loss = torch.nn.functional.cross_entropy(
        theirs, torch.tensor(given), **{"ignore_index": -100} | known | tensors
    )
    loss.sum().backward()
    actual, gradient = cross_entropy_value_and_grad(z.astype(float), target, **options)
    if loss.isnan().any():
        assert np.isnan(actual)  # all weights are 0
        return
    np.testing.assert_allclose(np.ravel(actual), np.ravel(loss.detach()), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(rows(gradient), theirs.grad.numpy(), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("probabilities", [False, True])
@pytest.mark.parametrize("k", [3, 130])
def test_infinite_logits_as_scipy_and_pytorch(k, probabilities):
    z = np.zeros((7, k))
    z[range(5), [0, 1, 0, 1, 0]] = -np.inf, -np.inf, np.inf, np.inf, np.nan
    z[5], z[6] = 1e308, -np.inf
    with np.errstate(invalid="ignore"):
        losses = -scipy.special.log_softmax(z, axis=1)[:, 0]
    labels = np.zeros(len(z), int)
    target = np.eye(k)[labels] if probabilities else labels
    np.testing.assert_allclose(cross_entropy(z, target, reduction="none"), losses)
    torch = pytest.importorskip("torch")
    theirs = torch.nn.functional.cross_entropy(
        torch.tensor(z), torch.tensor(labels), reduction="none"
    ).numpy()
    theirs[3] = np.inf  # NaN there, whichever class has the infinite logit; SciPy tells them apart
    np.testing.assert_allclose(losses, theirs)


@pytest.mark.parametrize("leading", [False, True])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("k", [2, 3, 10, 17, 97, 130, 1000])
def test_digits_against_mpmath(k, dtype, leading):
    """The loss, and the gradient of the own class, -(sum of the other probabilities)."""
    rng, eps = np.random.default_rng(k), np.finfo(dtype).eps
    for scale in (0.1, 5.0, 40.0):
        row = numbers(rng, k, dtype, scale)
        for label in {int(rng.integers(k)), int(row.argmax())}:
            z, axis = (row[:, None], 0) if leading else (row[None], 1)
            losses = cross_entropy(z, [label], axis=axis, reduction="none")
            exact = reference.mp_cross_entropy(row, label)
            away = np.ptp(row)  # what rounding x - max changes in its exponential
            assert ulps(losses, np.array([exact]))[0] <= 4 + away
            _, gradient = cross_entropy_value_and_grad(z, [label], axis=axis)
            a = reference.mp_softmax(row)
            a[label] = -mp.fsum(p for j, p in enumerate(a) if j != label)
            a = np.array([float(p) for p in a])
            bound = (terms(k) / 4 + 6 + away) * eps * abs(a) + 1e-42
            assert_near(gradient.ravel(), a, bound)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("k", [2, 17, 130])
def test_confident_rows_keep_their_digits(dtype, k, soft):
    z = np.full((3, k), -np.inf, dtype)
    z[:, [0, -1]] = 0, -40
    target = np.eye(k, dtype=dtype)[[0] * 3] if soft else [0] * 3
    loss, gradient = cross_entropy_value_and_grad(z, target, reduction="sum")
    p, rtol = np.exp(-40) / (1 + np.exp(-40)), 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(loss / 3, TINY, rtol=rtol)
    np.testing.assert_allclose(gradient[:, [0, -1]], [[-p, p]] * 3, rtol=rtol)
    assert cross_entropy([[0.0, -40.0]], [0]) == TINY


def soft_rows(k, rng, dtype):
    """Logits and targets of rows of every kind: even, tied, nearly tied, confident, wrong."""
    z = rng.standard_normal((9, k))
    z[0] = 0
    z[1], z[2] = np.sort(z[1]), np.sort(z[2])
    z[1, -1] = z[1, -2]
    z[2, -1] = z[2, -2] * (1 + 1e-7)
    z[3, 0] = 12
    z[4, 0] = 40
    z[5] *= 9
    z[6, -1] = 60
    z[7, 0] = np.log(max(k - 1, 2)) + 0.01  # a probability of about 1/2
    z[8] = 1e4
    t = rng.random((9, k)) ** 9
    t[0], t[8] = 1 / k, 1 / k
    t[[3, 5]] /= t[[3, 5]].sum(axis=1, keepdims=True)
    t[4] = 1e-12
    t[4, 0] = 1
    t[7] *= 1000
    return z.astype(dtype), t.astype(dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("k", [2, 3, 10, 17, 97, 130, 1000])
def test_soft_gradients_against_mpmath(k, dtype):
    """Each entry is as precise as the smaller of the two differences that it can be written as."""
    eps = float(np.finfo(dtype).eps)
    z, t = soft_rows(k, np.random.default_rng(k), dtype)
    by_row = cross_entropy_value_and_grad(z, t, reduction="sum")[1]
    by_column = cross_entropy_value_and_grad(z.T.copy(), t.T.copy(), axis=0, reduction="sum")[1].T
    for row, targets, *gradients in zip(z, t, by_row, by_column, strict=True):
        p = reference.mp_softmax(row)
        targets = [mp.mpf(float(x)) for x in targets]
        total, ps = mp.fsum(targets), mp.fsum(p)
        exact, size = [], []
        for j in range(k):
            rest, wrong = total - targets[j], ps - p[j]
            exact.append(float(p[j] * total - targets[j]))
            size.append(float(min(p[j] * total + targets[j], p[j] * rest + wrong * targets[j])))
        bound = (terms(k) / 4 + 8 + np.ptp(row)) * eps * np.array(size) + 1e-42
        for gradient in gradients:
            assert_near(gradient, np.array(exact), bound)


@pytest.mark.parametrize("k", [2, 10, 100, 1000])
def test_even_targets_of_even_logits_have_no_gradient(k):
    """1/k less 1/k: of the complements, 1 - 1/k, the rounding is k times as large."""
    for dtype in FLOATS:
        z, t = np.zeros((3, k), dtype), np.full((3, k), 1 / k, dtype)
        gradient = cross_entropy_value_and_grad(z, t, reduction="sum")[1]
        assert abs(gradient).max() <= 4 * np.finfo(dtype).eps / k


def test_soft_gradient_of_many_classes_at_no_weights():
    """W = 0, where the errors of single rows had one sign: 2.6 % of grad W, K = 1000, float32."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 20), dtype=np.float32) + np.float32(1)
    for k in (100, 1000):
        Y = rng.random((500, k), dtype=np.float32)
        Y /= Y.sum(axis=1, keepdims=True)
        by_W = linear_cross_entropy_value_and_grad(X, np.zeros((k, 20)), None, Y)[1].W
        wide = Y.astype(float)
        right = (wide.sum(axis=1, keepdims=True) / k - wide).T @ X.astype(float) / 500
        assert np.linalg.norm(by_W - right) <= 1e-5 * np.linalg.norm(right)


FAR = (1e-46, 1e-300, 1e39, 1e308)


@pytest.mark.parametrize("w", FAR)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", ["labels", "smoothed", "probabilities", "counts"])
def test_weights_that_the_dtype_cannot_hold(kind, dtype, w):
    """No weight of a mean matters by its size; a sum is a float."""
    rng = np.random.default_rng(0)
    z, s, c = rng.standard_normal((6, 4)).astype(dtype), rng.random(6), rng.random(4)
    options = {"label_smoothing": 0.1 if kind == "smoothed" else 0.0}
    target = rng.integers(4, size=6)
    if kind in ("probabilities", "counts"):
        target = rng.random((6, 4)) if kind == "probabilities" else rng.integers(5, size=(6, 4))
    loss, gradient = cross_entropy_value_and_grad(z, target, sample_weight=s, weight=c, **options)
    rtol = 20 * float(np.finfo(dtype).eps)
    far = cross_entropy_value_and_grad(z, target, sample_weight=s * w, weight=c, **options)
    np.testing.assert_allclose(far[0], loss, rtol=rtol)
    np.testing.assert_allclose(far[1], gradient, rtol=rtol, atol=rtol * abs(gradient).max())
    by_class = cross_entropy(z, target, sample_weight=s, weight=c * w, **options)
    factor = w if kind == "probabilities" else 1.0  # whose mean is over the weights of rows alone
    assert by_class / factor == pytest.approx(loss, rel=rtol)
    both = cross_entropy(z, target, sample_weight=s * w, weight=c / w, **options) * factor
    assert both == pytest.approx(loss, rel=rtol)
    total = cross_entropy(z, target, weight=c, reduction="sum", **options)
    far = cross_entropy(z, target, weight=c / 100 * w, reduction="sum", **options)
    assert far / w * 100 == pytest.approx(total, rel=rtol)
    each = cross_entropy(z, target, weight=c, reduction="none", **options)
    far = cross_entropy(z, target, weight=c / 100 * w, reduction="none", **options)
    with np.errstate(over="ignore"):
        right = (each.astype(float) / 100 * w).astype(dtype)
    np.testing.assert_allclose(far, right, rtol=rtol, atol=np.finfo(dtype).smallest_subnormal)


@pytest.mark.parametrize("w", FAR)
def test_linear_and_nll_loss_with_such_weights(w):
    rng = np.random.default_rng(0)
    X, W = rng.random((6, 5), dtype=np.float32), rng.random((3, 5))
    s, c = rng.random(6), rng.random(3)
    labels, Y = rng.integers(3, size=6), rng.random((6, 3))
    for target in (labels, Y, rng.integers(4, size=(6, 3))):
        loss, grads = linear_cross_entropy_value_and_grad(
            X, W, None, target, sample_weight=s, class_weight=c
        )
        far, far_grads = linear_cross_entropy_value_and_grad(
            X, W, None, target, sample_weight=s * w, class_weight=c
        )
        assert far == pytest.approx(loss, rel=1e-6)
        np.testing.assert_allclose(far_grads.W, grads.W, rtol=1e-5, atol=1e-7)
        far = linear_cross_entropy(X, W, None, target, sample_weight=s, class_weight=c * w)
        assert far / (w if target is Y else 1.0) == pytest.approx(loss, rel=1e-6)
    loss = linear_cross_entropy(X, W, None, Y)
    assert linear_cross_entropy(X, W, None, Y * w) / w == pytest.approx(loss, rel=1e-6)
    log_p = log_softmax(X)
    loss = nll_loss(log_p, labels, sample_weight=s)
    assert nll_loss(log_p, labels, sample_weight=s * w) == pytest.approx(loss)
    assert nll_loss(log_p, labels, sample_weight=s * w, weight=[w] * 5) == pytest.approx(loss)
    total = nll_loss(log_p, labels, sample_weight=s / 100, reduction="sum")
    far = nll_loss(log_p, labels, sample_weight=s / 100 * w, reduction="sum")
    assert far / w == pytest.approx(total)


@given(st.integers(0, 10**6), st.sampled_from(("labels", "probabilities", "counts")))
@settings(deadline=None, max_examples=25, database=None)
def test_gradient_against_finite_differences_in_mpmath(seed, kind):
    rng, n, k = np.random.default_rng(seed), 2, 4
    z, w, s = rng.standard_normal((n, k)), rng.random(k), rng.random(n)
    smoothing, temperature, labels = rng.random(), 0.5 + rng.random(), rng.integers(k, size=n)
    t = {"labels": np.eye(k)[labels], "probabilities": rng.random((n, k))}
    t = t.get(kind, rng.integers(0, 3, (n, k)))
    mass = t.sum(1) if kind == "counts" else np.ones(n)

    def loss(i, j, step):
        row = [(mp.mpf(v) + step * (m == j)) / temperature for m, v in enumerate(z[i].tolist())]
        total = mp.log(mp.fsum(mp.exp(v) for v in row))
        target = [w[m] * ((1 - smoothing) * t[i, m] + smoothing / k * mass[i]) for m in range(k)]
        return s[i] * mp.fsum(c * (total - v) for c, v in zip(target, row, strict=True))

    h = mp.mpf(10) ** -15
    exact = [
        [float((loss(i, j, h) - loss(i, j, -h)) / (2 * h)) for j in range(k)] for i in range(n)
    ]
    value, gradient = cross_entropy_value_and_grad(
        z, labels if kind == "labels" else t, weight=w, sample_weight=s, label_smoothing=smoothing,
        temperature=temperature, reduction="sum",
    )  # fmt: skip
    np.testing.assert_allclose(gradient, exact, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(value, float(sum(loss(i, 0, 0) for i in range(n))), rtol=1e-14)


@pytest.mark.parametrize("k", [5, 130])
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.3, "temperature": 2.0}])
def test_counts_are_repeated_labels(options, k):
    rng = np.random.default_rng(0)
    z, counts = rng.standard_normal((20, k)), rng.integers(0, 4, (20, k))
    rows, labels = np.nonzero(counts)
    times = counts[rows, labels]
    rows, labels = np.repeat(rows, times), np.repeat(labels, times)
    options = options | {"weight": rng.random(k)}
    for reduction in ("sum", "mean"):
        loss, gradient = cross_entropy_value_and_grad(z, counts, reduction=reduction, **options)
        one_by_one, parts = cross_entropy_value_and_grad(
            z[rows], labels, reduction=reduction, **options
        )
        assert loss == pytest.approx(one_by_one, rel=1e-13)
        together = np.zeros_like(z)
        np.add.at(together, rows, parts)
        np.testing.assert_allclose(gradient, together, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(40, 5), (40, 130), (3, 200_000)])
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"weight": True}])
def test_ignored_rows_add_nothing_whatever_their_logits(options, shape, dtype):
    z, (n, k) = numbers(np.random.default_rng(0), shape, dtype, 3), shape
    options = options | ({"weight": np.arange(k) % 3} if "weight" in options else {})
    labels, kept = np.arange(n) % k, np.arange(n) % 3 != 1
    labels[~kept] = -7
    expected = cross_entropy_value_and_grad(z[kept], labels[kept], **options)
    z[~kept] = np.resize([np.nan, np.inf, -np.inf], (n - kept.sum(), 1))
    z[~kept, 0] = 0
    for option in ({"ignore_index": -7}, {"sample_weight": kept}):
        target = np.where(kept, labels, -7 if "ignore_index" in option else 0)
        loss, gradient = cross_entropy_value_and_grad(z, target, **options, **option)
        np.testing.assert_allclose(loss, expected[0], rtol=1e-15)
        np.testing.assert_array_equal(gradient[~kept], 0)
        np.testing.assert_allclose(gradient[kept], expected[1], rtol=4 * np.finfo(dtype).eps)
        losses = cross_entropy(z, target, reduction="none", **options, **option)
        np.testing.assert_array_equal(losses[~kept], 0)
    logs = np.where(kept[:, None], log_softmax(np.where(kept[:, None], z, 0)), np.nan)
    if "label_smoothing" not in options:
        nll = nll_loss(logs, np.where(kept, labels, -7), ignore_index=-7, **options)
        np.testing.assert_allclose(nll, expected[0], rtol=20 * np.finfo(dtype).eps)


@pytest.mark.parametrize("z", [np.zeros((2, 3)), np.full((2, 130), np.nan), np.zeros((0, 4))])
def test_all_rows_ignored_is_nan_for_mean_and_0_for_sum(z):
    labels, options = np.full(len(z), -100), {"ignore_index": -100}
    for loss in (cross_entropy, nll_loss):
        assert np.isnan(loss(z, labels, **options))
        assert loss(z, labels, reduction="sum", **options) == 0
        assert not loss(z, labels, reduction="none", **options).any()
    loss, gradient = cross_entropy_value_and_grad(z, labels, **options)
    assert np.isnan(loss) and gradient.shape == z.shape and not gradient.any()


def test_lecture_example():
    a = [
        [0.3792, 0.3104, 0.3104],
        [0.3072, 0.4147, 0.2780],
        [0.4263, 0.2248, 0.3490],
        [0.2668, 0.2978, 0.4354],
    ]
    labels, published = [0, 1, 2, 2], [0.969692, 0.880200, 1.05268, 0.831490]
    losses = nll_loss(np.log(a), labels, reduction="none")
    np.testing.assert_allclose(losses, published, atol=5e-6)
    assert round(nll_loss(np.log(a), labels), 4) == 0.9335
    # as logits: rows sum to 1 within 1e-4, which shifts each loss by as much
    losses = cross_entropy(np.log(a), labels, reduction="none")
    np.testing.assert_allclose(losses - np.log(np.sum(a, axis=1)), published, atol=5e-6)


@given(problems())
@settings(deadline=None, max_examples=80, database=None)
def test_nll_loss_of_log_softmax_is_cross_entropy(problem):
    z, target, options = problem
    options = {k: v for k, v in options.items() if k not in ("label_smoothing", "temperature")}
    if target.shape == z.shape:
        return
    expected = plain(z, target, **options)[0]
    logs = scipy.special.log_softmax(z.astype(float), axis=options["axis"])
    np.testing.assert_allclose(nll_loss(logs, target, **options), expected, 1e-13, 1e-13)


def test_shapes_of_targets_and_losses():
    z = np.random.default_rng(0).standard_normal((2, 5, 3))
    labels = np.array([[0, 1, 2], [4, 3, 2]])
    losses = cross_entropy(z, labels, axis=1, reduction="none")
    assert losses.shape == labels.shape
    column = cross_entropy(np.moveaxis(z, 1, -1), labels[..., None], reduction="none")
    np.testing.assert_allclose(column, losses, rtol=1e-14)
    assert cross_entropy(z[0, :, 0], 0, reduction="none") == pytest.approx(losses[0, 0])
    assert nll_loss(np.log([[0.5, 0.5]]), [[1]]) == pytest.approx(np.log(2))
    assert cross_entropy(z, np.eye(5, dtype=bool)[labels].swapaxes(1, 2), axis=1) == pytest.approx(
        losses.mean()
    )


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(6000, 51, -1), (51, 6000, 0), (7, 140_003, -1)])
@pytest.mark.parametrize("soft", [False, True])
def test_threads_change_no_bit(soft, shape, dtype):
    *shape, axis = shape
    z = numbers(np.random.default_rng(1), shape, dtype, 9)
    k, n = z.shape[axis], z.size // z.shape[axis]
    target = np.random.default_rng(2).random(shape).astype(dtype) if soft else np.arange(n) % k
    assert team(8, z.size * 16) > 3
    function = partial(cross_entropy_value_and_grad, z, target, axis=axis)

    def call(n_threads):
        loss, gradient = function(n_threads=n_threads)
        return loss.hex(), gradient.tobytes(), cross_entropy(z, target, axis=axis).hex()

    expected = call(1)
    assert all(call(t) == expected for t in (2, 3, 8))
    with ThreadPoolExecutor(4) as pool:
        assert all(result == expected for result in pool.map(call, (1, 2, 1, 2)))


def test_read_only_input_is_left_alone():
    given = [np.arange(12.0).reshape(3, 4), np.array([0, -1, 2]), np.ones(4), np.ones(3)]
    copies = [a.copy() for a in given]
    for a in given:
        a.flags.writeable = False
    z, labels, weight, sample_weight = given
    options = {"weight": weight, "sample_weight": sample_weight}
    cross_entropy_value_and_grad(z, labels, ignore_index=-1, label_smoothing=0.1, **options)
    cross_entropy_value_and_grad(z, z, label_smoothing=0.1, **options)
    nll_loss(z, labels, ignore_index=-1, **options)
    for a, copy in zip(given, copies, strict=True):
        np.testing.assert_array_equal(a, copy)


@pytest.mark.parametrize("axis", [0, 1])
def test_many_targets_add_up(axis):
    """Their sum is made of runs: one after the other, thousands would round off the small ones."""
    k = 5000
    logits = np.zeros((k, 2) if axis == 0 else (2, k), np.float32)
    losses = cross_entropy(logits, [3, k - 1], axis=axis, reduction="none", label_smoothing=0.5)
    np.testing.assert_allclose(losses, np.log(k), rtol=3e-6)


@pytest.mark.filterwarnings("error")
def test_nll_loss_of_extreme_weights():
    log_p, labels = np.array([[-1e200, 0.0], [-3.0, -1.0]]), [0, 1]
    assert nll_loss(log_p, labels, sample_weight=[1e150, 1e-300]) == 1e200
    each = nll_loss(log_p[[1, 1]], labels, sample_weight=[1e300, 1e-300], reduction="none")
    np.testing.assert_allclose(each, [3e300, 1e-300], rtol=1e-15)
    by_both = nll_loss(log_p[[1, 1]], labels, [1e-300, 2e-300], sample_weight=[1e-300, 1e-300])
    assert by_both == pytest.approx((3 + 2) / 3, rel=1e-15)
    assert np.isnan(nll_loss(log_p, labels, sample_weight=[0, 0]))
    assert nll_loss(log_p, labels, sample_weight=1e300, reduction="sum") == np.inf
