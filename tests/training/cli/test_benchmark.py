"""`tfp-lcma benchmark`, end to end on a tiny case, and what goes with which of its kinds."""

import json

import pytest
from click.testing import CliRunner

from tests.training.studies.benchmark.made_up import measured
from tfp_lcma.training.cli.benchmark import benchmark
from tfp_lcma.training.studies import overheads as overheads_study
from tfp_lcma.training.studies.benchmark import run as running


def call(*arguments):
    return CliRunner().invoke(benchmark, list(map(str, arguments)))


def test_help_explains_every_option():
    result = call("--help")
    assert result.exit_code == 0
    for option in benchmark.params:
        assert option.help, option.name
        assert option.opts[0] in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--overheads", "--depth"), "Give one of --overheads, --depth, --scale; got"),
        (("--scale",), "Give --data with --scale"),
        (("--width", "8"), "--width goes with --depth"),
        (("--data", "digits"), "--data goes with --overheads or --scale"),
        (("--depth", "--cases", "glow"), "--cases does not go with --depth"),
        (("--overheads", "--run-dir", "a"), "--run-dir does not go with --overheads"),
        (("--depth", "--depths", "4,x"), "--depths must be numbers"),
        (("--overheads",), "Give --data with --overheads"),
        (("--overheads", "--data", "digits", "--rounds", "2"), "--rounds must be at least 4"),
        (("--overheads", "--data", "digits", "--cases", "exit"), "--cases must be one of exits, "),
        (("--cases", "glow,nonsense"), "--cases must be one of "),
        (("--implementations", "ours,nonsense"), "--implementations must be one of ours, "),
    ],
)
def test_what_does_not_go_together_or_is_unknown_is_refused(arguments, message):
    result = call(*arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_command_carries_on_and_writes_the_report_where_it_is_asked_to(tmp_path, monkeypatch):
    worked = []

    def work(self, case, name):
        worked.append(name)
        row = measured(case, name, 0, 1.0)
        return {key: row[key] for key in row if key not in ("case", "implementation", "round")}

    monkeypatch.setattr(running.Benchmark, "_work", work)
    command = (
        "--cases", "tiny-glow", "--rounds", 1, "--threads", 1, "--run-dir", tmp_path,
        "--implementations", "ours,floor-tensorflow",
    )  # fmt: skip
    assert call(*command).exit_code == 0
    assert worked == ["ours", "floor-tensorflow"]
    assert (tmp_path / "report" / "tiny-glow.png").exists()
    result = call(*command, "--report-dir", tmp_path / "elsewhere")
    assert result.output == f"The report is {tmp_path / 'elsewhere' / 'report.md'}.\n"
    assert len(worked) == 2
    rows = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [row["status"] for row in rows] == ["measured", "measured"]


def test_overheads_are_asked_of_the_recipe_and_parts_that_were_given(monkeypatch):
    asked = []

    def answer(recipe, dataset, parts, rounds, say):
        asked.append((recipe.name, recipe.flow["width"], dataset.name, parts, rounds))
        return "the table"

    monkeypatch.setattr(overheads_study, "overheads", answer)
    result = call(
        "--overheads", "--data", "digits", "--model", "glow", "--set", "model.width=2",
        "--cases", "exits,batching", "--rounds", 4,
    )  # fmt: skip
    assert result.output == "the table\n"
    assert asked == [("digits-glow", 2, "digits", ["exits", "batching"], 4)]
