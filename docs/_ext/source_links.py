"""Links [source] that lead to the file in which an object is written.

Public classes call the package their module, whatever file they are written in: so the file is
found by the name that it defines.
"""

import sys

from sphinx.errors import PycodeError
from sphinx.ext import viewcode
from sphinx.pycode import ModuleAnalyzer

PACKAGE = "fastsoftmax"


def defining_module(modname, attribute):
    """Name of the module in whose text the attribute is defined."""
    first, *rest = attribute.split(".")
    found = getattr(sys.modules.get(modname), first, None)
    for name, module in sorted(sys.modules.items()):
        if name.startswith(PACKAGE) and vars(module).get(first) is found:
            try:
                tags = ModuleAnalyzer.for_module(name).find_tags()
            except PycodeError:  # compiled
                continue
            if first in tags:
                return name if not rest or attribute in tags else None
    return None


def setup(app):
    app.setup_extension("sphinx.ext.viewcode")
    viewcode._get_full_modname = defining_module
    return {"parallel_read_safe": True, "parallel_write_safe": True}
