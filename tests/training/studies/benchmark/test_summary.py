"""Medians, quartiles, and ratios that a slow round cannot bend."""

import pytest

from tests.training.studies.benchmark.made_up import measured, unmeasured
from tfp_lcma.training.studies.benchmark.summary import disturbances, entries, fastest, ratio

CASE = "glow"


def by_name(rows):
    return {entry.implementation: entry for entry in entries(rows, CASE)}


def test_seconds_are_the_median_over_all_calls_and_ratios_are_taken_within_a_round():
    # The machine is ten times slower in the second round; the third has no floor.
    rows = [
        measured(CASE, "ours", 0, 2.0),
        measured(CASE, "floor-torch", 0, 1.0),
        measured(CASE, "floor-torch", 1, 10.0),
        measured(CASE, "ours", 1, 30.0),
        measured(CASE, "ours", 2, 4.0),
    ]
    found = by_name(rows)
    assert found["ours"].seconds("log_prob").middle == pytest.approx(4.0)
    spread = ratio(found["ours"], found["floor-torch"], "log_prob")
    assert (spread.middle, spread.low, spread.high) == pytest.approx((2.5, 2.0, 3.0))


def test_the_fastest_is_of_its_kind_and_of_the_task():
    rows = [
        measured(CASE, "ours", 0, 1.0),
        measured(CASE, "tfp", 0, 3.0),
        measured(CASE, "nflows", 0, 2.0),
        unmeasured(CASE, "normflows", None, "not installed", "normflows"),
    ]
    rows[1]["seconds"]["sample"] = [1.5]
    found = entries(rows, CASE)
    assert fastest(found, "peer", "log_prob").implementation == "nflows"
    assert fastest(found, "peer", "sample").implementation == "tfp"
    assert fastest(found, "floor", "sample") is None
    assert ratio(found[0], None, "sample") is None


def test_what_was_measured_counts_whatever_else_happened():
    rows = [
        unmeasured(CASE, "nflows", None, "not installed", "nflows"),
        measured(CASE, "nflows", 0, 1.0, others=None, peak_megabytes=None),
        unmeasured(CASE, "tfp", 0, "failed", "took too long"),
    ]
    found = by_name(rows)
    assert list(found["nflows"].rows) == [0]
    assert found["nflows"].median("peak_megabytes") is None
    assert found["tfp"].trouble == "failed: took too long"
    assert disturbances(rows) == []
