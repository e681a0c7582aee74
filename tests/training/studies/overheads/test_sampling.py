"""The command that times exit priors when sampling."""

import re

import pytest
from click.testing import CliRunner
from tfp_lcma.training.studies.overheads.sampling import main


def test_command_compares_priors_and_states_its_noise():
    result = CliRunner().invoke(
        main,
        [
            "--data",
            "digits",
            "--model",
            "glow",
            "--set",
            "model.width=2",
            "--batch",
            "4",
            "--rounds",
            "4",
        ],
    )
    assert result.exit_code == 0, result.output
    assert "4 samples of 8×8×1, 4 rounds" in result.output
    ratios = [float(text) for text in re.findall(r"(\d+\.\d+)  \(95%", result.output)]
    assert len(ratios) == 3
    assert min(ratios) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "digits", "--model", "glow", "--rounds", "3"), "rounds"),
        (("--data", "cifar10", "--model", "glow", "--data-dir", "/nowhere"), "cifar10"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code != 0
    assert message in result.output
    assert "Traceback" not in result.output
