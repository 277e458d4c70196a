"""The rows of the guide's page for users of scikit-learn, each of them run."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.9")

from sklearn import linear_model
from sklearn.datasets import make_classification
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier

import fastsoftmax

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "from_scikit_learn.md"
X, Y = make_classification(
    150, 5, n_informative=4, n_redundant=0, n_classes=3, flip_y=0.3, random_state=0
)
META = {
    "np": np,
    "MultiOutputClassifier": MultiOutputClassifier,
    "OneVsRestClassifier": OneVsRestClassifier,
}
OURS = vars(fastsoftmax) | {n: getattr(fastsoftmax, n) for n in fastsoftmax.__all__} | META
THEIRS = {
    "LogisticRegression": linear_model.LogisticRegression,
    "LogisticRegressionCV": linear_model.LogisticRegressionCV,
} | META


def rows(heading):
    """The two programs of each row of the table below a heading."""
    section = PAGE.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `(.+?)` \| `(.+?)` \|$", section, re.MULTILINE)


SAME, REFUSED = rows("The same optimum"), rows("Refused, and what to write")


def tight(model, **params):
    """The model with what is to bring it to its optimum, as far as it has such parameters."""
    known = model.get_params()
    names = {name: value for name, value in params.items() if name in known}
    inner = {f"estimator__{name}": value for name, value in params.items()}
    return model.set_params(**names or inner)


def coefficients(program, names, several, **params):
    """The coefficients that a program's model is fitted to."""
    model = tight(eval(program, dict(names)), **params)
    y = np.eye(3, dtype=int)[Y] if several else Y
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is deprecated
        model.fit(X, y)
    if hasattr(model, "estimators_"):
        return np.vstack([one.coef_ for one in model.estimators_])
    return model.coef_


def test_there_are_tables():
    assert len(SAME) > 15 and len(REFUSED) > 6


@pytest.mark.parametrize(("theirs", "native"), SAME, ids=[theirs for theirs, _ in SAME])
def test_the_same_optimum(theirs, native):
    several = "MultiOutput" in theirs
    right = coefficients(theirs, THEIRS, several, tol=1e-9, max_iter=20_000)
    for program in (theirs, native):
        model = coefficients(program, OURS, several, tol=1e-12)
        np.testing.assert_allclose(model, right, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(("refused", "instead"), REFUSED, ids=[one for one, _ in REFUSED])
def test_what_is_refused_and_what_to_write(refused, instead):
    with pytest.raises((TypeError, ValueError), match=r"expected|unknown"):
        eval(refused, dict(OURS)).fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # networks that do not settle
        assert eval(instead, dict(OURS)).fit(X, Y).score(X, Y) > -2
