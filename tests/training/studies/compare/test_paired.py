"""Means, paired tests and Holm's correction: by hand, against SciPy, and what must always hold."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tfp_lcma.training.studies.compare.paired import holm, mean_of, paired_difference

P_VALUES = st.lists(st.floats(0, 1), max_size=8).map(
    lambda values: {str(number): p for number, p in enumerate(values)}
)


def test_a_mean_and_its_standard_error_by_hand():
    found = mean_of([3.0, 4.0, 8.0])
    # Deviations -2, -1, 3: variance 14 / 2 = 7, standard error sqrt(7 / 3).
    assert (found.mean, found.count) == (5.0, 3)
    assert found.standard_error == pytest.approx(math.sqrt(7 / 3))


def test_one_value_claims_no_error():
    assert mean_of([2.5]).standard_error is None
    with pytest.raises(ValueError, match="at least one number"):
        mean_of([])


def test_differences_are_taken_seed_by_seed():
    arm, baseline = {2: 3.5, 0: 3.0, 1: 3.2, 7: 9.0}, {0: 3.1, 1: 3.4, 2: 3.6, 5: 1.0}
    found = paired_difference(arm, baseline)
    # -0.1, -0.2, -0.1: mean -4/30, standard error sqrt((2 * 1/900 + 4/900) / 2 / 3) = 1/30, t = -4.
    assert found.count == 3
    assert found.mean == pytest.approx(-4 / 30)
    assert found.standard_error == pytest.approx(1 / 30)
    # Student's t with 2 degrees of freedom: p = 1 - |t| / sqrt(t² + 2).
    assert found.p == pytest.approx(1 - 4 / math.sqrt(18))


def test_p_is_scipys():
    arm, baseline = [3.1, 2.9, 3.3, 3.0], [3.0, 3.0, 3.1, 2.7]
    found = paired_difference(dict(enumerate(arm)), dict(enumerate(baseline)))
    assert found.p == pytest.approx(stats.ttest_rel(arm, baseline).pvalue)


def test_the_interval_is_scipys_and_decides_by_excluding_zero():
    arm, baseline = [3.1, 2.9, 3.3, 3.0], [3.0, 3.0, 3.1, 2.7]
    found = paired_difference(dict(enumerate(arm)), dict(enumerate(baseline)))
    expected = stats.ttest_rel(arm, baseline).confidence_interval(0.95)
    assert found.interval == pytest.approx((expected.low, expected.high))
    assert found.median == pytest.approx(0.15) and not found.decided
    higher = paired_difference(dict(enumerate(np.add(arm, 0.3))), dict(enumerate(baseline)))
    assert higher.decided


def test_with_one_seed_nothing_is_claimed():
    found = paired_difference({0: 3.0}, {0: 3.5, 1: 3.0})
    assert (found.mean, found.standard_error, found.p) == (-0.5, None, None)
    assert found.interval is None and not found.decided
    assert paired_difference({0: 3.0}, {1: 3.0}) is None


def test_equal_arms_do_not_differ():
    found = paired_difference({0: 3.0, 1: 3.5}, {0: 3.0, 1: 3.5})
    assert (found.mean, found.p) == (0.0, 1.0)


def test_holm_by_hand():
    # 4 * 0.01, 3 * 0.02, 2 * 0.03 (the third), 0.5: none below the one before.
    corrected = holm({"d": 0.5, "a": 0.01, "c": 0.03, "b": 0.02})
    assert corrected == pytest.approx({"a": 0.04, "b": 0.06, "c": 0.06, "d": 0.5})
    # 2 * 0.3 = 0.6, then 0.31 is lifted to it.
    assert holm({"a": 0.3, "b": 0.31}) == pytest.approx({"a": 0.6, "b": 0.6})
    assert holm({}) == {}


@given(P_VALUES)
def test_holm_keeps_the_order_and_never_lowers_a_p_value(p_values):
    corrected = holm(p_values)
    assert corrected.keys() == p_values.keys()
    for name, p in p_values.items():
        assert p <= corrected[name] <= 1
        assert all(corrected[name] <= corrected[o] for o, q in p_values.items() if p < q)


@given(P_VALUES)
def test_holm_is_no_stricter_than_bonferroni(p_values):
    for name, p in holm(p_values).items():
        assert p <= min(1.0, len(p_values) * p_values[name])
