"""`tfp-lcma ladder` explains itself, says what is wrong, and runs its plan."""

import click
import pytest
from click.testing import CliRunner

from tests.training.studies.ladder.made_up import PLAN, write_plan, write_runs
from tfp_lcma.training.cli.ladder import ladder
from tfp_lcma.training.studies.ladder import run


def call(*arguments):
    return CliRunner().invoke(ladder, list(map(str, arguments)), prog_name="tfp-lcma ladder")


def test_help_explains_every_option():
    result = call("--help")
    assert result.exit_code == 0
    for option in ladder.params:
        if isinstance(option, click.Option):
            assert option.help and option.opts[0] in result.output, option.name


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("best = 1", "", "the plan must have the keys"),
        ('data = "digits"', 'data = "cats"', "got 'cats'"),
        ('model = "real_nvp"', 'model = "glwo"', "--model must be one of glow"),
        ('"evaluation.draws" = 2', '"evaluation.drwas" = 2', "evaluation.drwas"),
    ],
)
def test_bad_plans_are_named(tmp_path, old, new, message):
    path = write_plan(tmp_path, PLAN.replace(old, new))
    result = call(path, "--run-dir", tmp_path / "run")
    assert result.exit_code == 2 and message in result.output
    assert "Traceback" not in result.output


def test_settings_and_the_command_reach_the_runs_and_the_report_needs_none(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(run.Ladder, "run", lambda self: made.append(self))
    folder = write_runs(tmp_path / "runs")
    plan = write_plan(tmp_path)
    asked = [plan, "--run-dir", folder, "--data-dir", "/somewhere/private", "--quiet"]
    result = call(*asked)
    assert result.exit_code == 0, result.output
    (one,) = made
    assert one.recipe.draws == 2 and one.plan.best == 1
    assert one.command == f"tfp-lcma ladder {plan} --run-dir {folder} --data-dir DIR --quiet"
    assert (folder / "plan.toml").read_text() == plan.read_text()
    assert call(*asked, "--report-only").exit_code == 0
    assert len(made) == 1 and (folder / "report" / "report.md").exists()
