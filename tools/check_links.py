"""Check every link of a built site: pages, files and anchors are there; list what leads elsewhere.

python tools/check_links.py docs/_build
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The anchors of a page, and the links that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = {"", "top"}
        self.links: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value or "")
            elif name in ("href", "src") and value:
                self.links.add(value)


def check(site: Path) -> tuple[list[str], set[str]]:
    """What is broken, a line each, and the addresses outside of the site."""
    files = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in files}
    broken, external = [], set()
    for path, page in pages.items():
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                external.add(link)
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            found = pages.get(target)
            if not target.exists():
                broken.append(f"{path.relative_to(site.resolve())}: {link}: no such file")
            elif found and unquote(parts.fragment) not in found.anchors:
                broken.append(f"{path.relative_to(site.resolve())}: {link}: no such anchor")
    return broken, external


def main() -> int:
    broken, external = check(Path(sys.argv[1]))
    print(
        "\n".join([*broken, f"{len(external)} addresses outside of the site:", *sorted(external)])
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
