"""The rows of a study put together over seeds."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

# An area this many standard errors below one half is no accident.
_ERRORS = 2


class Area(NamedTuple):
    """An area under a ROC curve over several flows.

    Attributes:
        value: mean over the seeds.
        standard_error: over images, mean over the seeds.
        lowest: of the seeds.
        highest: of the seeds.
    """

    value: float
    standard_error: float
    lowest: float
    highest: float

    @property
    def reversed(self) -> bool:
        """Whether outliers surely have the lower scores."""
        return self.value + _ERRORS * self.standard_error < 0.5

    def __str__(self) -> str:
        """Value, error and, where seeds differ, their range."""
        text, lowest, highest = (f"{x:.3f}" for x in (self.value, self.lowest, self.highest))
        seeds = "" if lowest == highest else f" ({lowest} to {highest})"
        return f"{text} ± {self.standard_error:.3f}{seeds}"


def area(pairs: Iterable[Sequence[float]]) -> Area:
    """Returns the areas of all seeds, pairs of value and standard error, as one."""
    values, errors = np.array(list(pairs), np.float64).T
    return Area(*(float(x) for x in (values.mean(), errors.mean(), values.min(), values.max())))


def outlier_areas(rows: Sequence[dict], score: str) -> dict[str, Area]:
    """Returns, by set of outliers, the area of a score."""
    return {
        name: area(row["outliers"][name]["auc"][score] for row in rows)
        for name in rows[0]["outliers"]
    }


def patch_areas(rows: Sequence[dict]) -> dict[str, dict[str, Area]]:
    """Returns, by map and by kind of patch, the area of the map's pixels."""
    kinds = rows[0]["patches"]
    names = next(iter(kinds.values()))["auc"]
    return {
        name: {kind: area(row["patches"][kind]["auc"][name] for row in rows) for kind in kinds}
        for name in names
    }


def mean_of(rows: Sequence[dict], name: str | None, score: str) -> float:
    """Returns the mean of a score over the seeds, of a set or, if its name is None, of inliers."""
    return float(
        np.mean([(row["outliers"][name] if name else row["inliers"])[score] for row in rows])
    )
