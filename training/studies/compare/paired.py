"""Statistics of runs that share their seeds: means, paired differences, Holm's correction.

The unit is the seed: a run is one number.
"""

import dataclasses
import math
from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

import numpy as np
from scipy import stats

K = TypeVar("K", bound=Hashable)


@dataclasses.dataclass(frozen=True)
class Mean:
    """A mean over seeds.

    Attributes:
        mean: the mean.
        standard_error: of the mean; None of one value, which says nothing about its error.
        count: number of values.
    """

    mean: float
    standard_error: float | None
    count: int


@dataclasses.dataclass(frozen=True)
class Difference(Mean):
    """A mean difference over the seeds that two arms share.

    Attributes:
        median: of the differences.
        interval: the ends of the two-sided 95% t-interval; None of one seed.
        p: of a two-sided paired t-test; None of one seed.
    """

    median: float
    interval: tuple[float, float] | None
    p: float | None

    @property
    def decided(self) -> bool:
        """Whether the interval excludes zero."""
        return self.interval is not None and not self.interval[0] <= 0.0 <= self.interval[1]


def mean_of(values: Iterable[float]) -> Mean:
    """Returns the mean of one value a seed, with its standard error.

    Raises:
        ValueError: there is no value.
    """
    array = np.fromiter(values, np.float64)
    if array.size == 0:
        raise ValueError("values must hold at least one number; got none.")
    error = float(array.std(ddof=1)) / math.sqrt(array.size) if array.size > 1 else None
    return Mean(float(array.mean()), error, array.size)


def paired_difference(
    values: Mapping[int, float], reference: Mapping[int, float]
) -> Difference | None:
    """Returns `values - reference` over the seeds in both; None if there is no such seed.

    Args:
        values: one number a seed.
        reference: the same of what they are compared with.
    """
    seeds = sorted(values.keys() & reference.keys())
    if not seeds:
        return None
    differences = [values[seed] - reference[seed] for seed in seeds]
    found = mean_of(differences)
    return Difference(
        found.mean,
        found.standard_error,
        found.count,
        float(np.median(differences)),
        interval(found),
        _p_value(found),
    )


def interval(mean: Mean) -> tuple[float, float] | None:
    """Returns the ends of the two-sided 95% t-interval of a mean; None of one value."""
    if mean.standard_error is None:
        return None
    half = mean.standard_error * float(stats.t.ppf(0.975, mean.count - 1))
    return mean.mean - half, mean.mean + half


def holm(p_values: Mapping[K, float]) -> dict[K, float]:
    """Corrects p-values for their number: p times how many are no smaller, and never decreasing.

    References:
        Holm: A simple sequentially rejective multiple test procedure, 1979.
    """
    corrected: dict[K, float] = {}
    least = 0.0
    for place, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        least = max(least, min(1.0, (len(p_values) - place) * p_values[name]))
        corrected[name] = least
    return corrected


def _p_value(difference: Mean) -> float | None:
    if difference.standard_error is None:
        return None
    if difference.standard_error == 0.0:
        # Equal differences at every seed: two arms that are one and the same, or none at all.
        return 1.0 if difference.mean == 0.0 else 0.0
    t = difference.mean / difference.standard_error
    return float(2 * stats.t.sf(abs(t), difference.count - 1))
