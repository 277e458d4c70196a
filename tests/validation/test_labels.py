"""Labels in every form: what is taken for a label, what is not, and which class each is."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from fastsoftmax import Adaline, Blocks, MLPClassifier, SoftmaxRegression
from fastsoftmax._validation import labels as check_labels
from fastsoftmax._validation.labels import known_codes

N = 30
X = np.random.default_rng(0).normal(size=(N, 4))
y = np.arange(N) % 3


def objects(*labels):
    """Each of them in turn, as an array of objects."""
    array = np.empty(N, object)
    for i in range(N):
        array[i] = labels[i % len(labels)]
    return array


NOT_LABELS = {
    "None": (objects(None, "a", "b"), "labels, got None in row 0 "),
    "NaN among strings": (objects("a", np.nan, "b"), "labels, got nan in row 1 "),
    "a decimal NaN": (objects(1, 2, Decimal("nan")), r"labels, got Decimal\('NaN'\) in row 2 "),
    "sets": (objects({1}, {2}), "numbers or strings as labels: unhashable type: 'set'"),
    "lists": (objects([1], [2]), "numbers or strings as labels: unhashable type: 'list'"),
    "halves": (objects(Fraction(1, 2), 1), "class labels, got continuous values such as 1/2"),
    "numbers in a list of strings": (["a", 1, "b"] * 10, "labels of one kind, got a .* 1 among st"),
    "NaN in a list of strings": (["a", np.nan, "b"] * 10, "labels of one kind, .* nan among str"),
    "rows of different lengths": ([[1], [1, 2]] * 15, "an array of labels, got .*inhomogeneous"),
    "masked": (np.ma.masked_array(y, np.arange(N) == 4), "labels, got a masked element at index 4"),
    "void": (np.zeros(N, "V4"), "integer, boolean, string or datetime64 labels, got dtype |V4"),
}  # fmt: skip


@pytest.mark.parametrize("case", NOT_LABELS)
def test_what_is_no_label(case):
    given, message = NOT_LABELS[case]
    fitted = MLPClassifier(3, max_iter=1, warm_start=True, tol=0).partial_fit(X, y, range(3))
    for name, call in {
        "y": lambda: SoftmaxRegression().fit(X, given),
        "block 0: y|y": lambda: SoftmaxRegression().fit(Blocks([(X, given)])),
        "classes": lambda: SoftmaxRegression().partial_fit(X, y, given),
        "y ": lambda: SoftmaxRegression().partial_fit(X, given, ["a", "b"]),
        "y  ": lambda: fitted.score(X, given),
        "validation_data y": lambda: MLPClassifier(3).fit(X, y, validation_data=(X, given)),
    }.items():
        if case == "halves" and name not in ("y", "classes"):
            continue  # is no class that is known
        with pytest.raises(ValueError, match=f"^({name.strip()}): expected {message}"):
            call()


def test_missing_values_of_pandas():
    pandas = pytest.importorskip("pandas")
    for values, dtype in ((["a", None, "b"], "string"), ([True, None, False], "boolean")):
        with pytest.raises(ValueError, match="y: expected labels, got <NA> in row 1 "):
            SoftmaxRegression().fit(X, pandas.Series(values * 10, dtype=dtype))


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["a", "b", "c"], np.dtypes.StringDType()),
        np.array(["a", "b", "c"], object),
        np.array([10**400, 10**401, 10**402], object),
        np.array([2**63, 2**63 + 1, 2**64 - 1], np.uint64),
        np.array([-1e300, 0, 1e300]),
        np.array([Fraction(0), Fraction(1), Fraction(2)], object),
    ],
    ids=["StringDType", "objects", "beyond float64", "uint64", "far floats", "fractions"],
)
def test_labels_come_back(labels):
    expected = SoftmaxRegression().fit(X, y)
    model = SoftmaxRegression().fit(X, labels[y])
    np.testing.assert_array_equal(model.coef_, expected.coef_)
    assert model.predict(X).tolist() == labels[expected.predict(X)].tolist()


@pytest.mark.parametrize(
    ("classes", "given"),
    [
        ([0, 1, 2], y.astype(np.int8)),
        ([0, 1, 2], y.astype(float)),
        ([0, 1, 2], y.astype(object)),
        ([0.0, 1.0, 2.0], y),
        ([2, 0, 1], y),
        ([0, 1, 2], y.tolist()),
        ([0, 1, 2], y[:, None]),
        ([0, 1, 2, 2**63], y),
        (np.array(["c", "a", "b"], object), np.array(["a", "b", "c"])[y]),
        (["c", "a", "b"], np.array(["a", "b", "c"], object)[y]),
        ([False, True], y % 2),
    ],
    ids=str,
)
def test_known_classes_in_any_dtype_and_order(classes, given):
    classes = np.asarray(classes)
    codes = known_codes(given, classes, N)
    assert codes.dtype == np.int32
    assert classes[codes].tolist() == np.ravel(given).tolist()


@pytest.mark.parametrize(
    "labels",
    [["a", "b"], [b"a", b"b"], [0, 3], [0.5, 1], [np.nan, 1], objects("a", 1), objects((0, 1), 2)],
    ids=["strings", "bytes", "one more", "halves", "NaN", "a mixture", "tuples"],
)
def test_labels_that_the_classes_lack(labels):
    model = SoftmaxRegression().partial_fit(X, y, [0, 1, 2])
    with pytest.raises(ValueError, match=r"y: expected labels of \[0, 1, 2\], got "):
        model.partial_fit(X, np.resize(np.array(labels), N))


def test_classes_of_partial_fit():
    for first, message in {
        "abc": "a sequence of labels, got a str",
        frozenset([1, 2]): "a sequence of labels, got a frozenset",
        3: "a sequence of labels, got a int",
        (): r"at least 2 classes, got \[\]",
        (1, 1): r"at least 2 classes, got \[1\]",
        ((0, 1, 2),): r"a sequence of labels, got shape \(1, 3\)",
    }.items():
        for model in (SoftmaxRegression(), MLPClassifier(3)):
            with pytest.raises(ValueError, match=f"classes: expected {message}"):
                model.partial_fit(X, y, first)
    model = SoftmaxRegression().partial_fit(X, y, [2.0, 0.0, 1.0])
    model.partial_fit(X, y, [0, 1, 2])  # the same classes
    with pytest.raises(ValueError, match=r"classes: expected \[0.0, 1.0, 2.0\] as on the first"):
        model.partial_fit(X, y, ["a", "b", "c"])


def test_the_one_class_is_shown_as_it_was_given():
    with pytest.raises(ValueError, match="got 1 class: 'a'"):
        Adaline().fit(X, ["a"] * N)


def arrow():
    return pytest.importorskip("pyarrow")


def test_missing_labels_of_arrow():
    values = arrow().array(["a", None, "b"] * 10)
    with pytest.raises(ValueError, match="y: expected labels, got None in row 1 "):
        SoftmaxRegression().fit(X, values)
    for numbers in (arrow().array([0, 1, 2] * 10), arrow().chunked_array([[0, 1, 2] * 10])):
        assert check_labels.labels(numbers, N)[1].tolist() == [0, 1, 2]


NAMES_OF_50 = np.array([f"class {i} é" for i in range(50)])


@pytest.mark.parametrize(
    "form",
    [
        *("U", "S", "object", "str", "string", "category", "StringDType", "list"),
        *("Arrow series", "Arrow index", "Arrow", "Arrow chunks"),
    ],
)
def test_codes_are_those_of_scikit_learns_encoder(form):
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    pandas = pytest.importorskip("pandas")
    text = NAMES_OF_50[np.random.default_rng(0).integers(50, size=2000)]
    y = {
        "U": lambda: text,
        "S": lambda: np.char.encode(text, "utf-8"),
        "object": lambda: text.astype(object),
        "str": lambda: pandas.Series(text.astype(object), dtype="str"),
        "string": lambda: pandas.Series(text.astype(object), dtype="string").array,
        "category": lambda: pandas.Series(text).astype("category"),
        "StringDType": lambda: text.astype(np.dtypes.StringDType()),
        "list": lambda: text.tolist(),
        "Arrow series": lambda: pandas.Series(text, dtype=pandas.ArrowDtype(arrow().string())),
        "Arrow index": lambda: pandas.Index(text, dtype=pandas.ArrowDtype(arrow().string())),
        "Arrow": lambda: arrow().array(text.tolist(), "large_string"),
        "Arrow chunks": lambda: arrow().chunked_array([text[:700].tolist(), text[700:].tolist()]),
    }[form]()
    codes, classes = check_labels.labels(y, 2000)
    plain = np.asarray(y).astype(object) if form == "StringDType" else y
    encoder = preprocessing.LabelEncoder().fit(plain)
    np.testing.assert_array_equal(codes, encoder.transform(plain))
    assert classes.tolist() == encoder.classes_.tolist() and codes.dtype == np.int32
    np.testing.assert_array_equal(check_labels.known_codes(y, classes[::-1], 2000), 49 - codes)


DATES = np.array(["2020-01-31", "2019-05-01", "2021-01-01"], "M8[D]")
TIMES = {
    "days": DATES[y],
    "nanoseconds": DATES.astype("M8[ns]")[y],
    "durations": (DATES - DATES[1])[y],
}


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("kind", [SoftmaxRegression, lambda: MLPClassifier(3, max_iter=300)])
@pytest.mark.filterwarnings("ignore:.*epochs ended")
def test_dates_and_durations(name, kind, tmp_path):
    given = TIMES[name]
    model = kind().set_params(random_state=0).fit(X, given)
    classes, codes = np.unique(given, return_inverse=True)
    np.testing.assert_array_equal(model.classes_, classes)
    assert model.classes_.dtype == given.dtype
    of_codes = kind().set_params(random_state=0).fit(X, codes)
    np.testing.assert_array_equal(model.predict_proba(X), of_codes.predict_proba(X))
    np.testing.assert_array_equal(model.predict(X), classes[of_codes.predict(X)])
    assert model.score(X, given) == of_codes.score(X, codes)
    missing = given.copy()
    missing[4] = "NaT"
    with pytest.raises(ValueError, match="y: expected labels, got NaT in row 4"):
        kind().fit(X, missing)
    with pytest.raises(TypeError, match=r"classes_: expected labels that .*y\.astype\(str\)"):
        model.save(tmp_path / "model")


@pytest.mark.parametrize("name", TIMES)
def test_dates_and_durations_are_named_in_any_form(name):
    """As the model has them, in another unit, and as Python's."""
    given = TIMES[name]
    classes, codes = np.unique(given, return_inverse=True)
    weights = {0: 2.0, 1: 1.0, 2: 0.5}
    expected = SoftmaxRegression(reference_class=1, class_weight=weights).fit(X, codes)
    seconds = classes.astype(f"{classes.dtype.kind}8[s]")
    for labels in (list(classes), list(seconds), seconds.tolist()):
        by_label = dict(zip(labels, weights.values(), strict=True))
        model = SoftmaxRegression(reference_class=labels[1], class_weight=by_label).fit(X, given)
        np.testing.assert_array_equal(model.coef_, expected.coef_)
    second = np.timedelta64(1, "s")
    for other in (seconds[1] + second, 7 * second, "2020-01-31"):
        with pytest.raises(ValueError, match="reference_class: expected one of the classes"):
            SoftmaxRegression(reference_class=other).fit(X, given)


def test_dates_of_another_unit_are_known():
    model = SoftmaxRegression(warm_start=True).partial_fit(X, TIMES["days"], DATES)
    model.partial_fit(X, TIMES["nanoseconds"], DATES.astype("M8[ns]"))
    with pytest.raises(ValueError, match=r"classes: expected .* as on the first call"):
        model.partial_fit(X, TIMES["nanoseconds"], DATES[:2].astype("M8[ns]"))
    assert model.fit(X, TIMES["nanoseconds"]).fit(X, TIMES["days"]).converged_
    codes = known_codes(TIMES["nanoseconds"], np.unique(DATES), N)
    np.testing.assert_array_equal(codes, np.unique(TIMES["days"], return_inverse=True)[1])
    with pytest.raises(ValueError, match="expected labels of"):
        known_codes(TIMES["nanoseconds"] + np.timedelta64(1, "s"), np.unique(DATES), N)


@pytest.mark.parametrize(
    "categories", [["b", "a", "never", "c"], [7, 3, 9, 1], [2.0, 1.0, 5.0, 0.0]]
)
@pytest.mark.parametrize("form", ["series", "array", "index"])
def test_categories_are_numbered_as_their_labels(categories, form):
    pandas = pytest.importorskip("pandas")
    plain = np.array(categories)[[3, 1, 0]][y]
    given = pandas.Categorical(plain, categories=categories)
    given = {"series": pandas.Series, "array": lambda c: c, "index": pandas.CategoricalIndex}[form](
        given
    )
    codes, classes = check_labels.labels(given, N)
    expected, right = np.unique(plain, return_inverse=True)
    np.testing.assert_array_equal(classes, expected)
    np.testing.assert_array_equal(codes, right)
    assert classes.dtype == np.asarray(given).dtype
    with pytest.raises(ValueError, match=f"y: expected {N + 1} labels"):
        check_labels.labels(given, N + 1)
    given = pandas.Categorical([None if i == 4 else v for i, v in enumerate(plain)])
    with pytest.raises(ValueError, match="y: expected labels, got nan in row 4"):
        check_labels.labels(given, N)
