"""Docstrings in Markdown: fenced blocks and backquotes, as autodoc's reStructuredText."""

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


def converted(lines: list[str]) -> list[str]:
    """Returns the lines of a docstring in Markdown as reStructuredText."""
    found: list[str] = []
    prose: list[str] = []
    inside = False
    for line in [*lines, ""]:
        fence = _FENCE.match(line)
        if inside:
            found.append("" if fence or not line else f"    {line}")
            inside = not fence
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
