"""Results do not depend on where arrays lie.

GCC makes two versions of a loop whose arrays might overlap: one by vectors, and one that is taken
where they lie side by side. In one of them a sum may be by fused multiply-adds.
"""

import numpy as np
import pytest

from fastsoftmax._core import kernels
from fastsoftmax._engine.linalg.groups import blocks_of

pytestmark = pytest.mark.kernel
K = 6
APART = 100  # numbers between arrays: more than a vector of any level


def model(rng, d):
    arrays = [rng.normal(size=(K, d + 1)), 1 + rng.random(d), rng.normal(size=d)]

    def run(theta, scales, shift, W, b):
        kernels(W.dtype).standardised.model(theta, scales, shift, 0.7, W, b, 1)
        return W, b

    return run, [*arrays, np.zeros((K, d)), np.zeros(K)]


def gradient(rng, d):
    arrays = [rng.normal(size=shape) for shape in ((K, d + 1), (K, d), K, d)]

    def run(theta, by_W, by_b, shift, scales, out):
        value = kernels(out.dtype).standardised.gradient(
            theta, by_W, by_b, 0.1, scales, shift, 0.7, np.zeros(d, bool), out, 1
        )
        return value, out

    return run, [*arrays, 1 + rng.random(d), np.zeros((K, d + 1))]


def subgradient(rng, d):
    g, v = rng.normal(size=(2, K * d))
    v[rng.random(K * d) < 0.3] = 0

    def run(g, v, t, out):
        return kernels(out.dtype).coordinate.subgradient(g, v, t, True, out, 1), out

    return run, [g, v, rng.random(d), np.zeros(K * d)]


def groups(rng, d):
    A = rng.normal(size=(K, 40, d))
    H = np.einsum("knm,knj->kmj", A, A) / 40
    ids = np.broadcast_to(np.arange(d) // 2, (K, d))
    places, starts, bounds, step = blocks_of(ids, np.einsum("kii->ki", H))

    def run(g, v, t, bounds, change, step):
        kernels(H.dtype).group.by_grams(
            H, np.zeros((K, d)), places, starts, g, v, t, bounds, change, step, 3, 0.0
        )
        return (change,)

    g, v = rng.normal(size=(2, K, d))
    return run, [g, v, np.full((K, d), 0.3), bounds, np.zeros((K, d)), step]


def placed(arrays, order, gap):
    """Copies of the arrays in one buffer in this order, so many numbers apart."""
    buffer, start = np.zeros(sum(array.size + gap for array in arrays)), 0
    copies = list(arrays)
    for i in order:
        copies[i] = buffer[start : start + arrays[i].size].reshape(arrays[i].shape)
        copies[i][...] = arrays[i]
        start += arrays[i].size + gap
    return copies


@pytest.mark.parametrize("d", [1, 5, 6, 17])
@pytest.mark.parametrize("case", [model, gradient, subgradient, groups])
def test_arrays_side_by_side(case, d):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        run, arrays = case(rng, d)
        apart = run(*placed(arrays, range(len(arrays)), APART))
        for gap in range(4):
            found = run(*placed(arrays, rng.permutation(len(arrays)), gap))
            assert all(map(np.array_equal, found, apart))
