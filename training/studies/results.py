"""The results file: one JSON object a line, written so that a kill costs the last line at most."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from tfp_lcma.training.runs.run_lock import folder_turn


def find(rows: Sequence[dict], arm: str, seed: int) -> dict | None:
    """Returns the row of an arm and a seed; None if there is none."""
    return next((row for row in rows if (row["arm"], row["seed"]) == (arm, seed)), None)


def to_select(rows: Sequence[dict]) -> list[dict]:
    """Returns the rows of the seeds that arms are chosen by; all of them if no others are left."""
    return [row for row in rows if not row.get("report")] or list(rows)


def to_report(rows: Sequence[dict]) -> list[dict]:
    """Returns the rows of report seeds; all of a study that has none."""
    return [row for row in rows if row.get("report")] or list(rows)


class ResultsFile:
    """Rows that are appended one by one and never changed."""

    def __init__(self, path: str | os.PathLike):
        """Stands for the file at `path`, which need not exist yet."""
        self.path = Path(path)

    def rows(self) -> list[dict]:
        """Returns all rows; a last line that a kill cut short is left out.

        Raises:
            ValueError: another line is not readable.
        """
        return [self._parse(number, line) for number, line in enumerate(self._lines(), start=1)]

    def append(self, row: dict) -> None:
        """Adds a row; once this returns it is on the disk.

        Raises:
            ValueError: the row holds a number that is not finite.
        """
        line = json.dumps(row, allow_nan=False).encode() + b"\n"
        with folder_turn(self.path.parent), open(self.path, "ab") as file:
            whole = sum(len(found) + 1 for found in self._lines())
            file.truncate(whole)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def _lines(self) -> list[bytes]:
        """Returns the lines that end as lines do."""
        if not self.path.exists():
            return []
        return self.path.read_bytes().split(b"\n")[:-1]

    def _parse(self, number: int, line: bytes) -> dict:
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(
                f"{self.path}, line {number}, is not readable JSON: {error}"
            ) from error
        if not isinstance(row, dict):
            raise ValueError(f"{self.path}, line {number}, must be an object; got {row!r}.")
        return row
