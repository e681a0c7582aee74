"""`tfp-lcma compare` explains itself, says what is wrong, tells the report how it was called."""

import click
import pytest
from click.testing import CliRunner

from tfp_lcma.training.cli.compare import compare, parse_seeds
from tfp_lcma.training.studies.compare import finalists, report, study


def call(*arguments):
    return CliRunner().invoke(compare, list(arguments), prog_name="tfp-lcma compare")


def test_help_explains_every_option():
    result = call("--help")
    assert result.exit_code == 0
    for option in compare.params:
        assert option.help, option.name
        assert option.opts[0] in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "cats"), "got 'cats'"),
        (("--data", "digits", "--arms", "lcma,har"), "--arms must be one of haar, "),
        (("--data", "digits", "--finalists", "best"), "--finalists must be one of "),
        (("--data", "digits", "--seeds", "0"), "--seeds must be how many (3) or which (3-5)"),
        (("--data", "digits", "--report-seeds", "2-4"), "both have 2."),
        (("--data", "digits", "--report-seeds", "7-6"), "--report-seeds must be how many"),
        (("--data", "digits", "--report-seeds", "10-11"), "must come with --finalists"),
        (("--data", "digits", "--steps", "0"), "'--steps': 0 is not in the range"),
        (("--data", "digits", "--pretrain-steps", "-1"), "'--pretrain-steps': -1 is not in"),
        (("--data", "digits", "--compare", "priors"), "'priors' is not one of 'splits', 'exit-"),
        (("--data", "digits", "--set", "model.levels=6"), "cannot have 6 levels"),
        (("--data", "digits", "--arms", "", "--finalists", "lcma"), "must have finished runs"),
    ],
)
def test_bad_arguments_are_named_in_one_line(tmp_path, arguments, message):
    result = call(*arguments, "--run-dir", str(tmp_path / "run"))
    assert result.exit_code != 0
    assert message in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("text", "seeds"), [("3", [0, 1, 2]), ("0-2", [0, 1, 2]), ("3-5", [3, 4, 5]), ("4-4", [4])]
)
def test_seeds_are_a_number_or_a_range(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "-1", "5-3", "1,2", "three", "0"])
def test_other_seeds_are_refused(text):
    with pytest.raises(click.UsageError, match="--seeds must be how many"):
        parse_seeds(text)


def test_settings_reach_the_study_and_the_command_its_report(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(study.Study, "run", lambda self, *asked: calls.append((self, asked)))
    monkeypatch.setattr(report, "write_report", lambda folder, into: into / "report.md")
    arguments = [
        "--data", "digits", "--steps", "50", "--set", "model.width=8", "--arms", "lcma",
        "--seeds", "2", "--data-dir", "/somewhere/private", "--run-dir", str(tmp_path), "--quiet",
    ]  # fmt: skip
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    written = tmp_path / "report" / "report"
    assert result.output == f"The report is {written}.md; as one page, {written}.html.\n"
    ((made, (arms, seeds)),) = calls
    assert (made.recipe.steps, made.recipe.pretrain_steps, made.recipe.flow["width"]) == (50, 25, 8)
    assert (arms, seeds) == (("checkerboard", "lcma"), [0, 1])
    words = made.command.split()
    assert words[:2] == ["tfp-lcma", "compare"]
    assert "--data-dir DIR" in made.command and "private" not in made.command
    for flag, value in zip(arguments[:-1:2], arguments[1::2], strict=True):
        assert flag == "--data-dir" or f"{flag} {value}" in made.command
    # Without training, neither the images nor the study are asked for.
    assert call(*arguments, "--report-only").exit_code == 0
    assert len(calls) == 1


def test_report_seeds_are_of_the_baseline_finalists_and_controls(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(
        study.Study, "run", lambda self, arms, seeds, report=False: calls.append((arms, seeds))
    )
    monkeypatch.setattr(finalists, "read_test", lambda *given, **named: None)
    monkeypatch.setattr(report, "write_report", lambda folder, into: into / "report.md")
    asked = ["--arms", "lcma,haar,no-split", "--finalists", "lcma", "--report-seeds", "10-11"]
    result = call("--data", "digits", *asked, "--run-dir", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert calls == [
        (("checkerboard", "lcma", "haar", "no-split"), [0, 1, 2]),
        (["checkerboard", "lcma", "no-split"], [10, 11]),
    ]
