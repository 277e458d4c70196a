"""Models go into files and come back the same; nothing else comes out of a file but an error."""

import io
import json
import os
import pickle
import shutil
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from saving import fuzz_files
from scipy import sparse
from support.problems import clusters

import fastsoftmax
from fastsoftmax import (
    Adaline,
    LogisticRegression,
    LogisticRegressionCV,
    MLPClassifier,
    MLPRegressor,
    SoftmaxRegression,
    SoftmaxRegressionCV,
    load,
)
from fastsoftmax._saving import archive
from fastsoftmax._saving.values import decode, encode

# what a fit leaves behind for the next one, and no more
NOT_KEPT = {"_warm_start_state", "_evidence", "_stream", "_rule", "_rng"}  # which files do without
QUICK = {"max_iter": 3, "random_state": 0}


def data(n_classes=3, dtype=np.float64):
    X, y = clusters(60, 5, n_classes, distance=1.0)
    return X.astype(dtype), y


def fitted():
    """Models of every estimator and kind of fit, with rows to predict for."""
    X, y = data()
    two, y2 = data(2)
    names = np.array(["ähm", "b", "c"])
    yield SoftmaxRegression().fit(X, y), X
    yield SoftmaxRegression(C=np.inf, feature_scale=np.full(5, 0.5), tol=0, max_iter=3).fit(X, y), X
    yield SoftmaxRegression(l1_ratio=1.0, C=np.float32(0.5)).fit(X.astype(np.float32), names[y]), X
    yield SoftmaxRegression(warm_start=True).fit(two, y2 == 1), two
    yield SoftmaxRegression(penalty_factor=(1, 2, 1, 0, 1)).fit(sparse.csr_array(X), y), X
    yield SoftmaxRegression().partial_fit(X, names.astype(object)[y], names.astype(object)), X
    dirichlet = np.random.default_rng(1).dirichlet(np.ones(3), 60)
    yield SoftmaxRegression(label_smoothing=0.1).fit(X, dirichlet, classes=["b", "a", "c"]), X
    referred = SoftmaxRegression(class_weight={"ähm": 2, "b": 1.5}, reference_class="c")
    yield referred.fit(X, names[y]), X
    yield LogisticRegression(class_weight="balanced").fit(two, y2), two
    yield LogisticRegression().fit(X, np.eye(3, dtype=int)[y][:, :2]), X
    yield LogisticRegression(solver="sgd", **QUICK).fit(two, names[y2]), two
    yield Adaline(**QUICK).fit(two, y2 * 2.0), two
    yield MLPClassifier((4, 3), activation=["tanh", "leaky_relu"], **QUICK).fit(X, y), X
    yield MLPClassifier([], early_stopping=True, **QUICK).fit(X.astype(np.float16), names[y]), X
    several = MLPClassifier(4, loss="binary_cross_entropy", **QUICK)
    yield several.fit(X, np.eye(3, dtype=int)[y]), X
    yield MLPClassifier(4, **QUICK).fit(X, y, validation_data=(X, y)).partial_fit(X, y), X
    yield SoftmaxRegressionCV(Cs=[0.1, 1.0], cv=2).fit(X, y), X
    yield SoftmaxRegressionCV(Cs=2, cv=2, refit=False).fit(X, names[y]), X
    yield MLPRegressor(hidden_layer_sizes=np.int64(4), **QUICK).fit(X, X[:, :2]), X
    one = LogisticRegressionCV([0.1, 1.0], cv=2, l1_ratios=(0, 1), use_legacy_attributes=False)
    yield one.set_params(scoring="accuracy").fit(X, names[y]), X
    yield LogisticRegressionCV([0.1, 1.0], cv=2, refit=False).fit(two, y2), two


@pytest.fixture(scope="module")
def models():
    with warnings.catch_warnings(action="ignore"):  # three epochs do not settle
        return list(fitted())


def answers(model, X):
    methods = ("predict", "predict_proba", "predict_log_proba", "decision_function")
    return [getattr(model, name)(X) for name in methods if hasattr(model, name)]


def state_of(model):
    state = {name: value for name, value in vars(model).items() if name not in NOT_KEPT}
    if "_settings" in state:  # of which outputs depend on some only
        state["_settings"] = state["_settings"].of_the_fit()
    if "_record" in state:
        state["_record"] = vars(state["_record"]) | {"no_better": 0}
    return state


def same_model(a, b):
    assert type(a) is type(b)
    mine, other = state_of(a), state_of(b)
    assert list(map(type, mine.values())) == [type(other[name]) for name in mine]
    np.testing.assert_equal(other, mine)
    for name, value in mine.items():
        if isinstance(value, np.ndarray):
            assert value.dtype == other[name].dtype
            assert value.flags.f_contiguous == other[name].flags.f_contiguous


@pytest.mark.parametrize("number", range(19))
def test_a_loaded_model_is_the_saved_one(models, number, tmp_path):
    model, X = models[number]
    path = tmp_path / "model"
    model.save(path)
    for copy in (load(path), load(str(path)), type(model).load(path)):
        same_model(model, copy)
        for ours, theirs in zip(answers(model, X), answers(copy, X), strict=True):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype
    again = tmp_path / "again"
    copy.save(again)
    assert again.read_bytes() == path.read_bytes()


def test_every_estimator_is_here(models):
    from fastsoftmax._saving.load import estimators

    assert {type(model) for model, _ in models} == set(estimators().values())


LABELS = st.one_of(
    st.sampled_from(["i1", "u2", "i8", "f4", "f8", "?", "U3", "S2", "O"]).map(np.dtype)
).flatmap(lambda dtype: npst.arrays(dtype, 12, elements=labels_of(dtype)))


def labels_of(dtype):
    if dtype.kind == "f":
        return st.integers(-9, 9).map(float)
    if dtype.kind == "O":
        return st.text(max_size=3)
    if dtype.kind == "U":  # NumPy's strings end before a NUL
        return st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=3)
    return npst.from_dtype(dtype)


@settings(max_examples=60, deadline=None)
@given(y=LABELS)
def test_labels_of_any_dtype(y, tmp_path_factory):
    if len(np.unique(y)) < 2:
        return
    X = np.random.default_rng(0).normal(size=(len(y), 2))
    model = SoftmaxRegression(C=0.1).fit(X, y)
    path = tmp_path_factory.getbasetemp() / "labels"
    model.save(path)
    copy = load(path)
    assert copy.classes_.dtype == y.dtype
    np.testing.assert_array_equal(copy.classes_, model.classes_)
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))


SCALARS = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    npst.from_dtype(np.dtype("f4")),
    npst.from_dtype(np.dtype("i2")),
    npst.from_dtype(np.dtype("?")),
    npst.from_dtype(np.dtype("U4")),
)
VALUES = st.recursive(
    st.one_of(SCALARS, npst.arrays(st.sampled_from(["f4", ">i4", "U2", "S2", "?"]), (2, 3))),
    lambda inner: st.one_of(
        *(st.lists(inner, max_size=3), st.lists(inner, max_size=3).map(tuple)),
        st.dictionaries(SCALARS, inner, max_size=3),
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(value=VALUES)
def test_values_keep_their_types(value):
    arrays = {}
    document = json.loads(json.dumps(encode(value, "value", arrays), allow_nan=False))
    copy = decode(document, "value", arrays.pop)
    assert repr(copy) == repr(value) and type(copy) is type(value)
    assert not arrays


def test_numpy_reads_the_arrays(models, tmp_path):
    model, _ = models[0]
    model.save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz") as arrays:
        np.testing.assert_array_equal(arrays["coef_"], model.coef_)
        np.testing.assert_array_equal(arrays["classes_"], model.classes_)


def test_feature_names(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("sklearn")
    X, y = data()
    frame = pandas.DataFrame(X, columns=list("abcde"))
    SoftmaxRegression().fit(frame, y).save(tmp_path / "model")
    model = load(tmp_path / "model")
    assert model.feature_names_in_.tolist() == list("abcde")
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[list("edcba")])


def test_further_fits_go_on_from_the_coefficients(tmp_path):
    X, y = data()
    model = SoftmaxRegression(warm_start=True, tol=1e-12, solver="lbfgs").fit(X, y)
    model.save(tmp_path / "model")
    assert load(tmp_path / "model").fit(X, y).n_iter_ <= 2 < model.n_iter_
    SoftmaxRegression().partial_fit(X, y, [0, 1, 2]).save(tmp_path / "model")
    assert load(tmp_path / "model").partial_fit(X, y).score(X, y) > 0.5

    for solver in ("adam", "sgd"):
        network = MLPClassifier(4, solver=solver, random_state=0)
        for _ in range(3):
            network.partial_fit(X, y, classes=[0, 1, 2])
        network.save(tmp_path / "model")
        copy = load(tmp_path / "model").partial_fit(X, y)
        assert copy.n_iter_ == 4 and copy.t_ == 4 * len(X)
        assert copy.history_[:3] == network.history_
        assert copy.loss_ < network.history_[0].loss
    # parameters of the fit, not those set since, say what the outputs are
    network.set_params(hidden_layer_sizes=9, activation="tanh", feature_scale=0.1)
    network.save(tmp_path / "model")
    copy = load(tmp_path / "model")
    assert copy.hidden_layer_sizes == 9
    np.testing.assert_array_equal(copy.predict_proba(X), network.predict_proba(X))


# what is not saved


def test_only_fitted_models_are_saved(tmp_path):
    for estimator in (SoftmaxRegression(), LogisticRegression(), MLPRegressor()):
        with pytest.raises(ValueError, match="not fitted"):
            estimator.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("random_state", "got"),
    [(np.random.default_rng(0), "Generator"), (np.random.RandomState(0), "RandomState")],
)
def test_parameters_without_a_form_in_json(random_state, got, tmp_path):
    X, y = data(2)
    model = Adaline(random_state=random_state, max_iter=2).fit(X, y)
    with pytest.raises(TypeError, match=rf"^parameters.random_state: expected None, .*{got}"):
        model.save(tmp_path / "model")
    for odd in (
        np.zeros(2, complex),
        np.zeros(2, "V4"),
        np.zeros((2, 2), object),
        print,
        {(1,): 2},
    ):
        with pytest.raises(TypeError, match=r"parameters.random_state: expected None"):
            model.set_params(random_state=odd).save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_broken_model_is_not_saved(tmp_path):
    X, y = data()
    model = SoftmaxRegression().fit(X, y)
    model.coef_ = model.coef_ * np.nan
    with pytest.raises(ValueError, match="coef_: expected finite numbers"):
        model.save(tmp_path / "model")


def test_iterations_of_more_fits_than_one_are_not_saved(tmp_path):
    X, y = data()
    model = LogisticRegression().fit(X, y == y[0])
    model.n_iter_ = np.repeat(model.n_iter_, 2)
    with pytest.raises(ValueError, match="n_iter_: expected a length of 1, got 2"):
        model.save(tmp_path / "model")


def test_a_file_is_replaced_whole_or_not_at_all(models, tmp_path, monkeypatch):
    path = tmp_path / "model"
    models[0][0].save(path)
    path.chmod(0o600)
    before = path.read_bytes()
    link = tmp_path / "link"
    link.symlink_to(path)

    def full(*_, **__):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(np.lib.format, "write_array", full)
        with pytest.raises(OSError, match="the disk is full"):
            models[1][0].save(path)
    assert path.read_bytes() == before and sorted(os.listdir(tmp_path)) == ["link", "model"]
    models[1][0].save(link)
    assert link.is_symlink() and path.read_bytes() != before
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileNotFoundError):
        models[0][0].save(tmp_path / "no folder" / "model")
    with pytest.raises(IsADirectoryError):
        models[0][0].save(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["link", "model"]


# what is not loaded


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "model")
    with pytest.raises(IsADirectoryError):
        load(tmp_path)
    for path in (None, 3, io.BytesIO()):
        with pytest.raises(TypeError, match="path: expected a string or path-like, got "):
            load(path)


def test_a_place_where_nothing_can_be_saved(models, tmp_path):
    """The error names what was asked for, not the file that was to take its place."""
    model, _ = models[0]
    with pytest.raises(FileNotFoundError) as caught:
        model.save(tmp_path / "no folder" / "model")
    assert caught.value.filename == str(tmp_path / "no folder" / "model")
    with pytest.raises(TypeError, match="path: expected a string or path-like, got NoneType"):
        model.save(None)


def test_another_estimators_file(models, tmp_path):
    path = tmp_path / "model"
    models[0][0].save(path)
    with pytest.raises(ValueError, match=r"model: estimator: expected Adaline, got 'SoftmaxReg"):
        Adaline.load(path)


class Mine(SoftmaxRegression):
    pass


def test_a_subclass_loads_its_own(tmp_path):
    X, y = data()
    model = Mine().fit(X, y)
    model.save(tmp_path / "model")
    same_model(model, Mine.load(tmp_path / "model"))
    with pytest.raises(ValueError, match=r"estimator: expected Adaline or .* got 'Mine'"):
        load(tmp_path / "model")


def members_of(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def rewritten(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)


def npy(array, **how):
    out = io.BytesIO()
    np.save(out, array, **how)
    return out.getvalue()


def refused(path, match):
    with pytest.raises(ValueError, match=match) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")


DOCUMENTS = {
    "format": (lambda d: d.pop("format"), "expected a model that fastsoftmax saved"),
    "version": (
        lambda d: d.update(version=2, fastsoftmax="9.9"),
        "expected format version 1, got 2, written by fastsoftmax '9.9'",
    ),
    "no estimator": (lambda d: d.pop("estimator"), "estimator: expected a str, got None"),
    "unknown estimator": (
        lambda d: d.update(estimator="Popen"), "estimator: expected .* got 'Popen'"
    ),
    "key": (lambda d: d.update(more=1), "more: expected no such key"),
    "parameters": (lambda d: d.update(parameters=[]), r"parameters: expected a dict, got \[\]"),
    "parameter": (
        lambda d: d["parameters"].update(gamma=1),
        "gamma: expected parameters that this version has, got one of fastsoftmax",
    ),
    "missing": (lambda d: d["attributes"].pop("coef_"), "expected the attribute coef_, got none"),
    "unread array": (
        lambda d: d["attributes"].update(coef_={"array": "intercept_"}),
        "expected 'intercept_.npy' in the file, got none",
    ),
    "attribute": (lambda d: d["attributes"].update(fit=1), "fit: expected no such attribute"),
    "private": (
        lambda d: d["attributes"].update(_warm_start_state=1), "_warm_start_state: expected no"
    ),
    "form": (lambda d: d["attributes"].update(n_iter_={"eval": "1"}), "n_iter_: .* known form"),
    "two keys": (
        lambda d: d["attributes"].update(n_iter_={"float": "inf", "tuple": []}), "known form"
    ),
    "float": (lambda d: d["attributes"].update(objective_={"float": "1e9"}), "known form"),
    "tuple": (lambda d: d["attributes"].update(n_iter_={"tuple": 3}), "n_iter_: expected a list"),
    "pairs": (
        lambda d: d["parameters"].update(C={"dict": [[1]]}), "C: expected pairs of key and value"
    ),
    "keys": (
        lambda d: d["parameters"].update(C={"dict": [[[], 1]]}), "C: expected keys that are scalars"
    ),
    "key twice": (
        lambda d: d["parameters"].update(C={"dict": [[1, 1], [1, 2]]}), "C: expected each key once"
    ),
    "scalar": (
        lambda d: d["parameters"].update(C={"scalar": ["int8", 300]}), "C: expected a int8, got 300"
    ),
    "kind of scalar": (
        lambda d: d["parameters"].update(C={"scalar": ["void", 300]}), "C: expected a value of a"
    ),
    "flag": (lambda d: d["attributes"].update(converged_=1), "converged_: expected True or False"),
    "count": (lambda d: d["attributes"].update(n_iter_=-1), "n_iter_: expected an integer >= 0"),
    "number": (lambda d: d["attributes"].update(objective_="1"), "objective_: expected a number"),
    "history": (lambda d: d["attributes"].update(history_=1), "history_: expected a list, got int"),
    "record": (
        lambda d: d["attributes"].update(history_=[{"tuple": [1]}]),
        r"history_\[0\]: expected a record, Iteration or Epoch",
    ),
    "other record": (
        lambda d: d["attributes"].update(history_=[{"record": ["State", [1, 2, 3, 4, 5]]}]),
        r"history_\[0\]: expected a record, Iteration or Epoch",
    ),
    "short record": (
        lambda d: d["attributes"].update(history_=[{"record": ["Epoch", [1, 2, 3, 4]]}]),
        r"history_\[0\]: expected a record, Iteration or Epoch",
    ),
    "features": (
        lambda d: d["attributes"].update(n_features_in_=4), "coef_: expected a length of 4, got 5"
    ),
    "no features": (
        lambda d: d["attributes"].update(n_features_in_=0), "n_features_in_: expected 1 or more"
    ),
    "names": (
        lambda d: d["attributes"].update(feature_names_in_={"objects": [1, 2, 3, 4, 5]}),
        "feature_names_in_: expected strings",
    ),
    "one twice": (
        lambda d: d["attributes"].update(classes_={"objects": ["a", "b", "a"]}),
        "classes_: expected different labels",
    ),
    "labels": (
        lambda d: d["attributes"].update(classes_={"objects": [[], "a", "c"]}),
        "classes_: expected strings or numbers",
    ),
    "list": (
        lambda d: d["attributes"].update(classes_=[0, 1, 2]),
        "classes_: expected an array of 1 dimensions, kind biufUSO, got list",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_that_was_tampered_with(models, name, tmp_path):
    change, message = DOCUMENTS[name]
    path = tmp_path / "model"
    models[0][0].save(path)
    members = members_of(path)
    document = json.loads(members["model.json"])
    change(document)
    members["model.json"] = json.dumps(document)
    rewritten(path, members)
    refused(path, message)


def test_scores_that_were_tampered_with(models, tmp_path):
    path = tmp_path / "model"
    next(m for m, _ in models if isinstance(m, SoftmaxRegressionCV)).save(path)
    rewritten(path, members_of(path) | {"scores_.npy": npy(np.zeros((2, 3)))})
    refused(path, "scores_: expected a length of 2, got 3")


NETWORKS = {
    "network": (lambda d: d.update(n_layers_=9), "coefs_, n_layers_: expected those of 4 layers"),
    "outputs": (lambda d: d.update(n_outputs_=2), "classes_: expected a length of 2, got 3"),
    "activation": (lambda d: d.update(out_activation_="logistic"), "expected 'softmax', got 'log"),
    "no text": (lambda d: d.update(out_activation_=1), "out_activation_: expected a string"),
    "layers": (lambda d: d.update(coefs_=[]), "coefs_: expected a list of arrays, got list"),
    "other layers": (lambda d: d["coefs_"].reverse(), r"coefs_\[0\], intercepts_\[0\]: expected"),
    "hidden": (
        lambda d: d["_of_the_fit"]["dict"][0].__setitem__(1, {"tuple": [10**9, 3]}),
        r"coefs_\[0\], intercepts_\[0\]: expected shapes \(5, 1000000000\)",
    ),
    "fit": (lambda d: d["_of_the_fit"]["dict"].pop(), "_of_the_fit: expected a dict of hidden_la"),
    "loss": (
        lambda d: d["_of_the_fit"]["dict"][2].__setitem__(1, "hinge"), "loss: expected one of cross"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_that_was_tampered_with(models, name, tmp_path):
    change, message = NETWORKS[name]
    path = tmp_path / "model"
    models[12][0].save(path)
    members = members_of(path)
    document = json.loads(members["model.json"])
    change(document["attributes"])
    members["model.json"] = json.dumps(document)
    rewritten(path, members)
    refused(path, message)


MEMBERS = {
    "shape": ("coef_.npy", npy(np.zeros((3, 4))), "coef_: expected a length of 5, got 4"),
    "rows": ("coef_.npy", npy(np.zeros((4, 5))), "intercept_: expected a length of 4, got 3"),
    "vector": ("coef_.npy", npy(np.zeros(5)), r"coef_: .* got float64 of shape \(5,\)"),
    "half": ("coef_.npy", npy(np.zeros((3, 5), np.float16)), "coef_: expected float32 or float64"),
    "integers": ("coef_.npy", npy(np.zeros((3, 5), int)), "coef_: expected an array of 2"),
    "nan": ("intercept_.npy", npy(np.full(3, np.nan)), "intercept_: expected finite numbers"),
    "labels": ("classes_.npy", npy(np.array([0, 0, 1])), "classes_: expected different labels"),
    "nan label": ("classes_.npy", npy(np.array([0, 1, np.nan])), "classes_: expected different"),
    "classes": ("classes_.npy", npy(np.arange(4)), "coef_: expected 4 rows for 4 classes, got 3"),
    "no npy": ("coef_.npy", b"\x80\x04.", "coef_: expected the npy header of a plain array"),
    "dtype": ("classes_.npy", npy(np.zeros(3, "f8,f8")), "classes_: expected the npy header"),
    "long": ("classes_.npy", npy(np.zeros(3, "m8[s]")), "classes_: expected the npy header"),
    "more": ("secret.npy", npy(np.zeros(3)), "expected no 'secret.npy' in the file"),
    "no json": ("model.json", b"{", "Expecting property name"),
    "no utf-8": ("model.json", b"\xff\xfe\x00", "codec can't decode"),
    "nan in json": ("model.json", b'{"version": NaN}', "expected JSON, got NaN"),
    "keys": ("model.json", b'{"version": 1, "version": 1}', "expected each key once"),
    "deep": ("model.json", b"[" * 100_000, "expected a whole file"),
    "number": ("model.json", b"1", "expected a model that fastsoftmax saved"),
}


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_that_was_exchanged(models, name, tmp_path):
    member, content, message = MEMBERS[name]
    path = tmp_path / "model"
    models[0][0].save(path)
    rewritten(path, members_of(path) | {member: content})
    refused(path, message)


SHAPE = b"(3, 5), }".ljust(48)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"(3, 5), }    ", b"(99999, 5), }", "coef_: expected 499995 numbers of 8 bytes"),
        (b"(3, 5), }        ", b"(0, 999999999), }", "coef_: expected 0 numbers of 8 bytes"),
        (SHAPE, b"(4294967296, 4294967296, 2), }".ljust(48), "coef_: expected 3689"),
        (SHAPE, b"(999999999999999999, 5), }".ljust(48), "coef_: expected 499999"),
        (SHAPE, b"(" + 45 * b"1" + b"!)", "coef_: expected the npy header"),  # at once
        (b"<f8", b"<U0", "coef_: expected numbers, booleans or strings, got dtype <U0"),
        (b"<f8", b"|S0", "coef_: expected numbers, booleans or strings, got dtype |S0"),
        (b"<f8", b"|O8", "coef_: expected the npy header"),
        (b"<f8", b"<f3", "coef_: expected numbers, booleans or strings, got dtype <f3"),
        (b"<f8", b"<f4", "coef_: expected 15 numbers of 4 bytes"),
        (b"False", b"None ", "coef_: expected the npy header"),
        (b"\x93NUMPY\x01", b"\x93NUMPY\x02", "coef_: expected the npy header"),
    ],
)
def test_headers_of_arrays(models, old, new, message, tmp_path):
    path = tmp_path / "model"
    models[0][0].save(path)
    members = members_of(path)
    assert old in members["coef_.npy"]
    members["coef_.npy"] = members["coef_.npy"].replace(old, new)
    rewritten(path, members)
    refused(path, message)


def test_bytes_that_are_no_booleans_or_characters(tmp_path):
    X, y = data(2)
    path = tmp_path / "model"
    for labels, byte, message in (
        (y == 1, b"\x02", "classes_: expected booleans"),
        (np.array(["a", "b"])[y], b"\x7f", "classes_: expected characters"),
    ):
        SoftmaxRegression().fit(X, labels).save(path)
        members = members_of(path)
        members["classes_.npy"] = members["classes_.npy"][:-1] + byte
        rewritten(path, members)
        refused(path, message)


def test_nothing_is_unpacked(models, tmp_path):
    # a small file of many zeros would be a large array
    path = tmp_path / "model"
    models[0][0].save(path)
    members = members_of(path) | {"coef_.npy": npy(np.zeros((3, 100_000)))}
    rewritten(path, members, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10_000
    refused(path, "expected stored members, got .* compressed")


def test_members_over_each_other(models, tmp_path):
    # two entries of the directory for the same bytes: more in total than the file holds
    path = tmp_path / "model"
    models[0][0].save(path)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("zeros.npy", bytes(50_000))
        for i in range(3):
            twin = zipfile.ZipInfo(f"zeros{i}.npy")
            for field in ("header_offset", "file_size", "compress_size", "CRC"):
                setattr(twin, field, getattr(file.getinfo("zeros.npy"), field))
            file.filelist.append(twin)
    refused(path, "expected members beside each other")


def test_bytes_beside_the_archive(models, tmp_path):
    path = tmp_path / "model"
    models[0][0].save(path)
    whole = path.read_bytes()
    commented = whole[:-2] + b"\1\0x"
    for content in (whole + b"\0", whole + bytes(100), b"x" + whole, whole + whole, commented):
        path.write_bytes(content)
        refused(path, "expected an archive from the first byte to the last, got more bytes")
    path.write_bytes(whole)
    load(path)


class Trap:
    def __reduce__(self):
        return os.mkdir, ("sprung",)


def test_nothing_is_executed(models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model"
    pickled = pickle.dumps(Trap())
    path.write_bytes(pickled)
    refused(path, "expected a whole file that fastsoftmax saved")
    objects = np.empty(3, object)
    objects[:] = Trap()
    for content in (npy(objects, allow_pickle=True), pickled):
        models[0][0].save(path)
        rewritten(path, members_of(path) | {"classes_.npy": content})
        refused(path, "classes_: expected the npy header")
    np.savez(path, objects=objects, allow_pickle=True)
    shutil.move(f"{path}.npz", path)
    refused(path, "expected 'model.json' in the file, got none")
    assert not (tmp_path / "sprung").exists()


@pytest.fixture(scope="module")
def whole(models, tmp_path_factory):
    """Bytes of some files, and what they hold."""
    path = tmp_path_factory.mktemp("whole") / "model"
    out = []
    for number in (0, 3, 5, 12):
        models[number][0].save(path)
        out.append((path.read_bytes(), load(path)))
    return path.with_name("damaged"), out


def error_or_same(path, content, model):
    path.write_bytes(content)
    try:
        copy = load(path)
    except ValueError as error:
        message = str(error)
    else:
        return same_model(model, copy)
    assert message.startswith(f"{path}: ")


@settings(max_examples=300, deadline=None)
@given(draw=st.data())
def test_damaged_files(whole, draw):
    path, files = whole
    content, model = draw.draw(st.sampled_from(files))
    place = st.integers(0, len(content) - 1)
    if draw.draw(st.booleans()):
        return error_or_same(path, content[: draw.draw(place)], model)
    damaged = bytearray(content)
    for at in draw.draw(st.lists(place, min_size=1, max_size=3, unique=True)):
        damaged[at] ^= draw.draw(st.integers(1, 255))
    return error_or_same(path, bytes(damaged), model)


def test_the_directory_of_a_file_damaged_everywhere(whole):
    path, ((content, model), *_) = whole
    start = content.index(b"PK\x01\x02")
    for at in range(start, len(content)):
        for flip in (1, 8, 255):
            damaged = bytearray(content)
            damaged[at] ^= flip
            error_or_same(path, bytes(damaged), model)


def test_the_last_character_that_there_is(tmp_path):
    """U+10FFFF; one more would be no character."""
    X, y = data(2)
    labels = np.array(["a", chr(0x10FFFF)])[y]
    path = tmp_path / "model"
    SoftmaxRegression().fit(X, labels).save(path)
    assert load(path).classes_.tolist() == ["a", chr(0x10FFFF)]


def test_a_list_of_layers_that_is_too_short(models, tmp_path):
    path = tmp_path / "model"
    next(m for m, _ in models if isinstance(m, MLPClassifier)).save(path)
    members = members_of(path)
    document = json.loads(members["model.json"])
    document["attributes"]["intercepts_"].pop()
    kept = {name: content for name, content in members.items() if name != "intercepts_.2.npy"}
    rewritten(path, kept | {"model.json": json.dumps(document).encode()})
    refused(path, "intercepts_: expected a length of 3, got 2")


def test_files_changed_by_the_fuzzer():
    fuzz_files.main(300, 0)


def test_large_arrays_are_read_in_pieces(tmp_path):
    X, y = data()
    model = SoftmaxRegression().fit(X, y)
    model.n_features_in_ = 1 + archive.PIECE // 8
    model.coef_ = np.random.default_rng(0).normal(size=(len(model.coef_), model.n_features_in_))
    model.save(tmp_path / "model")
    same_model(model, load(tmp_path / "model"))


def test_version_of_the_package_is_on_record(models, tmp_path):
    models[0][0].save(tmp_path / "model")
    document = json.loads(members_of(tmp_path / "model")["model.json"])
    assert document["fastsoftmax"] == fastsoftmax.__version__ and document["version"] == 1


def test_parameters_of_later_versions_take_their_defaults(models, tmp_path):
    path = tmp_path / "model"
    models[0][0].save(path)
    members = members_of(path)
    document = json.loads(members["model.json"])
    del document["parameters"]["penalty_factor"]
    members["model.json"] = json.dumps(document)
    rewritten(path, members)
    assert load(path).penalty_factor is None


class Halves:
    """A splitter."""

    def split(self, X, y=None, groups=None):
        for test in (slice(0, 30), slice(30, 60)):
            yield np.delete(np.arange(60), test), np.arange(60)[test]

    def get_n_splits(self, X=None, y=None, groups=None):
        return 2


@pytest.mark.parametrize(
    ("model", "instead"),
    [
        (SoftmaxRegressionCV(Cs=[0.1, 1.0], cv=Halves()), {"cv": 5}),
        (MLPClassifier(3, max_iter=2, random_state=np.random.RandomState(0)), {"random_state": 0}),
        (MLPClassifier(3, max_iter=2, random_state=np.random.default_rng(0)), {"random_state": 0}),
    ],
)
@pytest.mark.filterwarnings("ignore:.*epochs ended")
def test_what_cannot_be_saved_says_what_to_do(model, instead, tmp_path):
    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 3
    model.fit(X, y)
    ((name, value),) = instead.items()
    with pytest.raises(TypeError, match=rf"first call model\.set_params\({name}={value}\)"):
        model.save(tmp_path / "model")
    model.set_params(**instead).save(tmp_path / "model")
    loaded = fastsoftmax.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
