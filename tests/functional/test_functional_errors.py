"""Every error of the functions on rows names the argument, what was expected and what came."""

import numpy as np
import pytest
from scipy import sparse

from fastsoftmax import binary_cross_entropy as bce
from fastsoftmax import (
    cross_entropy,
    log_sigmoid,
    log_softmax,
    logit,
    logsumexp,
    mae,
    mse,
    nll_loss,
    one_hot,
    sigmoid,
    softmax,
    softmax_vjp,
)
from fastsoftmax import cross_entropy_value_and_grad as grad

X, F32, LOCKED = np.zeros((2, 3)), np.zeros((2, 3), np.float32), np.zeros((2, 3))
LOCKED.flags.writeable = False
Y, P = [0, 1], np.full((2, 3), 1 / 3)
V = X[0]

OF_SOFTMAX = {
    "text": (lambda: softmax(["a", "b"]), ValueError, "x: expected numbers, got dtype <U1"),
    "complex": (lambda: softmax([1j]), ValueError, "x: .* Complex data not supported"),
    "ragged": (lambda: softmax([[1], [1, 2]]), ValueError, "x: expected an array of numbers"),
    "objects": (lambda: softmax([None, {}]), TypeError, "x: expected numbers, got objects"),
    "sparse": (lambda: softmax(sparse.eye_array(2)), TypeError, "x: .* dense array, got a sparse"),
    "axis far": (lambda: softmax(X, axis=2), ValueError, r"axis: expected -2\.\.1, got 2"),
    "axis low": (lambda: softmax(X, axis=-3), ValueError, r"axis: expected -2\.\.1, got -3"),
    "axis in": (lambda: softmax(X, axis=(0, 2)), ValueError, r"axis: expected -2\.\.1, got 2"),
    "axis of 0-d": (lambda: softmax(1.0, axis=1), ValueError, r"axis: expected -1\.\.0, got 1"),
    "axis twice": (lambda: logsumexp(X, (1, -1)), ValueError, r"axis: .* once, got \(1, -1\)"),
    "axis kind": (lambda: softmax(X, axis=1.0), TypeError, r"axis: expected an int.*, got 1\.0"),
    "axis list": (lambda: softmax(X, axis=[0]), TypeError, r"axis: expected an int.*, got \[0\]"),
    "axis bool": (lambda: softmax(X, axis=True), TypeError, "axis: expected an int.*, got True"),
    "threads 0": (lambda: softmax(X, n_threads=0), ValueError, "n_threads: .* >= 1, got 0"),
    "threads 1.5": (lambda: softmax(X, n_threads=1.5), TypeError, r"n_threads: .*, got 1\.5"),
    "threads True": (lambda: logsumexp(X, n_threads=True), TypeError, "n_threads: .*, got True"),
    "temperature 0": (lambda: softmax(X, temperature=0), ValueError, "temperature: .* > 0, got 0"),
    "temperature": (lambda: log_softmax(X, temperature="a"), TypeError, "temperature: .*, got 'a'"),
    "out kind": (lambda: softmax(X, out=[0]), TypeError, "out: expected an array, got list"),
    "out shape": (lambda: softmax(X, out=F32[0]), ValueError, r"out: .* shape .*, got \(3,\)"),
    "out dtype": (lambda: softmax(X, out=F32), ValueError, "out: .* dtype float64, got float32"),
    "out locked": (lambda: softmax(X, out=LOCKED), ValueError, "out: .* read-only"),
    "out overlap": (
        lambda: softmax(X[:, ::-1], out=X), ValueError, "out: expected x itself or memory apart",
    ),
    "out of sums": (
        lambda: logsumexp(X, keepdims=True, out=X[:, 0]), ValueError,
        r"out: expected shape \(2, 1\), got \(2,\)",
    ),
    "b": (lambda: logsumexp(X, b=[1, 2]), ValueError, r"b: .* broadcasts with \(2, 3\), .* \(2,"),
    "vector": (lambda: softmax_vjp(X, X[0]), ValueError, r"vector: .* \(2, 3\), .* got \(3,\)"),
    "vjp overlap": (
        lambda: softmax_vjp(F32 + 1, X[:, ::-1], out=X), ValueError, "out: expected vector itself",
    ),
}  # fmt: skip

OF_CROSS_ENTROPY = {
    "complex": (lambda: cross_entropy(X + 1j, Y), ValueError, "logits: expected real numbers"),
    "sparse": (lambda: cross_entropy(sparse.eye_array(2), Y), TypeError, "logits: .* a sparse"),
    "0-d": (lambda: cross_entropy(1.0, 0), ValueError, "logits: .* at least one dimension"),
    "0-d nll": (lambda: nll_loss(1.0, 0), ValueError, "log_probabilities: .* one dimension"),
    "no classes": (lambda: grad(X[:, :0], Y), ValueError, "logits: expected at least one element"),
    "axis": (lambda: cross_entropy(X, Y, axis=2), ValueError, r"axis: expected -2\.\.1, got 2"),
    "axes": (lambda: cross_entropy(X, Y, axis=(0, 1)), TypeError, "axis: expected an integer, got"),
    "no axis": (lambda: nll_loss(X, Y, axis=None), TypeError, "axis: .* an integer, got None"),
    "target kind": (lambda: cross_entropy(X, [0.0, 1.0]), TypeError, "target: .* integer"),
    "target text": (lambda: cross_entropy(X, ["a", "b"]), TypeError, "target: .* got dtype <U1"),
    "target shape": (lambda: cross_entropy(X, [0]), ValueError, r"\(2,\) or \(2, 3\), got \(1,\)"),
    "target sparse": (
        lambda: cross_entropy(X, sparse.csr_array(P)), TypeError, "target: .* a sparse csr_array",
    ),
    "target ragged": (
        lambda: nll_loss(X, [[0], [0, 1]]), ValueError, "target: expected an array of class indi",
    ),
    "target masked": (
        lambda: cross_entropy(X, np.ma.masked_array(Y, [0, 1])), ValueError,
        "target: expected class indices or numbers, got a masked element at index 1",
    ),
    "target complex": (lambda: grad(X, P + 1j), ValueError, "target: expected real numbers"),
    "target negative": (lambda: grad(X, -P), ValueError, r"target: .* at index \(0, 0\)"),
    "target NaN": (lambda: grad(X, P * np.nan), ValueError, r"target: .* got nan at index \(0,"),
    "target inf": (lambda: grad(X, P * np.inf), ValueError, r"target: .* got inf at index \(0,"),
    "high": (lambda: cross_entropy(X, [0, 3]), ValueError, r"0\.\.2, got 3 in row 1"),
    "low": (lambda: nll_loss(X, [-1, 0]), ValueError, r"0\.\.2, got -1 in row 0"),
    "nll target": (lambda: nll_loss(X, P), ValueError, r"target: .* shape \(2,\), .* \(2, 3\)"),
    "weight": (lambda: grad(X, Y, weight=[1, -1, 1]), ValueError, r"weight: .* got -1\.0 at index"),
    "weight shape": (lambda: nll_loss(X, Y, weight=[1]), ValueError, r"weight: .* shape \(3,"),
    "sample NaN": (
        lambda: nll_loss(X, Y, sample_weight=[1, np.nan]), ValueError, "sample_weight: .* got nan",
    ),
    "sample shape": (
        lambda: grad(X, Y, sample_weight=[1, 2, 3]), ValueError, r"sample_weight: .*\(2,\), .*\(3",
    ),
    "ignored kind": (
        lambda: cross_entropy(X, Y, ignore_index=1.0), TypeError, r"ignore_index: .* got 1\.0",
    ),
    "ignored p": (lambda: cross_entropy(X, P, ignore_index=0), ValueError, "ignore_index: .* None"),
    "smooth": (lambda: grad(X, Y, label_smoothing=1.5), ValueError, r"label_smooth.* got 1\.5"),
    "rough": (lambda: grad(X, Y, label_smoothing=-1), ValueError, "label_smoothing: .* got -1"),
    "temperature": (lambda: grad(X, Y, temperature=-1), ValueError, "temperature: .* > 0, got -1"),
    "reduction": (lambda: grad(X, Y, reduction="avg"), ValueError, "reduction: .*, got 'avg'"),
    "reductions": (lambda: grad(X, Y, reduction=V), ValueError, "reduction: .*, got array"),
    "far axis": (lambda: grad(X, Y, axis=10**400), ValueError, r"axis: .*, got 10+…0+$"),
    "threads": (lambda: grad(X, Y, n_threads=0), ValueError, "n_threads: .* >= 1, got 0"),
    "out kind": (lambda: grad(X, Y, out=[0]), TypeError, "out: expected an array, got list"),
    "out shape": (lambda: grad(X, Y, out=P[0]), ValueError, r"out: .* \(2, 3\), got \(3,\)"),
    "out dtype": (lambda: grad(X, Y, out=F32), ValueError, "out: .* dtype float64, got float32"),
    "out locked": (lambda: grad(X, Y, out=LOCKED), ValueError, "out: .* read-only"),
    "overlap": (lambda: grad(X[::-1], Y, out=X), ValueError, "out: expected logits itself or"),
    "overlap of target": (lambda: grad(X, P[::-1], out=P), ValueError, "out: .* target itself"),
}  # fmt: skip

OF_ELEMENTWISE = {
    "complex": (lambda: sigmoid([1j]), ValueError, "x: expected real numbers, got complex128"),
    "sparse": (lambda: logit(sparse.eye_array(2)), TypeError, "p: .* dense array, got a sparse"),
    "text": (lambda: mse(["a"], [1]), ValueError, "prediction: expected numbers, got dtype <U1"),
    "times": (lambda: mae(V, V.astype("M8[s]")), ValueError, "target: expected numbers, got dtype"),
    "out kind": (lambda: sigmoid(V, out=[0]), TypeError, "out: expected an array, got list"),
    "out shape": (lambda: sigmoid(V, out=F32[0, :2]), ValueError, r"out: .* \(3,\), got \(2,\)"),
    "out dtype": (lambda: sigmoid(V, out=F32[0]), ValueError, "out: .* float64, got float32"),
    "out locked": (lambda: log_sigmoid(V, out=LOCKED[0]), ValueError, "out: .* read-only"),
    "overlap": (lambda: sigmoid(V[::-1], out=V), ValueError, "out: expected x itself or memory"),
    "threads": (lambda: sigmoid(V, n_threads=0), ValueError, "n_threads: .* >= 1, got 0"),
    "threads of loss": (lambda: bce(V, V, n_threads=1.5), TypeError, r"n_threads: .* got 1\.5"),
    "shape": (lambda: bce(V, [0, 1]), ValueError, r"target: .* \(3,\), that of logits, got \(2,\)"),
    "target": (lambda: bce(V, [0, 2, 0]), ValueError, r"target: .* got 2\.0 at index \(1\)"),
    "target NaN": (lambda: bce(V, V * np.nan), ValueError, "target: .* got nan at index"),
    "prediction": (lambda: mse(V, 1.0), ValueError, r"target: .* that of prediction, got \(\)"),
    "weight": (
        lambda: mae(V, V, sample_weight=[1, 1, -1]), ValueError,
        r"sample_weight: .* got -1\.0 at index \(2\)",
    ),
    "weights": (
        lambda: bce(V, V, sample_weight=[1, 2]), ValueError,
        r"sample_weight: expected a shape that broadcasts to \(3,\), .*, got \(2,\)",
    ),
    "reduction": (lambda: mse(V, V, reduction="avg"), ValueError, "reduction: .* got 'avg'"),
    "reductions": (lambda: bce(V, V, reduction=None), ValueError, "reduction: .* got None"),
    "labels": (lambda: one_hot([0.0]), TypeError, "labels: expected integer class indices"),
    "label high": (lambda: one_hot([0, 3], 3), ValueError, r"labels: .* 0\.\.2, got 3 in row 1"),
    "label low": (lambda: one_hot([-1]), ValueError, "labels: .* got -1 in row 0"),
    "classes": (lambda: one_hot([0], 0), ValueError, "n_classes: expected an integer >= 1, got 0"),
    "label masked": (
        lambda: one_hot(np.ma.masked_array(Y, [0, 1])), ValueError, "labels: .* a masked element",
    ),
    "many classes": (lambda: one_hot([0], 2**31), ValueError, "n_classes: .* <= 2147483647, got"),
    "classes kind": (lambda: one_hot([0], 2.0), TypeError, "n_classes: expected an integer"),
}  # fmt: skip


def cases(table):
    return pytest.mark.parametrize(("call", "error", "message"), table.values(), ids=table)


@cases(OF_SOFTMAX)
def test_softmax(call, error, message):
    with pytest.raises(error, match=message):
        call()


@cases(OF_CROSS_ENTROPY)
def test_cross_entropy(call, error, message):
    with pytest.raises(error, match=message):
        call()


@cases(OF_ELEMENTWISE)
def test_elementwise(call, error, message):
    with pytest.raises(error, match=message):
        call()
