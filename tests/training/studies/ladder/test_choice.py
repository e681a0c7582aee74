"""The best of our own are chosen by seeds that select, once, and the reason is written down."""

import json

import pytest

from tests.training.studies.compare.study_folder import result
from tests.training.studies.ladder.made_up import PLAN, write_plan, write_runs
from tfp_lcma.training.studies.ladder.choice import chosen_arms
from tfp_lcma.training.studies.ladder.plan import read_plan
from tfp_lcma.training.studies.results import ResultsFile


@pytest.fixture
def plan(tmp_path):
    return read_plan(write_plan(tmp_path / "plan", PLAN.replace("best = 1", "best = 2")))


def test_nothing_is_chosen_before_all_have_been_run(plan, tmp_path):
    folder = write_runs(tmp_path / "runs", rungs=[(40, range(2))])
    assert chosen_arms(plan, folder) is None
    assert not (folder / "chosen.json").exists()


def test_the_lowest_differences_are_chosen_and_the_choice_stays(plan, tmp_path):
    folder = write_runs(tmp_path)
    assert chosen_arms(plan, folder) == ("haar", "channel")
    kept = json.loads((folder / "chosen.json").read_text())
    assert kept["differences"]["haar"]["difference"] == pytest.approx(-0.3)
    assert "2 lowest mean differences from checkerboard on validation images" in kept["rule"]
    (folder / "40" / "results.jsonl").unlink()
    assert chosen_arms(plan, folder) == ("haar", "channel")


def test_arms_that_failed_or_are_the_baseline_are_not_chosen(plan, tmp_path):
    results = ResultsFile(tmp_path / "40" / "results.jsonl")
    for seed in range(3):
        results.append(result("checkerboard", seed, 3.0))
        failed = {"arm": "haar", "seed": seed, "command": "c", "failed": "loss became NaN"}
        results.append(failed if seed == 1 else result("haar", seed, 1.0))
        results.append(result("complement", seed, 3.0) | {"same_as": "checkerboard"})
        results.append(result("channel", seed, 3.5))
    assert chosen_arms(plan, tmp_path) == ("channel",)
