"""A network's parameters, in the layout of the kernels, and the passes over data that they take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._core import kernels
from fastsoftmax._engine.linalg.workspace import Workspace
from fastsoftmax._neural.rules import Rule
from fastsoftmax._runtime.threads import team
from fastsoftmax._validation import check
from fastsoftmax._validation import networks as check_networks

ALIGNMENT = 64  # bytes: a cache line, and the widest vector


class Pass(NamedTuple):
    """The result of an epoch, apart from the weights."""

    loss: float  # mean of the steps that were done, by their rows, penalty included
    hits: float  # weight of the rows that were measured as right
    errors: NDArray[np.float64]  # (K,), squared errors by weight, where they are measured
    n_steps: int
    complete: bool  # False: the loss of step n_steps + 1 is not finite, and it was not done,
    interrupted: bool = False  # or training was asked to stop before it


class Network:
    """Dense layers that are trained in place, by one Python thread at a time.

    Estimators are built on it. It checks shapes, and ranges of labels and row numbers.

    Parameters
    ----------
    sizes : sequence of int
        Features, units of each hidden layer, outputs.
    activations : sequence of str
        Those of the hidden layers: "identity", "logistic", "tanh", "relu" or "leaky_relu".
    loss : str
        "cross_entropy" (of the softmax of the outputs z), "binary_cross_entropy" (of the logistic
        function of each), "mse" (half the squared errors) or "mae". That of a row is a sum over its
        outputs, so that with the loss's own activation ∂loss/∂z is a - y, except for "mae".
    dtype : dtype
        Precision of all computations: float32 or float64.
    negative_slope : float
        Slope of "leaky_relu" below 0.
    feature_scale : float
        Factor by which X is multiplied as it is read.
    n_threads : int
        Maximum number of threads. The results do not depend on it.
    """

    #: units of a layer for which two threads are no faster than one
    #: (docs/experiments/0014-network-steps.md)
    narrow_units = 16
    #: multiply-adds between two chances to stop: at 2e9 per second a quarter of one
    unstoppable_work = 500_000_000

    def __init__(
        self,
        sizes: Sequence[int],
        activations: Sequence[str],
        loss: str,
        *,
        dtype: np.dtype = np.float32,
        negative_slope: float = 0.1,
        feature_scale: float = 1.0,
        n_threads: int = 1,
    ) -> None:
        self.sizes = tuple(sizes)
        self.dtype = np.dtype(dtype)
        self.negative_slope, self.feature_scale = negative_slope, feature_scale
        self.n_threads = n_threads
        self._kernel = kernels(self.dtype).network
        self._activations = [self._kernel.ACTIVATIONS[name] for name in [*activations, "identity"]]
        self._loss = self._kernel.LOSSES[loss]
        self._workspace = Workspace()
        strides = [self._kernel.stride_of(n) for n in self.sizes]
        self._shapes = list(zip(self.sizes[1:], strides[:-1], strict=True))
        self._weights = self.block()

    def block(self) -> NDArray:
        """Zeros, one for each weight, laid out as the weights are."""
        size = sum(m * stride for m, stride in self._shapes)
        memory = np.zeros(size * self.dtype.itemsize + ALIGNMENT, np.uint8)
        start = -memory.ctypes.data % ALIGNMENT
        return memory[start : start + size * self.dtype.itemsize].view(self.dtype)

    def _layers(self, block: NDArray) -> list[NDArray]:
        """(units, stride) of each layer: weights, intercept, zeros."""
        ends = np.cumsum([m * stride for m, stride in self._shapes])[:-1]
        parts = np.split(block, ends)
        return [p.reshape(shape) for p, shape in zip(parts, self._shapes, strict=True)]

    def _coefs(self, block: NDArray) -> list[NDArray]:
        return [w[:, :n].T for w, n in zip(self._layers(block), self.sizes[:-1], strict=True)]

    def _intercepts(self, block: NDArray) -> list[NDArray]:
        return [w[:, n] for w, n in zip(self._layers(block), self.sizes[:-1], strict=True)]

    @property
    def coefs(self) -> list[NDArray]:
        """Weights (inputs, units) of each layer: copies. Assign a list to set them."""
        return [w.copy(order="K") for w in self._coefs(self._weights)]

    @coefs.setter
    def coefs(self, values: Sequence[NDArray]) -> None:
        for own, given in zip(self._coefs(self._weights), values, strict=True):
            own[...] = given

    @property
    def intercepts(self) -> list[NDArray]:
        """Intercepts (units,) of each layer: copies. Assign a list to set them."""
        return [b.copy() for b in self._intercepts(self._weights)]

    @intercepts.setter
    def intercepts(self, values: Sequence[NDArray]) -> None:
        for own, given in zip(self._intercepts(self._weights), values, strict=True):
            own[...] = given

    def snapshot(self) -> NDArray:
        """A copy of all parameters, for `restore`."""
        return self._weights.copy()

    def restore(self, parameters: NDArray) -> None:
        self._weights[...] = parameters

    def is_finite(self) -> bool:
        return bool(np.isfinite(self._weights).all())

    def team(self, rows: int) -> int:
        """The number of threads for a step over this number of rows.

        Between its phases the threads exchange a row's inputs, which ``narrow_units`` are worth.
        """
        wide = sum(max(0, m - self.narrow_units) * stride for m, stride in self._shapes)
        return team(self.n_threads, 2 * rows * wide)

    def epoch(
        self,
        X: NDArray,
        targets: NDArray,
        order: NDArray[np.intp] | None,
        batch_size: int,
        rule: Rule,
        rate: float,
        *,
        sample_weight: NDArray | None = None,
        measure: str = "none",
        threshold: float = 0.0,
        halted: Callable[[], bool] = lambda: False,
    ) -> Pass:
        """One step of the rule for every `batch_size` rows, many in a call without the GIL.

        Parameters
        ----------
        X : ndarray of shape (N, D)
            Of any dtype that `_runtime/dtypes.py` knows and of any strides.
        targets : ndarray
            int32 labels (N,), or numbers (N, K).
        order : ndarray of intp, or None
            Row numbers in the order of training, any subset of the rows; None: as they stand.
        rule : Rule
            How weights follow the gradient, with its state.
        rate : float
            Learning rate.
        sample_weight : ndarray of shape (N,), optional
            A step divides by its rows' sum; rows whose sum is 0 take none.
        measure : str
            "argmax": `hits` are rows whose largest output is that of the largest target, or the
            label; "threshold": rows whose outputs are all on the side of the threshold on which
            the targets are of 1/2; "squares": `errors`; or "none".
        halted : callable
            Called between steps from time to time; if it returns a true value, the epoch ends.
        """
        check_networks.of_network(X, self.sizes, targets, sample_weight, order)
        X = check.in_whole_steps(X)
        n_rows = len(X) if order is None else len(order)
        order = None if order is None else np.ascontiguousarray(order, dtype=np.intp)
        labels = np.ascontiguousarray(targets, dtype=np.int32) if targets.ndim == 1 else None
        given = None if labels is not None else self._cast(targets)
        batch_size = max(1, min(batch_size, n_rows))
        sums = rule.first if rule.name == "store" else None
        if sums is None and batch_size > self._kernel.slice_rows():
            sums = self.block()
        totals, errors = np.zeros(3), np.zeros(self.sizes[-1])
        sample_weight = self._cast(sample_weight)
        n_steps, interrupted = 0, False
        for part, expected in self._parts(order, n_rows, batch_size):
            if interrupted := halted():
                break
            done = self._kernel.epoch(
                self.sizes, self._activations, self.negative_slope, self._loss,
                self._kernel.MEASURES[measure], threshold, X, self.feature_scale, labels, given,
                sample_weight, part, batch_size, self._weights, rule.first, rule.second, sums,
                self._kernel.RULES[rule.name], rate, *rule.numbers, rule.n_steps, totals, errors,
                self._workspace, self.team(batch_size),
            )  # fmt: skip
            rule.n_steps += done
            n_steps += done
            if done < expected:
                break
        loss, squares, hits = totals.tolist()
        if rule.penalty:
            loss += rule.penalty * squares
        loss /= max(1, min(n_steps * batch_size, n_rows))
        complete = n_steps == -(-n_rows // batch_size)
        return Pass(loss, hits, errors, n_steps, complete, interrupted)

    def _parts(
        self, order: NDArray[np.intp] | None, n_rows: int, batch_size: int
    ) -> Iterator[tuple[NDArray[np.intp] | None, int]]:
        """The order, in parts of so many steps each that one can wait for their end."""
        steps = max(1, self.unstoppable_work // (3 * self._weights.size * batch_size))
        if steps * batch_size >= n_rows:
            yield order, -(-n_rows // batch_size)
            return
        order = np.arange(n_rows, dtype=np.intp) if order is None else order
        for start in range(0, n_rows, steps * batch_size):
            part = order[start : start + steps * batch_size]
            yield part, -(-len(part) // batch_size)

    def value_and_grad(
        self,
        X: NDArray,
        targets: NDArray,
        sample_weight: NDArray | None = None,
        *,
        alpha: float = 0.0,
    ) -> tuple[float, list[NDArray], list[NDArray]]:
        """Mean loss and its gradients with respect to `coefs` and `intercepts`.

        (Σ sᵢ lossᵢ + alpha/2 ‖W‖²) / Σ sᵢ, by the code that trains: one step of a rule that leaves
        the weights and keeps their gradient.
        """
        rule = Rule("store", self, alpha=alpha)
        done = self.epoch(X, targets, None, len(X), rule, 0.0, sample_weight=sample_weight)
        value = done.loss if done.complete else np.nan
        return value, self._coefs(rule.first), self._intercepts(rule.first)

    def outputs(self, X: NDArray) -> NDArray:
        """The last layer's outputs (N, K) before its activation."""
        check_networks.of_network(X, self.sizes)
        X = check.in_whole_steps(X)
        out = np.empty((len(X), self.sizes[-1]), self.dtype)
        self._kernel.outputs(
            self.sizes, self._activations, self.negative_slope, X, self.feature_scale,
            self._weights, out, self._workspace,
            team(self.n_threads, len(X) * self._weights.size),
        )  # fmt: skip
        return out

    def _cast(self, array: NDArray | None) -> NDArray | None:
        return None if array is None else np.ascontiguousarray(array, dtype=self.dtype)
