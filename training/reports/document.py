"""What a report consists of, whether it becomes markdown or a page."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

from tfp_lcma.training.reports.tables import markdown


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of cells that are text already.

    Attributes:
        heads: one a column; none are shown if all are empty.
        rows: cells, as many as heads.
        folded: if not empty, what the reader opens on a page to see the table.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: str = ""


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture beside the report.

    Attributes:
        file: its name in the report's folder.
        caption: what it shows.
        kind: a chart is letters and lines, whose colours a dark page may invert; a map's mean
            something; images are looked at pixel by pixel.
    """

    file: str
    caption: str
    kind: Literal["chart", "map", "images"] = "map"


@dataclasses.dataclass(frozen=True)
class Code:
    """Lines that stand as they are: commands, or a file."""

    lines: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Items:
    """A list, a line an item."""

    lines: Sequence[str]


# Text is a paragraph; what it has between backticks is code.
Block = str | Table | Picture | Code | Items


@dataclasses.dataclass(frozen=True)
class Section:
    """Blocks under a title."""

    title: str
    blocks: Sequence[Block]


@dataclasses.dataclass(frozen=True)
class Report:
    """A title, what is said first, and sections.

    Attributes:
        title: one line.
        blocks: what comes before the first section.
        sections: the rest.
        highlights: a page's largest letters: numbers, and what each is.
    """

    title: str
    blocks: Sequence[Block]
    sections: Sequence[Section]
    highlights: Sequence[tuple[str, str]] = ()


def to_markdown(report: Report) -> str:
    """Returns a report as the text of a markdown file, without its highlights."""
    parts = [f"# {report.title}", *map(_block, report.blocks)]
    for section in report.sections:
        parts += [f"## {section.title}", *map(_block, section.blocks)]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    match block:
        case Table(heads, rows):
            return markdown(heads, rows)
        case Picture(file, caption):
            return f"![{caption}]({file})\n*{caption}*"
        case Code(lines):
            return "\n".join(["```", *lines, "```"])
        case Items(lines):
            return "\n".join(f"- {line}" for line in lines)
        case str():
            return block
