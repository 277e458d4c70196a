"""The programs of Markdown files, and what they print.

The blocks of a file marked ``python`` are one program, run in order; a block marked ``text`` right
after one of them is what that one prints. To write the outputs anew:

    python tests/support/markdown_code.py README.md docs/guide/*.md
"""

import contextlib
import io
import re
import sys
from pathlib import Path

BLOCK = re.compile(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", re.DOTALL)


def run(text: str, name: str) -> str:
    """The text with the outputs of this run in place of those that it shows."""
    names: dict[str, object] = {"__name__": "__main__"}

    def with_output(block: re.Match[str]) -> str:
        line = text.count("\n", 0, block.start(1))
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * line + block[1], name, "exec"), names)
        output = printed.getvalue()
        return f"```python\n{block[1]}```\n" + (f"\n```text\n{output}```\n" if output else "")

    return BLOCK.sub(with_output, text)


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(run(path.read_text(encoding="utf-8"), path.name), encoding="utf-8")
