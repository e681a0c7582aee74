"""The measurement of what choosing a split costs."""

from click.testing import CliRunner
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.studies.overheads import online_splits as overhead

from tests.toys import tiny_flow


def test_command_compares_online_with_static_and_states_its_noise(monkeypatch):
    def build_flow(recipe, event_shape, factorization):
        return tiny_flow(event_shape, 2, factorization)

    monkeypatch.setattr(Recipe, "build_flow", build_flow)
    arguments = ["--data", "digits", "--rounds", "4", "--set", "model.width=4"]
    result = CliRunner().invoke(overhead.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    for line in ("the same again (noise)", "online, drawing every step", "online, settled"):
        assert line in result.output
    assert "collecting statistics of 1,297 images takes as long as" in result.output


def test_too_few_rounds_are_refused():
    result = CliRunner().invoke(overhead.main, ["--data", "digits", "--rounds", "2"])
    assert result.exit_code == 1
    assert "rounds must be at least 4; got 2" in result.output
