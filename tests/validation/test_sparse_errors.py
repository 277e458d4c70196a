"""Every message about sparse X, in a fit, a prediction and the functions alike."""

import numpy as np
import pytest
from scipy import sparse
from support.sparse_rows import compressed
from support.versions import at_least

from fastsoftmax import SoftmaxRegression, linear_cross_entropy, linear_cross_entropy_value_and_grad

N, D = 6, 4
Y = np.arange(N) % 3
VALUES = np.arange(1.0, 9.0)
INDICES = np.array([0, 1, 2, 3, 0, 1, 2, 3], np.int32)
INDPTR = np.array([0, 2, 4, 4, 6, 7, 8], np.int32)


def rows(data=VALUES, indices=INDICES, indptr=INDPTR, shape=(N, D)):
    """Compressed rows of these parts, whatever they are."""
    return compressed(data, indices, indptr, shape)


def columns(data=VALUES, indices=(0, 1, 2, 3, 4, 5, 0, 5), indptr=(0, 2, 4, 6, 8)):
    X = sparse.csc_array((N, D))
    X.data, X.indices, X.indptr = data, np.array(indices), np.array(indptr)
    return X


def entries(data=VALUES, row=(0, 0, 1, 1, 3, 3, 4, 5), col=(0, 1, 2, 3, 0, 1, 2, 3)):
    X = sparse.coo_array((N, D))
    X.data, X.coords = data, (np.array(row), np.array(col))
    return X


def but(array, at, value, dtype=None):
    array = np.array(array, dtype)
    array[at] = value
    return array


ORDER = "expected numbers in this machine's byte order, got dtype"


def three_dimensions():
    if not at_least("scipy", 1, 15):
        pytest.skip("sparse arrays of SciPy before 1.15 have one or two dimensions")
    return sparse.coo_array(np.ones((2, 2, 2)))


CASES = {
    "three dimensions": (
        three_dimensions,
        r"X: expected 2 dimensions \(rows, features\), got 3",
    ),
    "one dimension": (lambda: sparse.coo_array(np.ones(3)), "X: expected 2 dimensions .*, got 1"),
    "no rows": (lambda: sparse.csr_array((0, D)), r"X: found array with 0 sample\(s\)"),
    "no features": (lambda: sparse.csr_array((N, 0)), r"X: found array with 0 feature\(s\)"),
    "complex": (lambda: rows(VALUES + 0j), "X: expected real numbers, got complex128. Complex"),
    "strings": (lambda: rows(VALUES.astype(str)), "X: expected numbers, got dtype <U"),
    "dates": (lambda: rows(VALUES.astype("M8[s]")), "X: expected numbers, got dtype datetime64"),
    "data of two dimensions": (
        lambda: rows(VALUES[:, None]), r"X.data: expected a 1-d array, got shape \(8, 1\)",
    ),
    "data a list": (lambda: rows(VALUES.tolist()), "X.data: expected a 1-d array, got a list"),
    "data swapped": (lambda: rows(VALUES.astype(">f8")), f"X.data: {ORDER} >f8"),
    "indptr swapped": (lambda: rows(indptr=INDPTR.astype(">i4")), f"X.indptr: {ORDER} >i4"),
    "indices swapped": (lambda: rows(indices=INDICES.astype(">i8")), f"X.indices: {ORDER} >i8"),
    "indptr of floats": (
        lambda: rows(indptr=INDPTR.astype(float)), "X.indptr: expected integers, got dtype float64",
    ),
    "indices of floats": (
        lambda: rows(indices=INDICES.astype("f4")),
        "X.indices: expected integers, got dtype float32",
    ),
    "indices a list": (
        lambda: rows(indices=INDICES.tolist()), "X.indices: expected a 1-d array, got a list",
    ),
    "indptr of two dimensions": (
        lambda: rows(indptr=INDPTR[None]), r"X.indptr: expected a 1-d array, got shape \(1, 7\)",
    ),
    "indptr too short": (
        lambda: rows(indptr=INDPTR[:-1]),
        "X.indptr: expected 7 numbers, one per row and the end, got 6",
    ),
    "indptr too long": (lambda: rows(indptr=np.r_[INDPTR, 8]), "X.indptr: expected 7 .*, got 8"),
    "indptr not from 0": (
        lambda: rows(indptr=but(INDPTR, 0, 1)), "X.indptr: expected to begin with 0, got 1",
    ),
    "indptr decreasing": (
        lambda: rows(indptr=but(INDPTR, 3, 7)),
        "X.indptr: expected numbers that do not decrease, got 7 and then 6 at row 3",
    ),
    "indptr negative": (
        lambda: rows(indptr=but(INDPTR, 1, -1)),
        "X.indptr: expected numbers that do not decrease, got 0 and then -1 at row 0",
    ),
    "indptr past the values": (
        lambda: rows(indptr=but(INDPTR, -1, 9)),
        "X.indptr: expected to end at 8 at most, the number of indices and values, got 9",
    ),
    "fewer values": (lambda: rows(VALUES[:-1]), "X.indptr: expected to end at 7 at most, .* got 8"),
    "fewer indices": (lambda: rows(indices=INDICES[:-2]), "X.indptr: expected to end at 6 at most"),
    "index too large": (
        lambda: rows(indices=but(INDICES, 5, D)), "X.indices: expected indices 0..3, got 4 at 5",
    ),
    "index negative": (
        lambda: rows(indices=but(INDICES, 2, -1)), "X.indices: expected indices 0..3, got -1 at 2",
    ),
    "index past int32": (
        lambda: rows(indices=but(INDICES, 2, 2**40, np.int64)),
        "X.indices: expected indices 0..3, got 1099511627776 at 2",
    ),
    "index of uint64": (
        lambda: rows(indices=but(INDICES, 2, 2**64 - 1, np.uint64)),
        "X.indices: expected indices 0..3, got 18446744073709551615 at 2",
    ),
    "NaN": (
        lambda: rows(but(VALUES, 5, np.nan)),
        "X: expected finite numbers, got nan in row 3, column 1 .input contains NaN or infinity",
    ),
    "infinity": (
        lambda: rows(but(VALUES, 0, -np.inf, np.float32)), "got -inf in row 0, column 0",
    ),
    "columns: indptr": (
        lambda: columns(indptr=(0, 2, 4, 6)),
        "X.indptr: expected 5 numbers, one per column and the end, got 4",
    ),
    "columns: decreasing": (lambda: columns(indptr=(0, 5, 4, 6, 8)), "got 5 and then 4 at column"),
    "columns: index": (
        lambda: columns(indices=(0, 1, 2, 3, 4, 6, 0, 5)),
        "X.indices: expected indices 0..5, got 6 at 5",
    ),
    "columns: NaN": (lambda: columns(but(VALUES, 7, np.nan)), "got nan in row 5, column 3"),
    "entries: row": (
        lambda: entries(row=(0, 0, 1, 1, 3, 3, 4, 6)), "X.row: expected indices 0..5, got 6 at 7",
    ),
    "entries: column": (
        lambda: entries(col=(0, 1, 2, 3, 0, -1, 2, 3)), "X.col: expected indices 0..3, got -1 at 5",
    ),
    "entries: floats": (
        lambda: entries(col=np.arange(8.0)), "X.col: expected integers, got dtype float64",
    ),
    "entries: fewer": (lambda: entries(row=(0, 1)), "same length"),
    "entries: NaN": (lambda: entries(but(VALUES, 4, np.nan)), "got nan in row 3, column 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_message_about_X(case):
    make, message = CASES[case]
    model = SoftmaxRegression().fit(rows(), Y)
    W = np.zeros((3, D))
    before = vars(model).copy()
    for call in (
        lambda X: model.fit(X, Y),
        model.predict_proba,
        lambda X: linear_cross_entropy_value_and_grad(X, W, None, Y),
        lambda X: linear_cross_entropy(X, W, None, Y),
    ):
        with pytest.raises(ValueError, match=message):
            call(make())
    assert vars(model) == before


def test_objects_that_are_no_numbers():
    X = rows(np.array([object()] * 8))
    with pytest.raises(TypeError, match="X: expected numbers, got objects"):
        SoftmaxRegression().fit(X, Y)
    numbers = rows(VALUES.astype(object))
    expected = SoftmaxRegression().fit(rows(), Y)
    np.testing.assert_array_equal(SoftmaxRegression().fit(numbers, Y).coef_, expected.coef_)


def test_another_number_of_features():
    model = SoftmaxRegression().fit(rows(), Y)
    wider = rows(shape=(N, D + 1))
    expected = "X has 5 features, but SoftmaxRegression is expecting 4 features as input"
    for method in (model.predict, model.predict_proba, model.decision_function):
        with pytest.raises(ValueError, match=expected):
            method(wider)
    with pytest.raises(ValueError, match="W: expected 5 features as X has, got 4"):
        linear_cross_entropy(wider, np.zeros((3, 4)), None, Y)


def test_the_gradient_of_a_sparse_X():
    with pytest.raises(ValueError, match="wrt: expected 'W' and 'b' at most for a sparse X, got"):
        linear_cross_entropy_value_and_grad(rows(), np.zeros((3, D)), None, Y, wrt=("W", "X"))


def test_labels_of_another_length():
    with pytest.raises(ValueError, match="y: expected 6 labels, one per row of X, got 5"):
        SoftmaxRegression().fit(rows(), Y[:-1])


def test_sparse_where_none_is_taken():
    with pytest.raises(TypeError, match="W: expected a dense array, got a sparse csr_array"):
        linear_cross_entropy(rows(), sparse.csr_array((3, D)), None, Y)
