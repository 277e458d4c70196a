"""Rows in partitions: what workers check and prepare, and what is put together of it here.

Partitions are loaded, and tell what they hold; then labels become codes, and weights those of a
fit, where the rows are. Nothing that comes here has the size of the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import (
    ByRow,
    DensePartitions,
    Partition,
    PartitionRows,
    SparsePartitions,
    better_dense,
)
from fastsoftmax._linear.problem.rows import GivenRows
from fastsoftmax._linear.problem.settings import Settings
from fastsoftmax._linear.problem.targets import (
    Encoding,
    Targets,
    class_totals,
    codes_or_shares,
    with_class_weights,
)
from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._runtime.dtypes import computed_in
from fastsoftmax._runtime.engines import current_engine
from fastsoftmax._runtime.engines.protocol import Held
from fastsoftmax._runtime.engines.tree import Sums
from fastsoftmax._runtime.versions import processor_level
from fastsoftmax._validation import blocks as check_blocks
from fastsoftmax._validation import check
from fastsoftmax._validation import labels as check_labels
from fastsoftmax._validation import partitions as check_partitions
from fastsoftmax._validation import targets as check_targets
from fastsoftmax._validation.sparse import features, require_finite
from fastsoftmax.partitions import Partitions


class Loaded(NamedTuple):
    """What a loader returned, checked; of no rows None but for the number."""

    number: int
    n: int
    X: Any = None
    y: Any = None
    weights: NDArray[np.float64] | None = None
    offset: Any = None
    first: Any = None  # row, as it was given


class Description(NamedTuple):
    """What a partition holds."""

    number: int
    n: int
    first: Any
    is_sparse: bool
    width: int
    dtype: np.dtype
    nbytes: int
    nnz: int
    columns: tuple[int, ...]  # of y
    of_strings: bool  # labels
    telling: NDArray  # different labels, or rows of a table that say what it is
    weight: float | None
    has_offset: bool
    level: str  # of the worker's processor


class Meaning(NamedTuple):
    """How targets are read."""

    kind: str
    classes: NDArray
    by_class: NDArray[np.float64] | None
    label_smoothing: float


def load(number: int, loader: Callable[[], tuple[Any, ...]] | list[Any]) -> Loaded:
    """A partition, on a worker: of a function, or of the parts of a collection."""
    with check_partitions.named(number):
        loaded = loader() if callable(loader) else loader
        X, y, weights, offset = check_partitions.parts(loaded)
        n = X.shape[0] if hasattr(X, "shape") else len(X)
        if not n:
            return Loaded(number, 0)
        array = features(X)
        y = check_blocks.targets(y, n)
        if y.shape[1:] == (1,):  # a column of labels, as of a frame
            y = y[:, 0]
        w = check.weights_of_a_part(weights, n, "sample_weight")
        w = None if w is None else np.ascontiguousarray(w, np.float64)
        return Loaded(number, n, array, y, w, offset, (array if sparse.issparse(array) else X)[:1])


def describe(loaded: Loaded) -> Description | None:
    """What a partition holds; None for an empty one."""
    number, n, X, y, weights, offset, first = loaded
    if not n:
        return None
    with check_partitions.named(number):
        telling = check_labels.numbered(y, "y")[1] if y.ndim == 1 else telling_rows(y)
    parts = (X.data, X.indices) if sparse.issparse(X) else (X,)
    return Description(
        number, n, first, sparse.issparse(X), X.shape[1], X.dtype,
        sum(part.nbytes for part in parts), parts[0].size, y.shape[1:], y.dtype.kind in "US",
        telling, None if weights is None else float(weights.sum()), offset is not None,
        processor_level(),
    )  # fmt: skip


def telling_rows(y: NDArray) -> NDArray:
    """The first row, and the first with other numbers than 0 and 1."""
    others = ((y != 0) & (y != 1)).any(axis=1)
    return y[[0, int(others.argmax())]]


def rows_of_partitions(
    X: Partitions, feature_scale: object
) -> tuple[Held, list[Description], NDArray | None]:
    """The partitions that have rows, on the workers, and what they hold."""
    held = current_engine().hold(load, list(enumerate(X.loaders)))
    described = [each for each in held.each(describe) if each is not None]
    check_partitions.some(len(described))
    numbers = [each.number for each in described]
    kinds = ["a sparse array" if each.is_sparse else "a dense one" for each in described]
    check_partitions.alike("X", kinds, numbers, "{}")
    check_partitions.alike("X", [each.width for each in described], numbers, "{} features")
    check_partitions.alike("X", [each.dtype for each in described], numbers, "{}")
    for each in described:
        with check_partitions.named(each.number):
            first = described[0].first, f"partition {numbers[0]}"
            check_blocks.same_columns(each.first, *first)
    check_partitions.one_level([each.level for each in described], numbers)
    shapes = [f"{each.columns[0]} columns" if each.columns else "labels" for each in described]
    check_partitions.alike("y", shapes, numbers, "{}")
    if not described[0].columns:
        texts = ["strings" if each.of_strings else "no strings" for each in described]
        check_partitions.alike("y", texts, numbers, "{}")
    for name, there in (
        ("sample_weight", [each.weight is not None for each in described]),
        ("offset", [each.has_offset for each in described]),
    ):
        words = ["an array" if each else "None" for each in there]
        check_partitions.alike(name, words, numbers, "{}")
    weight = None if described[0].weight is None else sum(each.weight for each in described)
    check_partitions.some_weight(weight)
    return held.only(numbers), described, check.feature_scale(feature_scale, described[0].width)


def meaning_of(held: Held, y: NDArray, kind: str, encoding: Encoding) -> Meaning:
    """What targets mean, from labels or rows that tell."""
    known, by_class = encoding.known, None
    if kind != "labels":
        check_targets.a_table(y, kind)
    if kind == "labels":
        if known is None:
            check_targets.no_names(encoding.classes)
            known = check_labels.labels(y, len(y))[1]
    elif known is None:
        known = check_labels.class_names(encoding.classes, y.shape[1])
    if kind == "indicators":
        check_targets.no_class_weight(encoding.class_weight)
        on, n = held.sum(indicators_on)
        check_targets.varied(on > 0, on < n)
    elif encoding.class_weight is not None:
        totals = held.sum(totals_of, Meaning(kind, known, None, 0.0))
        by_class = check_targets.class_weights(encoding.class_weight, known, totals)
    return Meaning(kind, known, by_class, encoding.label_smoothing)


def read(loaded: Loaded, meaning: Meaning) -> tuple[NDArray, NDArray | None]:
    """Codes, shares or indicators, and weights of the rows."""
    with check_partitions.named(loaded.number):
        if meaning.kind == "indicators":
            return check_targets.indicators(loaded.y, loaded.n, whole=False), loaded.weights
        values, _, weights = codes_or_shares(
            loaded.y, loaded.weights, loaded.n, kind=meaning.kind, classes=None,
            known=meaning.classes,
        )  # fmt: skip
        return values, weights


def indicators_on(loaded: Loaded) -> Sums:
    """Rows that have each label, and all."""
    with check_partitions.named(loaded.number):
        values = check_targets.indicators(loaded.y, loaded.n, whole=False)
    return Sums((values.sum(axis=0, dtype=np.int64), loaded.n))


def totals_of(loaded: Loaded, meaning: Meaning) -> NDArray[np.float64]:
    """The weight of each class's rows."""
    return class_totals(*read(loaded, meaning), len(meaning.classes))


def prepare(
    loaded: Loaded,
    meaning: Meaning,
    feature_scale: NDArray | None,
    n_threads: int | None,
    as_dense: bool,
    first: tuple[int, str],
    begin: int,
) -> Partition:
    """A partition as a fit takes it.

    The worker may have come for one that was lost: its level has to be that of the first partition.
    """
    number, level = first
    check_partitions.one_level([level, processor_level()], [number, loaded.number])
    values, weights = read(loaded, meaning)
    k = len(meaning.classes)
    if meaning.kind == "indicators":
        targets = Targets(values, meaning.classes, weights, k, values, weights)
    else:
        targets = with_class_weights(
            values, meaning.classes, weights, meaning.by_class, meaning.label_smoothing
        )
    X = loaded.X.toarray() if as_dense else loaded.X
    with check_partitions.named(loaded.number):
        offset = check.offset(loaded.offset, loaded.n, targets.n_logits, computed_in(X.dtype))
    rows = PartitionRows(X, targets.values, targets.weights, offset)
    return Partition(begin, rows, feature_scale, n_threads, loaded.number)


def weight_of(partition: Partition) -> float:
    """The total weight of the rows."""
    weights = partition.rows.weights
    return float(partition.n if weights is None else weights.sum())


def raise_for_infinite(partition: Partition) -> None:
    """Raise for the first number that is not finite."""
    with check_partitions.named(partition.number):
        require_finite(partition.rows.X)


def read_partitions(
    X: Partitions, settings: Settings, encoding: Encoding
) -> tuple[GivenRows, Targets, str, ByRow | None]:
    """Rows, targets with their kind, and offset, which the workers have."""
    held, described, scale = rows_of_partitions(X, settings.feature_scale)
    telling = np.concatenate([each.telling for each in described])
    kind = encoding.kind_of(telling)
    meaning = meaning_of(held, telling, kind, encoding)
    rows, targets, offset = prepared(held, described, meaning, scale, settings)
    return rows, targets, kind, offset


def prepared(
    held: Held,
    described: list[Description],
    meaning: Meaning,
    feature_scale: NDArray | None,
    settings: Settings,
) -> tuple[GivenRows, Targets, ByRow | None]:
    """Rows, targets and offset, from what partitions hold and their targets mean."""
    first, ends = described[0], np.cumsum([each.n for each in described], dtype=np.int64)
    shape = int(ends[-1]), first.width
    nbytes, nnz = (sum(getattr(each, name) for each in described) for name in ("nbytes", "nnz"))
    as_dense = first.is_sparse and better_dense(shape, first.dtype, nbytes)
    is_sparse = first.is_sparse and not as_dense
    begins = [0, *ends[:-1].tolist()]
    held = held.map(
        prepare, meaning, feature_scale, settings.asked_threads, as_dense,
        (first.number, first.level), per=begins,
    )  # fmt: skip
    row_bytes = nbytes / shape[0] if is_sparse else first.dtype.itemsize * shape[1]
    args = held, shape, first.dtype, row_bytes, settings.n_threads, feature_scale
    data = SparsePartitions(*args, nnz=nnz) if is_sparse else DensePartitions(*args)
    k, kind = len(meaning.classes), meaning.kind
    n_logits = 1 if k == 2 and kind != "indicators" else k
    is_table = kind in ("probabilities", "counts") or meaning.label_smoothing > 0
    dtype = np.uint8 if kind == "indicators" else np.float64 if is_table else np.int32
    values = ByRow(data.samples, "targets", dtype, 1 if dtype == np.int32 else 2)
    weights = None
    if first.weight is not None or kind == "counts" or meaning.by_class is not None:
        total = held.sum(weight_of)
        check_partitions.some_weight(total)
        weights = ByRow(data.samples, "weights", np.float64, 1, total)
    offset = ByRow(data.samples, "offset", np.float64, 2) if first.has_offset else None
    targets = Targets(values, meaning.classes, weights, n_logits, values, weights)
    rows = GivenRows(
        first.first, data, None, weights, feature_scale, lambda: held.each(raise_for_infinite)
    )
    return rows, targets, offset
