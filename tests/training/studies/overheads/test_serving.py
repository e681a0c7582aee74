"""The command that times an exported model beside the Keras model."""

import re

import pytest
from click.testing import CliRunner
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.studies.overheads.serving import main

from tests.toys import tiny_flow


def test_command_compares_exports_with_keras_and_states_its_noise(monkeypatch):
    def build_flow(recipe, event_shape, factorization):
        return tiny_flow(event_shape, 2, factorization)

    monkeypatch.setattr(Recipe, "build_flow", build_flow)
    result = CliRunner().invoke(main, ["--data", "digits", "--batch", "4", "--rounds", "4"])
    assert result.exit_code == 0, result.output
    assert "log_prob of 4 images, 4 rounds" in result.output
    ratios = [float(text) for text in re.findall(r"(\d+\.\d+)  \(95%", result.output)]
    assert len(ratios) == 4
    assert min(ratios) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "digits", "--rounds", "3"), "rounds"),
        (("--data", "cifar10", "--data-dir", "/nowhere"), "cifar10"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code != 0
    assert message in result.output
    assert "Traceback" not in result.output
