"""Models by formulas, against statsmodels, columns made by hand, and differences."""

import sys
import warnings

import numpy as np
import pytest
from support import logit_oracle as oracle

from fastsoftmax import SoftmaxRegression
from fastsoftmax.formula import fit
from fastsoftmax.inference import compare, results

pandas = pytest.importorskip("pandas")
pytest.importorskip("formulaic")


def survey(n=500, seed=0):
    rng = np.random.default_rng(seed)
    data = pandas.DataFrame(
        {
            "income": rng.gamma(3, 1, n),
            "size": rng.choice(["small", "medium", "large"], n),
            "age": rng.integers(20, 60, n),
            "owner": rng.integers(0, 2, n),
            "times": rng.integers(1, 4, n),
            "town": rng.choice([f"town {i}" for i in range(30)], n),
        }
    )
    utilities = np.column_stack(
        [
            np.zeros(n),
            0.3 * data["income"] - 0.5 * (data["size"] == "medium"),
            0.02 * data["age"] - 0.2 * data["owner"],
        ]
    )
    choice = (utilities + rng.gumbel(size=(n, 3))).argmax(axis=1)
    return data.assign(choice=np.array(["bus", "car", "train"])[choice])


FORMULA = "choice ~ income * C(size) + np.log(age) + owner"


def by_hand(data, **changes):
    """The columns of FORMULA."""
    data = data.assign(**changes)
    medium, small = ((data["size"] == level).astype(float) for level in ("medium", "small"))
    income = data["income"]
    return np.column_stack(
        [
            np.ones(len(data)), income, medium, small, np.log(data["age"]), data["owner"],
            income * medium, income * small,
        ]
    )  # fmt: skip


def test_terms_and_numbers():
    data = survey()
    found = fit(FORMULA, data, reference_class="bus")
    assert found.terms == [
        "(Intercept)", "income", "C(size)[T.medium]", "C(size)[T.small]", "np.log(age)", "owner",
        "income:C(size)[T.medium]", "income:C(size)[T.small]",
    ]  # fmt: skip
    assert (found.reference_class, found.compared) == ("bus", ["car", "train"])
    X = by_hand(data)[:, 1:]
    model = SoftmaxRegression(C=np.inf).fit(X, data["choice"])
    plain = results(model, X, data["choice"])
    np.testing.assert_allclose(found.params, plain.params, atol=1e-9)
    np.testing.assert_allclose(found.cov_params(), plain.cov_params(), rtol=1e-7, atol=1e-12)
    frame = found.summary().to_frame()
    assert frame.index[1] == ("car", "income")
    assert list(found.model.feature_names_in_) == found.terms[1:]
    P = oracle.probabilities(found.params, by_hand(data))
    np.testing.assert_allclose(found.predict_proba(data), P, rtol=1e-9)
    few = data[data["size"] == "small"][:4]  # columns are those of the fit
    np.testing.assert_allclose(found.predict_proba(few), P[few.index], rtol=1e-9)
    assert found.predict(few).tolist() == [
        ["bus", "car", "train"][k] for k in P[few.index].argmax(axis=1)
    ]


@pytest.mark.parametrize("cov_type", ["nonrobust", "HC0", "cluster"])
def test_statsmodels(cov_type):
    smf = pytest.importorskip("statsmodels.formula.api")
    data = survey()
    codes = data.assign(choice=data["choice"].map({"bus": 0, "car": 1, "train": 2}))
    towns = data["town"].astype("category").cat.codes.to_numpy()
    asked = {"cov_kwds": {"groups": towns}} if cov_type == "cluster" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of its own keywords
        theirs = smf.mnlogit(FORMULA, codes).fit(
            disp=0, method="newton", tol=1e-12, cov_type=cov_type, **asked
        )
    found = fit(FORMULA, data, cov_type=cov_type, groups="town" if cov_type == "cluster" else None)
    frame = found.summary().to_frame()
    for k, label in enumerate(["car", "train"]):
        for ours, name in (("(Intercept)", "Intercept"), ("income", "income"), ("owner", "owner")):
            assert frame.loc[(label, ours), "coef"] == pytest.approx(theirs.params.loc[name, k])
            error = theirs.bse.loc[name, k]
            assert frame.loc[(label, ours), "std err"] == pytest.approx(error, rel=1e-6)
    assert found.loglike == pytest.approx(theirs.llf, rel=1e-12)


def mean_of(data, weights, change):
    """Of B: means of differences of probabilities, (K,)."""
    return lambda B: sum(
        factor * (weights @ oracle.probabilities(B, by_hand(some))) / weights.sum()
        for factor, some in change(data)
    )


def derivative(name):
    def change(data):
        h = 1e-4
        factors = {-2: 1, -1: -8, 1: 8, 2: -1}
        return [
            (f / (12 * h), data.assign(**{name: data[name] + s * h})) for s, f in factors.items()
        ]

    return change


def between(name, low, high):
    return lambda data: [(1, data.assign(**{name: high})), (-1, data.assign(**{name: low}))]


@pytest.mark.parametrize("groups", [None, "town"])
def test_effects_are_of_variables_with_all_their_terms(groups):
    data = survey()
    weights = data["times"].to_numpy().astype(float)
    cov_type = "nonrobust" if groups is None else "cluster"
    found = fit(FORMULA, data, "times", cov_type=cov_type, groups=groups)
    effects = found.marginal_effects()
    changes = {
        "income": derivative("income"),
        "size: medium - large": between("size", "large", "medium"),
        "size: small - large": between("size", "large", "small"),
        "age": derivative("age"),
        "owner": between("owner", 0, 1),
    }
    assert effects.features == list(changes)
    assert effects.classes == ["bus", "car", "train"]

    def all_of_them(B):
        return np.array([mean_of(data, weights, change)(B) for change in changes.values()])

    expected = oracle.delta_method(all_of_them, found.params, found.cov_params())
    np.testing.assert_allclose(effects.effects, expected[0], atol=1e-9)
    np.testing.assert_allclose(effects.standard_errors, expected[1], rtol=1e-5)
    stepped = found.marginal_effects(discrete=["age"])
    more = mean_of(data, weights, lambda d: [(1, d.assign(age=d["age"] + 1)), (-1, d)])
    np.testing.assert_allclose(stepped.effects[3], more(found.params).real, atol=1e-12)


def test_effects_at_means():
    data = survey()
    found = fit("choice ~ income + I(income**2) + np.log(age)", data)
    effects = found.marginal_effects("mean")
    assert effects.features == ["income", "age"]
    income, age = data["income"].mean(), data["age"].mean()

    def probabilities(B, income, age):
        return oracle.probabilities(B, np.array([[1, income, income**2, np.log(age)]]))[0]

    def by_hand(B):
        h, found = 1e-4, []
        for i in range(2):
            at = [np.array([income, age]) + s * h * np.eye(2)[i] for s in (-2, -1, 1, 2)]
            ends = [probabilities(B, *point) for point in at]
            found.append((ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * h))
        return np.array(found)

    expected = oracle.delta_method(by_hand, found.params, found.cov_params())
    np.testing.assert_allclose(effects.effects, expected[0], atol=1e-9)
    np.testing.assert_allclose(effects.standard_errors, expected[1], rtol=1e-5)
    with pytest.raises(ValueError, match="at: expected 'overall' where variables are factors"):
        fit(FORMULA, data).marginal_effects("mean")


def test_tests_of_terms_and_of_nested_fits():
    data = survey()
    large = fit(FORMULA, data)
    test = large.wald_test("income:C(size)")
    assert test.df == 4
    names = ["income:C(size)[T.medium]", "income:C(size)[T.small]"]
    assert large.wald_test(names) == test
    small = fit("choice ~ income + C(size) + np.log(age) + owner", data)
    assert compare(small, large).df == 4
    assert compare(small, large).statistic == pytest.approx(test.statistic, rel=0.1)


def test_two_classes_and_no_intercept():
    data = survey()
    data["car"] = (data["choice"] == "car").astype(int)
    found = fit("car ~ income + owner - 1", data, reference_class=1)
    assert found.terms == ["income", "owner"]
    assert (found.compared, found.reference_class) == ([0], 1)
    Y = np.eye(2)[1 - data["car"].to_numpy()]
    score = oracle.scores(found.params, data[["income", "owner"]].to_numpy(float), Y).sum(axis=0)
    assert np.abs(score).max() < 1e-7


def test_the_first_class_is_that_of_the_order():
    data = survey()
    order = pandas.CategoricalDtype(["van", "train", "bus", "car"], ordered=True)
    found = fit("choice ~ income", data.assign(choice=data["choice"].astype(order)))
    assert found.reference_class == "train"
    assert fit("choice ~ income", data).reference_class == "bus"
    size = pandas.CategoricalDtype(["small", "medium", "large"])
    known = fit("choice ~ size", data.assign(size=data["size"].astype(size)))
    assert known.marginal_effects().features == ["size: medium - small", "size: large - small"]
    more = data["size"].astype(pandas.CategoricalDtype([*size.categories, "huge"]))
    with pytest.raises(ValueError, match=r"got size\[T.huge\] constant"):
        fit("choice ~ size", data.assign(size=more))


def test_rows_may_have_any_index():
    data = survey()
    shuffled = data.sample(frac=1, random_state=0)
    one, other = (fit(FORMULA, some, "times").marginal_effects() for some in (data, shuffled))
    np.testing.assert_allclose(one.effects, other.effects, atol=1e-10)
    np.testing.assert_allclose(one.standard_errors, other.standard_errors, rtol=1e-6)


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("income * size", "expected the name of a column of labels left of ~"),
        ("mode ~ income", "expected the name of a column of labels left of ~"),
        ("choice ~ incom", r"expected columns of data \(income, .*\), got incom"),
        ("choice ~ income +* size", "expected what formulaic reads"),
        ("choice ~ foo(income)", "formula: expected"),
        ("choice ~ 1", "at least one term beside the intercept"),
    ],
)
def test_formulas_that_cannot_be_read(formula, said):
    with pytest.raises(ValueError, match=said):
        fit(formula, survey())


def test_other_refusals():
    data = survey()
    with pytest.raises(ValueError, match=r"missing values, got some in income; data.dropna\(sub"):
        fit("choice ~ income", data.assign(income=data["income"].where(data["age"] > 30)))
    with pytest.raises(ValueError, match="data: expected a column named 'school', got none"):
        fit("choice ~ income", data, cov_type="cluster", groups="school")
    with pytest.raises(TypeError, match="fit_intercept: expected none, which fit sets itself"):
        fit("choice ~ income", data, fit_intercept=False)
    with pytest.raises(TypeError, match="formula: expected a str"):
        fit(3, data)
    found = fit("choice ~ income", data)
    with pytest.raises(ValueError, match="data: expected the columns of the formula, got none n"):
        found.predict_proba(data[["age"]])
    with pytest.raises(ValueError, match="C\\(size\\)"):  # a factor of all its levels
        fit("choice ~ C(size) + I(1 * (size == 'small'))", data)


def test_without_formulaic(monkeypatch):
    monkeypatch.setitem(sys.modules, "formulaic", None)
    with pytest.raises(ImportError, match=r"formulas need formulaic, .*: pip install formulaic"):
        fit("choice ~ income", survey())


@pytest.mark.parametrize("right", ["I(1 - dose)", "dose + I((dose - 1)**2)", "np.exp(dose)"])
def test_effects_where_a_value_is_0_but_for_rounding(right):
    """A difference by a step of a share of 5.6e-17 is rounding."""
    rng = np.random.default_rng(0)
    dose = rng.integers(0, 11, 500) * 0.1 - 0.3
    assert 0 < np.abs(dose).min() < 1e-16
    data = pandas.DataFrame({"dose": dose, "y": (rng.random(500) < 0.5 + dose / 3).astype(int)})
    found, rounded = (fit(f"y ~ {right}", d).marginal_effects() for d in (data, data.round(10)))
    np.testing.assert_allclose(found.effects, rounded.effects, 1e-7)
    np.testing.assert_allclose(found.standard_errors, rounded.standard_errors, 1e-6)


def test_steps_of_small_integers_do_not_overflow():
    rng = np.random.default_rng(0)
    data = pandas.DataFrame({"age": np.tile([100, 127], 250), "y": rng.integers(0, 2, 500)})
    found = fit("y ~ age", data.astype({"age": np.int8})).marginal_effects(discrete=["age"])
    wide = fit("y ~ age", data).marginal_effects(discrete=["age"])
    np.testing.assert_allclose(found.effects, wide.effects, 1e-12)


def test_groups_without_a_weight_are_none():
    rng = np.random.default_rng(0)
    data = pandas.DataFrame({"x": rng.normal(size=200), "group": np.arange(200) % 10})
    data["y"], data["w"] = rng.integers(0, 2, 200), (data["group"] != 3).astype(float)
    found = fit("y ~ x", data, "w", cov_type="cluster", groups="group")
    without = fit("y ~ x", data[data["w"] > 0], cov_type="cluster", groups="group")
    np.testing.assert_allclose(found.standard_errors, without.standard_errors, 1e-9)


def test_scaled_features_are_refused():
    with pytest.raises(TypeError, match="feature_scale: expected none"):
        fit("choice ~ income", survey(), feature_scale=2.0)


def test_levels_that_the_fit_has_not_seen():
    found = fit("choice ~ size + income", data := survey())
    other = data[["size", "income"]].head(3).assign(size=["small", "vast", "large"])
    with pytest.raises(ValueError, match=r"values of 'size' among .*, got 'vast'"):
        found.predict_proba(other)
    assert found.predict_proba(other.assign(size="small")).shape[0] == 3


@pytest.mark.parametrize(
    ("right", "same"),
    [
        ("center(age) + owner", "age + owner"),
        ("scale(age):C(size)", "I(age - 40):C(size)"),
        ("poly(age, 2)", "age + I(age**2)"),
        # without inner knots the splines are all cubic polynomials, on the range of the data only
        ("bs(age, df=3)", "I(age / 40) + I((age / 40)**2) + I((age / 40)**3)"),
    ],
)
def test_effects_of_transforms_that_keep_what_they_learnt(right, same):
    data = survey()
    if right.startswith("scale"):  # whose mean and deviation are those of the fit
        same = f"I((age - {data['age'].mean()!r})):C(size)"
    found, other = fit(f"choice ~ {right}", data), fit(f"choice ~ {same}", data)
    np.testing.assert_allclose(found.loglike, other.loglike, rtol=1e-10)
    for at in ["overall"] if "size" in right else ["overall", "mean"]:
        ours, theirs = found.marginal_effects(at), other.marginal_effects(at)
        assert ours.features == theirs.features
        np.testing.assert_allclose(ours.effects, theirs.effects, rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(ours.standard_errors, theirs.standard_errors, rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda data: fit("choice ~ age", 5), "data: expected a DataFrame, .* got 5"),
        (lambda data: fit("choice ~ age", {"age": 1}), "data: expected a DataFrame, or columns"),
        (lambda data: fit("choice ~ age", data[:0]), "data: expected at least one row, got none"),
        (
            lambda data: fit("choice ~ age", pandas.concat([data, data[["age"]]], axis=1)),
            "data: expected one column named 'age', got several",
        ),
        (lambda data: fit("age", data), r"formula: .*left of ~ \(columns of data: income, size"),
        (lambda data: fit("choice ~ age | size", data), "formula: expected one set of terms right"),
        (lambda data: fit("choice ~ age +* size", data), r"reads, .*\(.*incorrectly used\)$"),
        (lambda data: fit("choice ~ age", data).predict({"age": ["x"]}), "data: expected values"),
        (lambda data: fit("choice ~ age", data, max_iter=1), "max_iter: .*after 1 iteration; incr"),
        (
            lambda data: fit("choice ~ age", data).marginal_effects(discrete="age"),
            "discrete: expected 'auto', None or a list of names, got 'age'",
        ),
        (
            lambda data: fit("choice ~ bs(age, df=4)", data).marginal_effects(discrete=["age"]),
            "data: expected values that the formula takes, got others",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:The fit did not converge")
def test_messages_name_the_argument(call, said):
    with pytest.raises(ValueError, match=said):
        call(survey(60))


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_frames_of_others_keep_their_names(kind):
    other = pytest.importorskip(kind)
    data = survey(200)
    plain = {name: data[name].astype(str) for name in ("choice", "size")}
    columns = {name: np.asarray(column) for name, column in data.assign(**plain).items()}
    frame = other.DataFrame(columns) if kind == "polars" else other.table(columns)
    formula = "choice ~ age + size"
    found, expected = fit(formula, frame, groups="owner", cov_type="cluster"), fit(formula, columns)
    assert found.terms == expected.terms == ["(Intercept)", "age", *found.terms[2:]]
    np.testing.assert_array_equal(found.params, expected.params)
    np.testing.assert_array_equal(found.predict_proba(frame), expected.predict_proba(columns))
    with pytest.raises(ValueError, match=r"labels left of ~ \(columns of data: .*age.*'y ~ age'$"):
        fit("y ~ age", frame)


@pytest.mark.parametrize("dtype", ["string", "str", "object"])
def test_texts_of_any_dtype(dtype):
    data = survey(200)
    data["size"] = data["size"].astype(str)
    expected = fit("choice ~ age + size", data.assign(size=data["size"].astype("category")))
    found = fit("choice ~ age + size", data.assign(size=data["size"].astype(dtype)))
    assert found.terms == expected.terms
    np.testing.assert_array_equal(found.params, expected.params)
    with pytest.raises(ValueError, match="no missing values, got some in size"):
        fit("choice ~ size", data.assign(size=data["size"].astype(dtype).where(data["age"] > 30)))


def test_rows_of_weight_0_do_not_tell_how_a_variable_changes():
    """Effects of 0 and 1 are those of the rows that count."""
    data = survey(200)
    weight = np.arange(200) % 2
    data["own"] = np.where(weight > 0, data["age"] > 40, 2.0)
    found = fit("choice ~ own", data, sample_weight=weight).marginal_effects()
    alone = fit("choice ~ own", data[weight > 0]).marginal_effects()
    np.testing.assert_allclose(found.effects, alone.effects, rtol=1e-9)


def test_the_order_of_an_enum_of_polars_and_its_missing_values():
    polars = pytest.importorskip("polars")
    modes = polars.Enum(["train", "car", "bus"])
    data = survey(200)
    frame = polars.DataFrame({"age": data["age"].to_numpy(), "choice": data["choice"].tolist()})
    frame = frame.with_columns(polars.col("choice").cast(modes))
    assert fit("choice ~ age", frame).reference_class == "train"
    with pytest.raises(ValueError, match="no missing values, got some in choice"):
        fit("choice ~ age", frame.with_columns(choice=polars.col("choice").shift(1)))


def test_fits_within_a_larger_one_by_what_their_columns_span():
    data = survey()
    large = fit("choice ~ poly(age, 2) + income", data)
    for right in ("age", "income + scale(age)", "I(2 * income - age)"):
        test = compare(fit(f"choice ~ {right}", data), large)
        assert test.df > 0 and 0 <= test.p_value <= 1
    for right in ("owner", "np.log(age)", "income:age"):
        with pytest.raises(
            ValueError, match=r"compare: expected .* got .* in the small one, which no"
        ):
            compare(fit(f"choice ~ {right}", data), large)
