"""Formulas as MathML, which browsers draw themselves: without a network, a font or a script."""

from html import escape

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

logger = logging.getLogger(__name__)


def mathml(node, **options):
    """The formula; a warning, and its TeX as text, where docutils does not know a command."""
    try:
        return tex2mathml(node.astext(), **options)
    except MathError as error:
        logger.warning("formula %s: %s", node.astext(), error, location=node)
        return f"<code>{escape(node.astext())}</code>"


def inline(self, node):
    self.body.append(mathml(node))
    raise nodes.SkipNode


def display(self, node):
    self.body.append(f'<div class="math">{mathml(node, as_block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (inline, None), (display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
