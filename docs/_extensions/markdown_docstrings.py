"""Docstrings in Markdown: fences, tables and backquotes, as autodoc's reStructuredText."""

import re

_FENCE = re.compile(r"( *)```(\w*)$")


def _prose(text: str) -> str:
    """Writes `code` as ``code``; nothing else is markup, but for a list's hyphen."""
    parts = re.split(r"(`+[^`]+`+)", text)
    for i, part in enumerate(parts):
        if i % 2:
            parts[i] = f"``{part.strip('`')}``"
        else:
            part = re.sub(r"([|*_\\])", r"\\\1", part)
            # Where a word goes on after code, "`Variable`s", the space is not shown.
            parts[i] = f"\\ {part}" if i and part[:1].isalnum() else part
    return "".join(parts)


def _table(lines: list[str]) -> list[str]:
    """Returns the lines of a Markdown table, without indent, as those of a list-table."""
    found = ["", ".. list-table::", "    :header-rows: 1", ""]
    for line in [lines[0], *lines[2:]]:
        for i, cell in enumerate(line.strip().strip("|").split("|")):
            bullet = "      -" if i else "    * -"
            found.append(f"{bullet} {_prose(cell.strip())}".rstrip())
    return [*found, ""]


def converted(lines: list[str]) -> list[str]:
    """Returns the lines of a docstring in Markdown as reStructuredText."""
    found: list[str] = []
    prose: list[str] = []
    rows: list[str] = []
    inside = False
    for line in [*lines, ""]:
        fence = _FENCE.match(line)
        if rows and not line.startswith("|"):
            found += _table(rows)
            rows = []
        if inside:
            found.append("" if fence or not line else f"    {line}")
            inside = not fence
        elif line.startswith("|"):
            found += _prose("\n".join(prose)).split("\n") if prose else []
            prose = []
            rows.append(line)
        elif fence:
            found += _prose("\n".join(prose)).split("\n")
            prose = []
            directive = "math::" if fence[2] == "math" else f"code-block:: {fence[2] or 'none'}"
            found += ["", f"{fence[1]}.. {directive}", ""]
            inside = True
        else:
            prose.append(line)
    return found + _prose("\n".join(prose)).split("\n")


def _convert(app, what, name, obj, options, lines):
    lines[:] = converted(lines)


def setup(app):
    """Converts before napoleon looks for sections."""
    app.connect("autodoc-process-docstring", _convert, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
