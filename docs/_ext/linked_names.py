"""In Markdown, a public name in backticks links to the reference, or to that of another project.

`SoftmaxRegression`, `SoftmaxRegression.fit`, `softmax(x)` and `scipy.special.softmax` are found as
they stand. In the tables of a page "Coming from …" the first column speaks of another library.
"""

import re

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

import fastsoftmax
from fastsoftmax import _neural, datasets, engines, formula, inference, onnx, plotting

PAGES = re.compile(r"index$|guide/|lecture|comparison$|promises$|stability$")
CALL = re.compile(r"([A-Za-z_][\w.]*)(\(.*)?", re.DOTALL)
OWN = {
    name: f"{module.__name__}.{name}"
    for module in (formula, inference, engines, _neural, onnx, datasets, plotting, fastsoftmax)
    for name in module.__all__
}
MODULES = {"datasets", "engines", "formula", "inference", "onnx", "plotting", "torch"}
METHODS = {  # of one class alone
    name: f"fastsoftmax.SoftmaxRegression.{name}"
    for name in ("summary", "conf_int", "cov_params", "certify", "to_sklearn", "save")
}
THEIRS = {
    "LogisticRegression": "sklearn.linear_model.LogisticRegression",
    "LogisticRegressionCV": "sklearn.linear_model.LogisticRegressionCV",
    "CalibratedClassifierCV": "sklearn.calibration.CalibratedClassifierCV",
    "CalibrationDisplay": "sklearn.calibration.CalibrationDisplay",
    "GridSearchCV": "sklearn.model_selection.GridSearchCV",
    "MLPClassifier": "sklearn.neural_network.MLPClassifier",
    "MLPRegressor": "sklearn.neural_network.MLPRegressor",
    "MultiOutputClassifier": "sklearn.multioutput.MultiOutputClassifier",
    "OneVsRestClassifier": "sklearn.multiclass.OneVsRestClassifier",
    "SelectFromModel": "sklearn.feature_selection.SelectFromModel",
}


def first_of_its_row(node):
    """Whether the node stands in the first cell of a row."""
    while node is not None and not isinstance(node, nodes.entry):
        node = node.parent
    return node is not None and node.parent.index(node) == 0


def target(text, *, theirs):
    """The full name of what a piece of code begins with; None if there is no page for it."""
    found = CALL.fullmatch(text)
    if not found:
        return None
    name, call = found.groups()
    if name.startswith(("numpy.", "scipy.", "sklearn.")):
        return name
    if theirs:
        return THEIRS.get(name)
    if name in ("fit", "load") and not call:  # the methods, or the word
        return None
    first, _, rest = name.removeprefix("fastsoftmax.").partition(".")
    if first in OWN:
        return OWN[first] + (f".{rest}" if rest else "")
    if first in MODULES and rest:
        return f"fastsoftmax.{first}.{rest}"
    return METHODS.get(name) or THEIRS.get(name)


class LinkNames(SphinxTransform):
    default_priority = 200

    def apply(self):
        page = self.env.docname
        if not PAGES.match(page):
            return
        coming_from = page.startswith("guide/from_")
        for node in list(self.document.findall(nodes.literal)):
            if isinstance(node.parent, nodes.reference | nodes.title | addnodes.pending_xref):
                continue
            before = node.previous_sibling()
            theirs = (coming_from and first_of_its_row(node)) or (
                before is not None and re.search(r"scikit-learn['’]s $", before.astext())
            )
            name = target(node.astext(), theirs=theirs)
            if name:
                options = {"refdomain": "py", "reftype": "obj", "reftarget": name, "refdoc": page}
                node.replace_self(
                    addnodes.pending_xref(
                        "", node.deepcopy(), refexplicit=True, refwarn=False, **options
                    )
                )


def setup(app):
    app.add_transform(LinkNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
