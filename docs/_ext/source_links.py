"""Links [source] that lead to the file in which an object is written.

Public classes call the package their module, whatever file they are written in, and inherit most of
their methods from classes that are not public. So both are found by the names that a file defines.
"""

import inspect
import sys
from functools import cache

from sphinx.errors import PycodeError
from sphinx.pycode import ModuleAnalyzer

import fastsoftmax
from fastsoftmax import _neural, datasets, formula, plotting

PACKAGE = "fastsoftmax"
PUBLIC = fastsoftmax, _neural, datasets, plotting


@cache
def tags_of(module):
    """Name -> kind and lines, of what a module defines; nothing if it is compiled."""
    try:
        return ModuleAnalyzer.for_module(module).find_tags()
    except PycodeError:
        return {}


@cache
def modules():
    return sorted(name for name in sys.modules if name.startswith(PACKAGE))


def home(kind, name):
    """The module whose text defines a class or function, and no alias of it."""
    for module in modules():
        if vars(sys.modules[module]).get(name) is kind and name in tags_of(module):
            return module
    return None


def owner(kind, member):
    """The class that has the member in its own body."""
    return next((base for base in kind.__mro__ if member in vars(base)), None)


def defining_module(app, modname, attribute):
    """Name of the module in whose text the attribute is defined."""
    first, _, member = attribute.partition(".")
    found = getattr(sys.modules.get(modname), first, None)
    if not member:
        return home(found, first)
    kind = owner(found, member)
    if modname == formula.__name__:
        # the page of a file leads to one public module, and what this one inherits is of another
        kind = found
    return kind and home(kind, kind.__name__)


def with_inherited(app, modname):
    """The text of a module and its names, those included by which classes inherit from it."""
    tags = dict(tags_of(modname))
    for module, name in ((m, n) for m in PUBLIC for n in m.__all__):
        kind = getattr(module, name)
        for member in dir(kind) if inspect.isclass(kind) else ():
            written = f"{getattr(owner(kind, member), '__name__', '')}.{member}"
            if written in tags:
                tags.setdefault(f"{name}.{member}", tags[written])
    return (ModuleAnalyzer.for_module(modname).code, tags) if tags else None


def setup(app):
    app.setup_extension("sphinx.ext.viewcode")
    app.connect("viewcode-follow-imported", defining_module)
    app.connect("viewcode-find-source", with_inherited)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
