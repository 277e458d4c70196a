"""`fastsoftmax.torch` against PyTorch's own losses, values, gradients and refusals."""

import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.autograd import gradcheck  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from fastsoftmax.torch import cross_entropy, linear_cross_entropy  # noqa: E402

DTYPES = torch.float64, torch.float32, torch.float16, torch.bfloat16
SHAPES = (4,), (6, 4), (5, 4, 3), (2, 3, 2, 5), (3, 130), (2, 130, 3)


def problem(shape, dtype=torch.float64, soft=False, seed=0):
    """Logits that require grad, and labels of which some are left out, or probabilities."""
    generator = torch.Generator().manual_seed(seed)
    z = (3 * torch.randn(shape, generator=generator)).to(dtype).requires_grad_()
    axis = 1 if len(shape) > 1 else 0
    if soft:
        target = torch.rand(shape, generator=generator).to(dtype)
        return z, target / target.sum(axis, keepdim=True)
    kept = [n for i, n in enumerate(shape) if i != axis]
    labels = torch.randint(shape[axis], kept, generator=generator)
    if labels.ndim:
        labels.view(-1)[::3] = -100
    return z, labels


def by_both(z, call):
    """(loss, gradient) by our function and by PyTorch's in float64."""
    results = []
    for function, leaf in (
        (cross_entropy, z.detach().clone().requires_grad_()),
        (F.cross_entropy, z.detach().double().requires_grad_()),
    ):
        loss = call(function, leaf)
        weights = torch.linspace(0.5, 2, loss.numel(), dtype=loss.dtype).reshape(loss.shape)
        (loss * weights).sum().backward()
        results.append((loss.detach(), leaf.grad))
    return results


OPTIONS = {
    "plain": {},
    "sum": {"reduction": "sum"},
    "none": {"reduction": "none"},
    "smoothed": {"label_smoothing": 0.2},
    "weighted": {"weight": True, "reduction": "none", "label_smoothing": 0.1},
    "weighted mean": {"weight": True, "label_smoothing": 0.3},
}


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_as_torch(dtype, shape, name, soft):
    z, target = problem(shape, dtype, soft)
    options = dict(OPTIONS[name])
    if "weight" in options:
        k = shape[1 if len(shape) > 1 else 0]
        options["weight"] = torch.linspace(0.1, 2, k, dtype=torch.float32)

    def call(function, leaf):
        mine = {
            key: value.to(leaf.dtype) if key == "weight" else value
            for key, value in options.items()
        }
        return function(leaf, target.to(leaf.dtype) if soft else target, **mine)

    (loss, gradient), (exact, by_z) = by_both(z, call)
    assert loss.dtype == gradient.dtype == dtype
    assert loss.shape == exact.shape
    eps = max(torch.finfo(dtype).eps, 1e-15)
    torch.testing.assert_close(loss.double(), exact, rtol=8 * eps, atol=1e-13)
    scale = float(by_z.abs().max()) + 1e-30
    torch.testing.assert_close(gradient.double(), by_z, rtol=0, atol=16 * eps * scale)


@pytest.mark.parametrize("layout", ["transposed", "strided", "sliced"])
def test_logits_of_any_strides(layout):
    z = torch.randn(12, 8, dtype=torch.float64)
    view = {"transposed": z.T, "strided": z[::2, ::3], "sliced": z[3:, 2:7]}[layout]
    labels = torch.randint(view.shape[1], view.shape[:1])
    (loss, gradient), (exact, by_z) = by_both(view, lambda f, leaf: f(leaf, labels))
    torch.testing.assert_close(loss, exact)
    torch.testing.assert_close(gradient, by_z)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(4,), (5, 4), (3, 4, 2)])
def test_gradcheck(shape, reduction):
    z, target = problem(shape, soft=reduction == "none")
    w = torch.linspace(0.2, 1.5, 4, dtype=torch.float64)
    options = {"reduction": reduction, "label_smoothing": 0.1}
    assert gradcheck(lambda z: cross_entropy(z, target, w, **options), z)


def layer(dtype=torch.float64, n=6, d=5, k=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = (n, d), (k, d), (k,)
    leaves = [torch.randn(s, generator=generator).to(dtype).requires_grad_() for s in shapes]
    labels = torch.randint(k, (n,), generator=generator)
    labels[1] = -100
    return leaves, labels


@pytest.mark.parametrize("needed", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_linear_gradcheck(reduction, needed):
    leaves, labels = layer()
    w = torch.linspace(0.2, 1.5, 4, dtype=torch.float64)
    rest = [x.detach().clone() for x in leaves]

    def loss(*some):
        given = dict(zip(needed, some, strict=True))
        X, W, b = (given.get(i, rest[i]) for i in range(3))
        return linear_cross_entropy(
            X, W, labels, linear_bias=b, weight=w, reduction=reduction, label_smoothing=0.1
        )

    assert gradcheck(loss, tuple(leaves[i] for i in needed))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_linear_as_torch(reduction, bias, soft, dtype):
    leaves, target = layer(dtype, 40, 30, 9)
    if soft:
        target = torch.softmax(torch.randn(40, 9), 1)
    results = []
    for function, given_in in ((linear_cross_entropy, dtype), (F.linear_cross_entropy, None)):
        X, W, b = (
            x.detach().clone().to(given_in or torch.float64).requires_grad_() for x in leaves
        )
        t = target.to(X.dtype) if soft else target
        loss = function(
            X, W, t, linear_bias=b if bias else None, reduction=reduction, label_smoothing=0.1
        )
        (3 * loss).backward()
        results.append([loss.detach(), X.grad, W.grad, *([b.grad] if bias else [])])
    eps = max(torch.finfo(dtype).eps, 1e-15)
    for actual, exact in zip(*results, strict=True):
        assert actual.dtype == dtype and actual.shape == exact.shape
        scale = float(exact.abs().max())
        torch.testing.assert_close(actual.double(), exact, rtol=0, atol=30 * eps * scale)


def test_nothing_is_copied_between_tensor_and_array(monkeypatch):
    from fastsoftmax import functional

    seen = {}
    original = functional.cross_entropy_value_and_grad

    def spy(logits, *args, **options):
        result = original(logits, *args, **options)
        seen["logits"], seen["gradient"] = logits, result[1]
        return result

    monkeypatch.setattr(functional, "cross_entropy_value_and_grad", spy)
    z, labels = problem((5, 4))
    scale = z.view_as(z)
    scale.register_hook(lambda gradient: seen.update(arrived=gradient))
    cross_entropy(scale, labels).backward()
    assert np.shares_memory(np.asarray(seen["logits"]), z.detach().numpy())
    assert seen["arrived"].data_ptr() == seen["gradient"].ctypes.data


def test_a_graph_that_is_kept_can_be_gone_through_again():
    z, labels = problem((5, 4))
    loss = 2 * cross_entropy(z, labels)
    loss.backward(retain_graph=True)
    once = z.grad.clone()
    loss.backward()
    torch.testing.assert_close(z.grad, 2 * once)


@pytest.mark.parametrize("name", ["cross_entropy", "linear_cross_entropy"])
def test_second_derivatives_are_refused(name):
    (X, W, _), labels = layer()
    loss = (
        cross_entropy(X @ W.T, labels)
        if name == "cross_entropy"
        else linear_cross_entropy(X, W, labels)
    )
    words = rf"^{name}: expected a first derivative, got create_graph=True; torch\.nn\.functional"
    with pytest.raises(RuntimeError, match=words):
        torch.autograd.grad(loss, X, create_graph=True)


def test_without_grad_there_is_none():
    z, labels = problem((5, 4))
    with torch.no_grad():
        assert not cross_entropy(z, labels).requires_grad
    assert not cross_entropy(z.detach(), labels).requires_grad
    loss = linear_cross_entropy(z.detach(), torch.eye(4, dtype=z.dtype), labels)
    torch.testing.assert_close(loss, F.cross_entropy(z.detach(), labels))
    assert not loss.requires_grad


@pytest.mark.filterwarnings("ignore")  # of PyTorch's own modules
def test_within_what_is_compiled_or_computed_again():
    from torch.utils.checkpoint import checkpoint

    (X, W, b), labels = layer()
    expected = torch.autograd.grad(F.cross_entropy(torch.tanh(X) @ W.T + b, labels), (X, W, b))

    def by_logits(X):
        return cross_entropy(torch.tanh(X) @ W.T + b, labels)

    def by_layer(X):
        return linear_cross_entropy(torch.tanh(X), W, labels, linear_bias=b)

    for loss in (by_logits, by_layer):
        ways = (
            torch.compile(loss, backend="eager"),
            lambda X, loss=loss: checkpoint(loss, X, use_reentrant=False),
        )
        for way in ways:
            actual = torch.autograd.grad(way(X), (X, W, b))
            for gradient, exact in zip(actual, expected, strict=True):
                torch.testing.assert_close(gradient, exact)


def test_all_rows_left_out():
    z = torch.randn(3, 4, requires_grad=True)
    labels = torch.full((3,), -100)
    loss = cross_entropy(z, labels)
    loss.backward()
    assert loss.isnan() and not z.grad.any()
    assert cross_entropy(z, labels, reduction="sum") == 0
    assert linear_cross_entropy(z, torch.eye(4), labels).isnan()


def test_a_network_learns_as_with_torch():
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(60, 5, generator=generator, dtype=torch.float64)
    y = (X[:, :3] + 0.3 * torch.randn(60, 3, generator=generator)).argmax(1)
    ends = []
    for function in (cross_entropy, F.cross_entropy):
        torch.manual_seed(1)
        model = torch.nn.Sequential(
            torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)
        ).double()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        for _ in range(40):
            optimizer.zero_grad()
            loss = function(model(X), y)
            loss.backward()
            optimizer.step()
        ends.append((loss.item(), model[0].weight.detach()))
    assert ends[0][0] == pytest.approx(ends[1][0], rel=1e-10)
    torch.testing.assert_close(ends[0][1], ends[1][1])
    assert ends[0][0] < 0.6


Z, Y = torch.zeros(3, 4), torch.tensor([0, 1, 2])
REFUSED = {
    "label": (lambda: cross_entropy(Z, Y + 2), ValueError, r"target: .* 0\.\.3, got 4 in row 2"),
    "shape": (lambda: cross_entropy(Z, Y[:2]), ValueError, r"target: .* \(3,\) or \(3, 4\), got"),
    "target": (
        lambda: cross_entropy(Z, torch.rand(3, 4, requires_grad=True)), TypeError,
        "target: expected an array without gradient",
    ),
    "weight": (
        lambda: cross_entropy(Z, Y, torch.ones(4, requires_grad=True)), TypeError,
        "weight: expected an array without gradient",
    ),
    "weights": (lambda: cross_entropy(Z, Y, torch.ones(3)), ValueError, r"weight: .* \(4,\)"),
    "device": (
        lambda: cross_entropy(torch.empty(3, 4, device="meta"), Y), TypeError,
        "logits: .* got one on device meta",
    ),
    "reduction": (lambda: cross_entropy(Z, Y, reduction="avg"), ValueError, "reduction: .* 'avg'"),
    "rows": (
        lambda: linear_cross_entropy(torch.zeros(2, 3, 5), torch.zeros(4, 5), Y), ValueError,
        r"input: expected shape \(rows, features\), got \(2, 3, 5\); .* input\.flatten\(0, -2\)",
    ),
    "one class": (
        lambda: linear_cross_entropy(Z, torch.zeros(1, 4), Y), ValueError,
        r"linear_weight: expected shape \(classes >= 2, 4\), got \(1, 4\)",
    ),
    "features": (
        lambda: linear_cross_entropy(Z, torch.zeros(2, 3), Y), ValueError, "linear_weight: .* 4\\)",
    ),
    "integers": (  # in whose dtype a loss of log 4 would be 1
        lambda: cross_entropy(Z.long(), Y), TypeError,
        r"input: expected a tensor of floating-point numbers, got torch\.int64",
    ),
    "integer features": (
        lambda: linear_cross_entropy(Z.byte(), torch.zeros(4, 4), Y), TypeError,
        r"input: expected a tensor of floating-point numbers, got torch\.uint8",
    ),
    "list": (
        lambda: cross_entropy([[0.0, 1.0]], Y), TypeError, "input: expected a tensor, got list",
    ),
    "none": (
        lambda: linear_cross_entropy(Z, torch.zeros(4, 4), Y, reduction="none"), ValueError,
        "reduction: expected one of mean, sum, got 'none'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_named(name):
    call, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        call()


def test_torch_is_imported_on_request_only():
    code = "import fastsoftmax, sys; fastsoftmax.MLPClassifier; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_under_autocast_are_pytorchs(dtype):
    z, labels = problem((6, 4), dtype)
    layer, W = torch.ones(6, 5, dtype=dtype), torch.ones(4, 5, dtype=dtype, requires_grad=True)
    for enabled in (True, False):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss, expected = cross_entropy(z, labels), F.cross_entropy(z, labels)
            linear = linear_cross_entropy(layer, W, labels)
        assert loss.dtype == linear.dtype == expected.dtype
        torch.testing.assert_close(loss, expected)
        (ours,), (theirs,) = (torch.autograd.grad(each, z) for each in (loss, expected))
        assert ours.dtype == theirs.dtype == dtype
        torch.testing.assert_close(ours, theirs, rtol=0.02, atol=1e-4)  # theirs rounds its logits
        assert torch.autograd.grad(linear, W)[0].dtype == dtype


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # PyTorch's own
@pytest.mark.parametrize("transform", ["grad", "vmap", "jacrev", "jvp"])
def test_transforms_of_functions_are_refused_clearly(transform):
    z, labels = Z.detach(), Y
    calls = {
        "grad": lambda f: torch.func.grad(f)(z),
        "vmap": lambda f: torch.func.vmap(f)(z.expand(2, *z.shape)),
        "jacrev": lambda f: torch.func.jacrev(f)(z),
        "jvp": lambda f: torch.func.jvp(f, (z,), (z,)),
    }
    for name, f in (
        ("cross_entropy", lambda x: cross_entropy(x, labels)),
        ("linear_cross_entropy", lambda x: linear_cross_entropy(x, torch.ones(4, 4), labels)),
    ):
        with pytest.raises(RuntimeError, match=f"^{name}: expected a call outside of torch.func"):
            calls[transform](f)
