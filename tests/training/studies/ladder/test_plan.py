"""A plan says what is run; what is wrong with one is named."""

import re
from pathlib import Path

import pytest

from tests.training.studies.ladder.made_up import PLAN, write_plan
from tfp_lcma.training.studies.ladder.plan import read_plan, steps_of

COMMITTED = sorted((Path(__file__).parents[4] / "docs" / "results" / "ladder").glob("*.toml"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("best = 1", "bets = 1", "the plan must have the keys data, model"),
        ("best = 1", 'best = "1"', "best must be of type int; got '1'"),
        ('"10-12"', '"2-4"', r"report_seeds must have no seed of select_seeds; both have \[2\]"),
        ('"10-12"', '"3"', "report_seeds must be a range like 10-15; got '3'"),
        ('own = ["haar"', 'own = ["har"', "own must be one of haar, "),
        ('seeds = "select"', 'seeds = "both"', "seeds must be one of select, report; got 'both'"),
        ('"lcma", "haar", "channel"', '"lcma", "haar"', "must come after those of seeds"),
        ("chosen_at = 40", "chosen_at = 80", "must come after those of seeds"),
        ("best = 1", "best = = 1", "must be TOML"),
        ('"checkerboard", "lcma"]', '"checkerboard", "data"]', "must stand in questions only"),
        ('against = "lcma"', 'against = "best"', "against must be one of "),
    ],
)
def test_what_is_wrong_with_a_plan_is_named(tmp_path, old, new, message):
    assert old in PLAN
    path = write_plan(tmp_path, PLAN.replace(old, new, 1))
    with pytest.raises(ValueError, match=f"plan.toml(:)? .*{message}"):
        read_plan(path)


def test_runs_are_in_the_order_of_the_plan_seed_by_seed(tmp_path):
    plan = read_plan(write_plan(tmp_path))
    found = [(runs.steps, seed) for runs, seed in plan.tasks()]
    assert found == [(80, 10), (80, 11), (80, 12), (40, 0), (40, 1), (40, 2), *found[:3]]
    assert plan.rungs == [40, 80]
    assert plan.arms(["lcma", "best"], ("haar", "lcma")) == ("lcma", "haar")


def hours(plan):
    runs = [(runs.steps, seed, arm) for runs, seed in plan.tasks() for arm in runs.arms]
    return steps_of(plan, runs) * plan.step_seconds / 3600


def test_hours_count_runs_and_one_pretraining_a_seed_and_length(tmp_path):
    plan = read_plan(write_plan(tmp_path))
    # Runs: 3 seeds of 3 times 80 and 5 times 40 steps; pre-trainings of 40 and 20 steps.
    assert hours(plan) == pytest.approx(3 * (3 * 80 + 5 * 40 + 40 + 20) * 36 / 3600)


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_committed_plans_say_their_hours(path):
    plan = read_plan(path)
    assert plan.hours == pytest.approx(hours(plan), abs=0.051)
    assert re.search(r"thread", plan.note)
