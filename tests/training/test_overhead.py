"""The measurement of what choosing a split costs."""

import numpy as np
from click.testing import CliRunner

from tests.toys import tiny_flow
from training import overhead
from training.recipe import Recipe


def test_ratio_is_the_median_of_paired_ratios_within_its_interval():
    reference = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    assert overhead.ratio(3 * reference, reference) == (3.0, 3.0, 3.0)
    noise = np.random.default_rng(0).normal(1.1, 0.1, 200)
    middle, low, high = overhead.ratio(noise, np.ones(200))
    assert low < middle < high
    assert abs(middle - 1.1) < 0.03
    assert high - low < 0.06


def test_calls_alternate_so_that_a_slow_moment_meets_all():
    seen = []
    steps = {name: lambda name=name: seen.append(name) for name in "abc"}
    durations = overhead.timed(steps, 4)
    assert "".join(seen) == "aabbcc" + "abccba" * 2
    assert {name: len(times) for name, times in durations.items()} == dict.fromkeys("abc", 4)
    assert all((times > 0).all() for times in durations.values())


def test_command_compares_online_with_static_and_states_its_noise(monkeypatch):
    def build_flow(recipe, event_shape, factorization):
        return tiny_flow(event_shape, 2, factorization)

    monkeypatch.setattr(Recipe, "build_flow", build_flow)
    arguments = ["--recipe", "digits", "--rounds", "4", "--width", "4"]
    result = CliRunner().invoke(overhead.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    for line in ("the same again (noise)", "online, drawing every step", "online, settled"):
        assert line in result.output
    assert "collecting statistics of 1,297 images" in result.output


def test_too_few_rounds_are_refused():
    result = CliRunner().invoke(overhead.main, ["--recipe", "digits", "--rounds", "2"])
    assert result.exit_code == 1
    assert "rounds must be at least 4; got 2" in result.output
