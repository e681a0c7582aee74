"""Fails if the built site leads nowhere inside itself, or loads anything from outside.

Usage: python links.py SITE
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Attributes by which a browser loads something before anybody clicks.
_LOADED = {
    ("img", "src"),
    ("script", "src"),
    ("iframe", "src"),
    ("source", "src"),
    ("link", "href"),
}
_CSS = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")


class Page(HTMLParser):
    """What a page links to, loads, and can be linked to at."""

    def __init__(self, path: Path):
        super().__init__()
        self.anchors = {""}
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        """Notes anchors and addresses."""
        for name, value in attributes:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            elif value and (tag, name) in _LOADED:
                self.loaded.append(value)
            elif value and name == "href":
                self.links.append(value)
            elif value and name == "style":
                self.loaded += _styled(value)


def _styled(css: str) -> list[str]:
    return [url or imported for url, imported in _CSS.findall(css)]


def _outside(address: str) -> bool:
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme in ("http", "https")


def complaints(site: Path) -> list[str]:
    """Returns a sentence for every address that is not as it should be."""
    pages = {path.resolve(): Page(path) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        where = path.relative_to(site.resolve())
        found += [f"{where} loads {a} from outside" for a in page.loaded if _outside(a)]
        for address in page.links + page.loaded:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                found.append(f"{where} has {address}, and there is no such file")
            elif target in pages and unquote(parts.fragment) not in pages[target].anchors:
                found.append(f"{where} has {address}, and there is no such heading")
    for path in sorted(site.rglob("*.css")):
        for address in _styled(path.read_text(encoding="utf-8")):
            if _outside(address):
                found.append(f"{path.relative_to(site)} loads {address} from outside")
    return list(dict.fromkeys(found))


if __name__ == "__main__":
    FOUND = complaints(Path(sys.argv[1]))
    print("\n".join(FOUND), file=sys.stderr)
    sys.exit(bool(FOUND))
