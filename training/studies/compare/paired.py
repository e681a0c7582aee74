"""Statistics of runs that share their seeds: means, paired differences, Holm's correction."""

import dataclasses
import math
from collections.abc import Iterable, Mapping

import numpy as np
from scipy import stats


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
        p: of a two-sided paired t-test; None of one seed.
    """

    p: float | None


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
    found = mean_of(values[seed] - reference[seed] for seed in seeds)
    return Difference(found.mean, found.standard_error, found.count, _p_value(found))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Corrects p-values for their number: p times how many are no smaller, and never decreasing.

    References:
        Holm: A simple sequentially rejective multiple test procedure, 1979.
    """
    corrected: dict[str, float] = {}
    least = 0.0
    for place, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
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
