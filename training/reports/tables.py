"""Tables in markdown."""

from collections.abc import Sequence

# What stands where there is no number.
NOTHING = "n/a"


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table of cells that are text already."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def error_text(error: float | None, digits: int) -> str:
    """Returns a standard error as it is printed after a ±; `NOTHING` if it is unknown."""
    return NOTHING if error is None else f"{error:.{digits}f}"
