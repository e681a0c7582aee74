"""What a split that is chosen while training would choose, step by step."""

import json
from pathlib import Path

import numpy as np

from tfp_lcma.files import written_whole
from tfp_lcma.training.reports.kept_pairs import kept_pairs


class ChoiceLog:
    """A file of choices: at which step which pairs of pixels would stay at a level.

    A run that is carried on repeats some steps; what it finds takes the place of
    what was there.
    """

    def __init__(self, path: Path):
        """Stands for the file at `path`, which need not exist yet."""
        self._path = path

    def add(self, step: int, level: int, order: np.ndarray) -> None:
        """Adds the order `[h, w, 4c]` of a level's view; `OnlineSplit` calls this."""
        height, width, entries = order.shape
        first = np.arange(0, order.size, entries).reshape(height, width, 1)
        counts = kept_pairs(first + order).sum(axis=0)
        row = {"step": step, "level": level, "shares": (counts / counts.sum()).tolist()}
        earlier = [r for r in self._rows() if r["step"] < step or r["level"] < level]
        with written_whole(self._path) as temporary:
            temporary.write_text(json.dumps([*earlier, row]), encoding="utf-8")

    def curves(self) -> dict[int, tuple[list[int], np.ndarray]]:
        """Returns, by level, the steps and the shares of the six pairs `[steps, 6]`."""
        rows = self._rows()
        by_level = {}
        for level in sorted({row["level"] for row in rows}):
            mine = [row for row in rows if row["level"] == level]
            by_level[level] = (
                [row["step"] for row in mine],
                np.array([row["shares"] for row in mine]),
            )
        return by_level

    def _rows(self):
        if not self._path.exists():
            return []
        return json.loads(self._path.read_text(encoding="utf-8"))
