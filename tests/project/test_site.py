"""What the site is built with: its own extensions, and the check of its links."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def imported(monkeypatch):
    """Import a module of docs/_ext or tools by its name."""
    for folder in ("docs/_ext", "tools"):
        monkeypatch.syspath_prepend(str(ROOT / folder))

    def load(name):
        pytest.importorskip("sphinx") if name != "check_links" else None
        monkeypatch.delitem(sys.modules, name, raising=False)
        return __import__(name)

    return load


def test_broken_links_and_anchors_are_found(imported, tmp_path):
    (tmp_path / "a.html").write_text(
        '<a href="b.html#there">1</a><a href="b.html#gone">2</a><a href="c.html">3</a>'
        '<a href="https://example.org">4</a><img src="b.html"><a href="#gone">5</a>'
    )
    (tmp_path / "b.html").write_text('<p id="there">')
    broken, external = imported("check_links").check(tmp_path)
    assert [line.split(": ", 1)[1] for line in broken] == [
        "#gone: no such anchor",
        "b.html#gone: no such anchor",
        "c.html: no such file",
    ]
    assert external == {"https://example.org"}


@pytest.mark.parametrize(
    ("text", "theirs", "found"),
    [
        ("SoftmaxRegression", False, "fastsoftmax.SoftmaxRegression"),
        ("fastsoftmax.SoftmaxRegression.fit", False, "fastsoftmax.SoftmaxRegression.fit"),
        ("softmax(x, axis=None)", False, "fastsoftmax.softmax"),
        ("fastsoftmax.fit(X, y)", False, "fastsoftmax.fit"),
        ("WeightsDisplay", False, "fastsoftmax.plotting.WeightsDisplay"),
        ("Ray(4, n_threads=16)", False, "fastsoftmax.engines.Ray"),
        ("inference.results", False, "fastsoftmax.inference.results"),
        ('fastsoftmax.formula.fit("y ~ x", data)', False, "fastsoftmax.formula.fit"),
        ("fastsoftmax.inference", False, None),
        ("summary", False, "fastsoftmax.SoftmaxRegression.summary"),
        ("fit", False, None),
        ("coef_", False, None),
        ("pip install .", False, None),
        ("scipy.special.softmax(x)", True, "scipy.special.softmax"),
        ("LogisticRegression()", True, "sklearn.linear_model.LogisticRegression"),
        ("LogisticRegression()", False, "fastsoftmax.LogisticRegression"),
        ("SoftmaxRegression()", True, None),
    ],
)
def test_names_link_to_the_reference(imported, text, theirs, found):
    assert imported("linked_names").target(text, theirs=theirs) == found


def test_names_of_other_projects_are_in_their_inventories(imported):
    """Those that the extension itself knows."""
    sphinx = pytest.importorskip("sphinx.util.inventory")
    path = ROOT / "docs" / "_inventories" / "sklearn.inv"
    with path.open("rb") as file:
        inventory = sphinx.InventoryFile.load(file, "", lambda base, uri: uri)
    listed = set(inventory["py:class"])
    assert set(imported("linked_names").THEIRS.values()) <= listed


def test_members_of_a_class_are_its_own(imported):
    from fastsoftmax import SoftmaxRegression

    found = imported("own_members").members(SoftmaxRegression)
    assert {"fit", "predict_proba", "partial_fit", "summary", "save"} <= set(found["Methods"])
    assert {"aic", "loglike"} <= set(found["Properties"])
    assert not {"get_params", "C", "set_fit_request"} & {*found["Methods"], *found["Properties"]}


@pytest.mark.parametrize(
    ("attribute", "module"),
    [
        ("SoftmaxRegression", "fastsoftmax._linear.softmax_regression"),
        ("SoftmaxRegression.fit", "fastsoftmax._linear.softmax_regression"),
        ("SoftmaxRegression.summary", "fastsoftmax._linear.inference.inference"),
        ("softmax", "fastsoftmax.functional._softmax"),
    ],
)
def test_source_links_lead_to_where_a_name_is_written(imported, attribute, module):
    links = imported("source_links")
    assert links.defining_module(None, "fastsoftmax", attribute) == module
    assert attribute in links.with_inherited(None, module)[1]
