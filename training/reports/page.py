"""A report as a page: one file, which needs nothing else to be looked at."""

import base64
import io
import re
from pathlib import Path
from typing import NamedTuple

import jinja2
from markupsafe import Markup, escape
from PIL import Image

from tfp_lcma.files import written_whole
from tfp_lcma.training.reports.document import Report, to_markdown

_CODE = re.compile("`([^`]+)`")
# Pixels: wider pictures stand alone.
_LARGE = 900
# Cells that a line must not break: a number, perhaps with its error.
_NUMBER = re.compile(r"[-+<]?\d[\d.,%e± +-]*|n/a")


class _Embedded(NamedTuple):
    """A picture as a page holds it, its size in pixels."""

    url: str
    width: int
    height: int

    @property
    def large(self) -> bool:
        """Whether it takes the width of a page."""
        return self.width > _LARGE


def write_page(path: Path, report: Report) -> None:
    """Writes a report to an HTML file, with its pictures and its style inside.

    What users name is escaped. Pictures are read from the folder of the file.

    Args:
        path: HTML file to write.
        report: what it says.

    Raises:
        OSError: a picture is missing, or the file cannot be written.
    """
    template = _environment(path.parent).get_template("report.html.jinja")
    with written_whole(path) as temporary:
        temporary.write_text(template.render(report=report), encoding="utf-8")


def write_report_files(folder: Path, report: Report) -> Path:
    """Writes `report.md` and, with the pictures that lie beside it, `report.html`.

    Returns:
        The path of the former.

    Raises:
        OSError: a picture is missing, or the folder cannot be written.
    """
    path = folder / "report.md"
    with written_whole(path) as temporary:
        temporary.write_text(to_markdown(report), encoding="utf-8")
    write_page(path.with_suffix(".html"), report)
    return path


def _environment(folder: Path) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tfp_lcma.training.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["kind"] = lambda block: type(block).__name__
    environment.filters["inline"] = _inline
    environment.filters["embedded"] = lambda picture: _embedded(folder / picture.file)
    environment.tests["numeric"] = lambda cell: _NUMBER.fullmatch(cell) is not None
    return environment


def _inline(text: str) -> Markup:
    """Returns text, what is between backticks as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))


def _embedded(path: Path) -> _Embedded:
    content = path.read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        size = image.size
    url = "data:image/png;base64," + base64.b64encode(content).decode("ascii")
    return _Embedded(url, *size)
