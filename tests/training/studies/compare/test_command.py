"""The command line: explains itself, says what is wrong, tells the report how it was called."""

import pytest
from click.testing import CliRunner
from tfp_lcma.training.studies.compare import study
from tfp_lcma.training.studies.compare.__main__ import main, parse_seeds


def call(*arguments):
    return CliRunner().invoke(main, list(arguments))


def test_help_explains_every_option():
    result = call("--help")
    assert result.exit_code == 0
    for option in ("--data", "--steps", "--seeds", "--arms", "--finalists", "--extractor"):
        assert option in result.output
    assert "carries on after the last finished run" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "cats"), "got 'cats'"),
        (("--data", "digits", "--arms", "lcma,best"), "arms must be among checkerboard,"),
        (("--data", "digits", "--finalists", "best"), "finalists must be among checkerboard,"),
        (("--data", "digits", "--arms", "", "--finalists", "lcma"), "must have finished runs"),
        (("--data", "digits", "--seeds", "0"), "seeds must be how many (3) or which (3-5)"),
        (("--data", "digits", "--steps", "0"), "steps must be at least 1; got 0"),
        (("--data", "digits", "--pretrain-steps", "-1"), "pretrain_steps must be at least 1"),
        (("--data", "digits", "--set", "model.levels=6"), "cannot have 6 levels"),
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
    with pytest.raises(ValueError, match="seeds must be how many"):
        parse_seeds(text)


def test_settings_reach_the_study_and_the_command_its_report(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(study.Study, "run", lambda self, *asked: calls.append((self, asked)))
    (tmp_path / "config.json").write_text("{}")
    result = call(
        "--data", "digits", "--steps", "50", "--set", "model.width=8",
        "--arms", "lcma", "--seeds", "2",
        "--data-dir", "/somewhere/private", "--run-dir", str(tmp_path), "--quiet",
    )  # fmt: skip
    assert result.exit_code == 1 and isinstance(result.exception, (KeyError, SystemExit))
    ((made, (arms, seeds)),) = calls
    assert (made.recipe.steps, made.recipe.pretrain_steps, made.recipe.flow["width"]) == (50, 25, 8)
    assert (arms, seeds) == (("checkerboard", "lcma"), [0, 1])
    assert made.command == (
        "main --data digits --set model.width=8 --steps 50 --seeds 2 --arms lcma "
        f"--data-dir DIR --run-dir {tmp_path} --quiet"
    )
