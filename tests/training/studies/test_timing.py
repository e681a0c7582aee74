"""Times taken in turn, as ratios."""

import numpy as np

from tfp_lcma.training.studies import timing


def test_ratio_is_the_median_of_paired_ratios_within_its_interval():
    reference = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    assert timing.ratio(3 * reference, reference) == (3.0, 3.0, 3.0)
    noise = np.random.default_rng(0).normal(1.1, 0.1, 200)
    middle, low, high = timing.ratio(noise, np.ones(200))
    assert low < middle < high
    assert abs(middle - 1.1) < 0.03
    assert high - low < 0.06


def test_calls_alternate_so_that_a_slow_moment_meets_all():
    seen = []
    steps = {name: lambda name=name: seen.append(name) for name in "abc"}
    durations = timing.timed(steps, 4)
    assert "".join(seen) == "aabbcc" + "abccba" * 2
    assert {name: len(times) for name, times in durations.items()} == dict.fromkeys("abc", 4)
    assert all((times > 0).all() for times in durations.values())
