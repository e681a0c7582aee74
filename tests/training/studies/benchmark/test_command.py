"""The command, end to end, on a tiny case: ours and its floor in processes of their own."""

import json

from click.testing import CliRunner
from tfp_lcma.training.studies.benchmark.__main__ import main

COMMAND = ["--cases", "tiny-glow", "--rounds", "1", "--repetitions", "2", "--threads", "1"]


def run(folder, *more):
    arguments = [*COMMAND, "--run-dir", str(folder), *more]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_command_times_ours_against_the_floor_and_carries_on(tmp_path):
    names = ("--implementations", "ours,floor-tensorflow")
    run(tmp_path, *names)
    written = (tmp_path / "results.jsonl").read_text()
    rows = [json.loads(line) for line in written.splitlines()]
    assert [row["status"] for row in rows] == ["measured", "measured"], rows
    ours, floor = rows
    assert all(len(calls) == 2 for calls in ours["seconds"].values())
    # The floor lacks biases, actnorms, triangular factors and exit priors.
    assert ours["parameters"] > floor["parameters"] > 0
    text = (tmp_path / "report" / "report.md").read_text()
    assert "the floor: training step" in text
    assert (tmp_path / "report" / "tiny-glow.png").exists()
    # Again: nothing is left to time.
    output = run(tmp_path, *names, "--report-dir", str(tmp_path / "elsewhere"))
    assert output == f"The report is {tmp_path / 'elsewhere' / 'report.md'}.\n"
    assert (tmp_path / "results.jsonl").read_text() == written


def test_unknown_names_are_refused(tmp_path):
    for option in ("--cases", "--implementations"):
        result = CliRunner().invoke(main, [option, "glow,nonsense", "--run-dir", str(tmp_path)])
        assert result.exit_code == 1
        assert f"Error: {option[2:]} must be some of" in result.output
        assert "got 'glow,nonsense'" in result.output
