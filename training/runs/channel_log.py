"""What splits did to channels in the course of a training, in a file."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfp_lcma import ChannelChoices
from tfp_lcma.files import written_whole


class ChannelLog:
    """A file of what was seen at which step.

    A run that is carried on repeats some steps; what it finds takes the place of
    what was there.
    """

    def __init__(self, path: Path):
        """Stands for the file at `path`, which need not exist yet."""
        self._path = path

    def add(self, step: int, levels: Sequence[ChannelChoices]) -> None:
        """Adds what was seen after a step, one entry for every level but the last."""
        row = {"step": step, "levels": [to_json(level) for level in levels]}
        earlier = [other for other in self._rows() if other["step"] < step]
        with written_whole(self._path) as temporary:
            temporary.write_text(json.dumps([*earlier, row]), encoding="utf-8")

    def history(self) -> tuple[list[int], list[list[ChannelChoices]]]:
        """Returns the steps and, for every level, what was seen at each of them."""
        rows = self._rows()
        looks = [[from_json(level) for level in row["levels"]] for row in rows]
        return [row["step"] for row in rows], [list(level) for level in zip(*looks, strict=True)]

    def _rows(self):
        if not self._path.exists():
            return []
        return json.loads(self._path.read_text(encoding="utf-8"))


def to_json(level: ChannelChoices) -> dict[str, list[float] | None]:
    """Returns what JSON can hold."""
    return {
        name: None if values is None else [round(float(value), 6) for value in values]
        for name, values in level._asdict().items()
    }


def from_json(level: dict[str, list[float] | None]) -> ChannelChoices:
    """Returns what `to_json` was given, rounded."""
    scores, leaving = (
        None if values is None else np.array(values)
        for values in (level["scores"], level["leaving"])
    )
    entropies, going_out = np.array(level["entropies"]), np.array(level["going_out"])
    return ChannelChoices(entropies, going_out, scores, leaving)
