"""What a flow consists of, as a table to print."""

from collections.abc import Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """One part of a flow.

    Attributes:
        part: What it is.
        shape: Of what it returns towards the latent.
        variables: How many numbers it holds.
        depth: How far inside other parts it is.
    """

    part: str
    shape: tuple[int, ...] | None
    variables: int
    depth: int = 0

    def inside(self) -> "Row":
        """Returns the row one part further in."""
        return self._replace(depth=self.depth + 1)


def table(rows: Sequence[Row], footer: str) -> str:
    """Returns rows as aligned text, a line each, and a last line."""
    parts = ["part", *("  " * row.depth + row.part for row in rows)]
    shapes = ["output", *("" if r.shape is None else " × ".join(map(str, r.shape)) for r in rows)]
    counts = ["variables", *(f"{row.variables:,}" if row.variables else "" for row in rows)]
    widths = [max(map(len, column)) for column in (parts, shapes, counts)]
    lines = [
        f"{part:<{widths[0]}}  {shape:<{widths[1]}}  {count:>{widths[2]}}".rstrip()
        for part, shape, count in zip(parts, shapes, counts, strict=True)
    ]
    rule = "─" * (sum(widths) + 4)
    return "\n".join([lines[0], rule, *lines[1:], rule, footer])
