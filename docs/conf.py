"""The site: sphinx-build -W docs docs/_build (extra `docs`).

Examples run on the data that comes with the package or is made, and on real data where the folder
FASTSOFTMAX_DATA has it.
"""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import own_members

import fastsoftmax
from fastsoftmax import _neural, datasets, engines, formula, inference, onnx, plotting

EXAMPLES = Path(__file__).parents[1] / "examples"
project = "fastsoftmax"
copyright = "the fastsoftmax developers"
version = release = fastsoftmax.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
    "sphinx_design",
    "linked_names",
    "mathml",
    "source_links",
]
exclude_patterns = ["_build", "_ext", "_inventories"]
intersphinx_mapping = {  # inventories that are here: a build fetches nothing
    "numpy": ("https://numpy.org/doc/stable/", "_inventories/numpy.inv"),
    "scipy": ("https://docs.scipy.org/doc/scipy/", "_inventories/scipy.inv"),
    "sklearn": ("https://scikit-learn.org/stable/", "_inventories/sklearn.inv"),
}
html_math_renderer = "mathml"
templates_path = ["_templates"]
default_role = "py:obj"

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"  # the docstrings have them
autodoc_mock_imports = ["torch"]
numpydoc_show_class_members = False  # the template has a table, and methods one by one
autosummary_context = {
    "own": own_members.of_modules(
        [fastsoftmax, _neural, plotting, datasets, onnx, engines, inference, formula]
    )
}

sphinx_gallery_conf = {
    "examples_dirs": str(EXAMPLES),
    "gallery_dirs": "gallery",
    "backreferences_dir": "gallery/used",
    "doc_module": ("fastsoftmax",),
    "filename_pattern": r"\.py$",
    "within_subsection_order": "ExampleTitleSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "capture_repr": (),
}

html_theme = "pydata_sphinx_theme"
html_title = f"fastsoftmax {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_show_sphinx = False
NO_SIDEBAR = ("changelog", "comparison", "contributing", "index", "measured/*")
html_sidebars = {page: [] for page in NO_SIDEBAR}
html_context = {"default_mode": "light"}
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "navbar_end": ["theme-switcher"],
    "logo": {"text": f"fastsoftmax {version}"},
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "tango",
}


def as_text(app, what, name, obj, options, lines):
    """In docstrings a bar is a bar, |x|, not a substitution of reStructuredText's."""
    lines[:] = [re.sub(r"(``.*?``)|\|", lambda m: m[1] or r"\|", line) for line in lines]


def setup(app):
    app.connect("autodoc-process-docstring", as_text, priority=100)  # before numpydoc
