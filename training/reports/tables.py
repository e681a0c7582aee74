"""Tables in markdown."""

from collections.abc import Sequence

# What stands where there is no number.
NOTHING = "n/a"


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table of cells that are text already."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
