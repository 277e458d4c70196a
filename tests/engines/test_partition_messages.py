"""What is wrong with partitions is said with the number of the partition, and the row."""

import numpy as np
import pytest
from scipy import sparse
from support.partitions import of_arrays, rows

from fastsoftmax import (
    LogisticRegression,
    Partitions,
    SoftmaxRegression,
    SoftmaxRegressionCV,
    certify,
)
from fastsoftmax.engines import Processes, Ray

X, Y, _ = rows("small")


def parts(**changes):
    """Three partitions, one of which differs."""
    made = []
    for i, begin in enumerate((0, 300, 600)):
        part = {"X": X[begin : begin + 300], "y": Y[begin : begin + 300], "w": None, "o": None}
        part |= changes.get(f"p{i}", {})
        made.append(tuple(part.values()))
    return Partitions([lambda part=part: part for part in made])


BAD = X[300:600].copy()
BAD[71, 4] = np.nan

WRONG = {
    "not finite": (
        {"p1": {"X": BAD}},
        "partition 1: X: expected finite .* in row 71, column 4",
    ),
    "width": ({"p2": {"X": X[:300, :5]}}, "partition 2: X: expected 6 features as in partition 0"),
    "dtype": (
        {"p1": {"X": X[:300].astype(np.float32)}},
        "partition 1: X: expected float64 as in partition 0, got float32",
    ),
    "sparse": (
        {"p1": {"X": sparse.csr_array(X[:300])}},
        "partition 1: X: expected a dense one as in partition 0, got a sparse array",
    ),
    "rows of y": ({"p1": {"y": Y[:299]}}, r"partition 1: y: expected shape \(300,\)"),
    "kind of y": (
        {"p1": {"y": np.array(["a", "b", "c"])[Y[:300]]}},
        "partition 1: y: expected no strings as in partition 0, got strings",
    ),
    "columns of y": (
        {"p1": {"y": np.eye(3)[Y[:300]]}},
        "partition 1: y: expected labels as in partition 0, got 3 columns",
    ),
    "continuous y": ({"p1": {"y": Y[:300] + 0.5}}, "partition 1: y: expected class labels"),
    "NaN in y": (
        {"p1": {"y": np.full(300, np.nan)}},
        "partition 1: y: expected labels, got nan in row 0 ",
    ),
    "weights of one": (
        {"p1": {"w": np.ones(300)}},
        "partition 1: sample_weight: expected None as in partition 0, got an array",
    ),
    "negative weights": (
        {f"p{i}": {"w": np.full(300, -float(i))} for i in range(3)},
        "partition 1: sample_weight: expected 0 or more, got -1.0",
    ),
    "weights of 0": (
        {f"p{i}": {"w": np.zeros(300)} for i in range(3)},
        "sample_weight: expected weights of a finite, positive sum, got zeros only",
    ),
    "offset": (
        {f"p{i}": {"o": np.zeros((300, 2))} for i in range(3)},
        r"partition 0: offset: expected shape \(300, 3\)",
    ),
    "one class": ({f"p{i}": {"y": np.zeros(300)} for i in range(3)}, "at least 2 classes"),
    "nothing": ({f"p{i}": {"X": X[:0], "y": Y[:0]} for i in range(3)}, "empty partitions alone"),
    "objects": ({"p1": {"X": np.full((300, 6), "a", object)}}, "partition 1: X: expected"),
}


@pytest.mark.parametrize("case", WRONG)
def test_partitions(case):
    changes, message = WRONG[case]
    with pytest.raises((TypeError, ValueError), match=message):
        SoftmaxRegression().fit(parts(**changes))


ROW = np.arange(300) == 71
OBJECTS = np.array(["a", "b", "c"], object)
WRONG_ROWS = {
    "weight NaN": ({"w": np.where(ROW, np.nan, 1)}, "sample_weight: .* got nan in row 71"),
    "weight infinite": ({"w": np.where(ROW, np.inf, 1)}, "sample_weight: .* got inf in row 71"),
    "weight negative": ({"w": np.where(ROW, -2.0, 1)}, r"sample_weight: .* got -2\.0 in row 71"),
    "weight None": ({"w": np.where(ROW, None, 1)}, "sample_weight: .* got nan in row 71"),
    "offset NaN": (
        {"o": np.where(ROW[:, None], [0, np.nan, 0], 0)},
        "offset: expected finite numbers, got nan in row 71, column 1",
    ),
    "offset infinite": (
        {"o": np.where(ROW[:, None], [0, -np.inf, 0], 0)},
        "offset: expected finite numbers, got -inf in row 71, column 1",
    ),
    "offset too large": (
        {"o": np.where(ROW[:, None], [0, 1e301, 0], 0)},
        r"offset: .* got 1e\+301 at index \(71, 1\)",
    ),
    "label NaN": ({"y": np.where(ROW, np.nan, Y[:300])}, "y: expected labels, got nan in row 71"),
    "label a fraction": ({"y": np.where(ROW, 0.5, Y[:300])}, r"y: .* as 0\.5 in row 71\. Unknown"),
    "label None": ({"y": np.where(ROW, None, OBJECTS[Y[:300]])}, "y: .* got None in row 71"),
    "shares negative": (
        {"y": np.where(ROW[:, None], [1.5, -0.5, 0], np.eye(3)[Y[:300]])},
        r"y: expected probabilities >= 0, got -0\.5 in row 71, column 1",
    ),
    "shares NaN": (
        {"y": np.where(ROW[:, None], np.nan, np.eye(3)[Y[:300]])},
        "y: expected finite numbers, got nan in row 71, column 0",
    ),
    "shares of another sum": (
        {"y": np.where(ROW[:, None], 0.5, np.eye(3)[Y[:300]])},
        r"y: expected probabilities that sum to 1, got a sum of 1\.5 in row 71",
    ),
}
OTHERS = {  # of the other partitions
    "weight": np.ones(300),
    "offset": np.zeros((300, 3)),
    "label": Y[:300].astype(float),
    "label None": OBJECTS[Y[:300]],
    "shares": np.eye(3)[Y[:300]],
}


@pytest.mark.parametrize("case", WRONG_ROWS)
def test_rows_at_fault(case):
    change, message = WRONG_ROWS[case]
    [name] = change
    other = {name: OTHERS.get(case, OTHERS.get(case.split()[0]))}
    changes = {"p0": other, "p1": change, "p2": other}
    with pytest.raises(ValueError, match=f"^partition 1: {message}"):
        SoftmaxRegression().fit(parts(**changes))


def test_the_row_of_a_label_that_the_model_does_not_know():
    model, y = SoftmaxRegression().fit(PLAIN), np.where(ROW, 7, Y[:300])
    with pytest.raises(ValueError, match=r"^partition 1: y: .* got 7 in row 71 \(classes that the"):
        model.certify(parts(p1={"y": y}))


@pytest.mark.parametrize("loaded", [None, (X,), (X, Y, None, None, None), 3])
def test_what_loaders_return(loaded):
    with pytest.raises(ValueError, match=r"partition 0: expected \(X, y\), \(X, y, sample_weight"):
        SoftmaxRegression().fit(Partitions([lambda: loaded]))


def test_a_column_without_both_is_one_in_all_partitions():
    labels = np.zeros((900, 3), int)
    labels[0, 0] = labels[-1, 1] = 1
    with pytest.raises(ValueError, match="got 0 alone in column 2"):
        LogisticRegression().fit(of_arrays(X, labels, ends=(0, 300)))
    labels[5, 2] = 1
    LogisticRegression().fit(of_arrays(X, labels, ends=(0, 300)))


PLAIN = parts()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"l1_ratio": 1.0}, "l1_ratio: expected 0 for rows in partitions, got 1: .* as Blocks"),
        ({"C": np.inf}, "C: expected a finite number for rows in partitions, got inf"),
        ({"C": np.inf, "reference_class": 0}, "and inference, need the rows on one machine"),
        ({"penalty_factor": [0, 1, 1, 1, 1, 1]}, "penalty_factor: expected > 0"),
        ({"solver": "newton"}, "'newton' needs the exact Hessian, .* an engine holds"),
        ({"solver": "gd"}, "'gd' needs the rows, which an engine holds"),
    ],
)
def test_what_is_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        SoftmaxRegression(**parameters).fit(PLAIN)


@pytest.mark.parametrize("name", ["y", "sample_weight", "offset"])
def test_arguments_beside_partitions(name):
    with pytest.raises(TypeError, match=f"{name}: expected None beside Partitions"):
        SoftmaxRegression().fit(PLAIN, **{name: Y})


def test_labels_are_names():
    with pytest.raises(ValueError, match="classes: expected None where y holds labels"):
        SoftmaxRegression().fit(PLAIN, classes=[0, 1, 2])


def test_cross_validation():
    with pytest.raises(TypeError, match=r"X: expected an array or Blocks .*, got Partitions"):
        SoftmaxRegressionCV().fit(PLAIN)


def test_models_of_other_data():
    with pytest.raises(ValueError, match="expected labels of"):
        certify(np.zeros((3, 6)), None, parts(), classes=[5, 6, 7])


def test_a_class_is_missing_in_a_partition():
    order = np.argsort(Y, kind="stable")
    model = SoftmaxRegression(tol=1e-9).fit(of_arrays(X[order], Y[order], ends=(0, 300)))
    here = SoftmaxRegression(tol=1e-9).fit(X, Y)
    assert model.objective_ == pytest.approx(here.objective_, rel=1e-8)


@pytest.mark.parametrize("of_those_that_describe", [["v4", "v4", "v3"], ["v4"] * 3])
def test_workers_of_different_levels(monkeypatch, of_those_that_describe):
    """Also where one that is lost is replaced by one of another level."""
    levels = iter([*of_those_that_describe, "v4", "v4", "v3"])
    monkeypatch.setattr(
        "fastsoftmax._linear.problem.partitioned.processor_level", lambda: next(levels)
    )
    message = "one processor level, got 'v4' for partition 0 and 'v3' for partition 2: set FASTSOF"
    with pytest.raises(ValueError, match=message):
        SoftmaxRegression().fit(PLAIN)


def test_an_error_with_arguments_of_its_own_is_left_alone():
    def loader():
        return b"\xff".decode("utf-8"), Y

    with pytest.raises(UnicodeDecodeError) as raised:
        SoftmaxRegression().fit(Partitions([loader]))
    assert raised.value.__notes__ == ["in partition 0"]


@pytest.mark.parametrize("convert", [sparse.bsr_array, sparse.coo_matrix, sparse.lil_matrix])
def test_any_sparse_format(convert):
    few = np.where(np.abs(X) > 1, X, 0)
    model = SoftmaxRegression().fit(parts(**{f"p{i}": {"X": convert(few[:300])} for i in range(3)}))
    again = SoftmaxRegression().fit(np.tile(few[:300], (3, 1)), Y)
    np.testing.assert_allclose(model.objective_, again.objective_, rtol=2e-6)


def test_a_column_of_labels():
    column = {f"p{i}": {"y": Y[300 * i : 300 * (i + 1), None]} for i in range(3)}
    a, b = (SoftmaxRegression().fit(p) for p in (parts(**column), parts()))
    np.testing.assert_array_equal(a.coef_, b.coef_)


@pytest.mark.parametrize("target", ["counts", "probabilities"])
def test_labels_that_should_be_a_table(target):
    with pytest.raises(ValueError, match=f"y: expected {target} of shape"):
        SoftmaxRegression().fit(parts(), target=target)


@pytest.mark.parametrize("n", [0, -1, 1.5, "2", True])
def test_numbers_of_workers(n):
    for engine in (Processes, Ray):
        with pytest.raises(ValueError, match="n: expected an integer >= 1"):
            engine(n)
    with pytest.raises(ValueError, match="n_threads: expected an integer >= 1"):
        Processes(1, n_threads=0)


def test_weights_of_classes_of_several_labels():
    table = np.eye(3, dtype=int)[Y[:300]]
    with pytest.raises(ValueError, match=r"class_weight: expected None where y of Partitions has"):
        LogisticRegression(class_weight="balanced").fit(
            parts(**{f"p{i}": {"y": table} for i in range(3)})
        )


def test_rows_that_begin_between_two_numbers():
    """As they may where Dask moved what was loaded to another worker."""
    bytes_of = np.zeros(X.nbytes + 1, np.uint8)
    moved = bytes_of[1:].view(X.dtype).reshape(X.shape)
    moved[...] = X
    a, b = (SoftmaxRegression().fit(of_arrays(x, Y)) for x in (moved, X))
    np.testing.assert_array_equal(a.coef_, b.coef_)
