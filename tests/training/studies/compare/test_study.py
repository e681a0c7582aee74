"""The study: fixed budgets, shared pre-training, twins, failures, and what is never done twice."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from tfp_lcma.training.data import Dataset, Split
from tfp_lcma.training.recipes import Recipe, load_recipe
from tfp_lcma.training.runs.evaluation import test_bits as bits_of
from tfp_lcma.training.runs.online_choices import ChoiceLog
from tfp_lcma.training.runs.progress import Progress
from tfp_lcma.training.runs.trainer import TrainingFailedError
from tfp_lcma.training.studies.compare import exchange, finalists, pretraining, study
from tfp_lcma.training.studies.compare.arms import ARMS
from tfp_lcma.training.studies.compare.comparisons import COMPARISONS
from tfp_lcma.training.studies.compare.figures import draw_figures
from tfp_lcma.training.studies.compare.finalists import read_test
from tfp_lcma.training.studies.compare.study import Study
from tfp_lcma.training.studies.compare.summary import summarize
from tfp_lcma.training.studies.results import ResultsFile, find

from tests.toys import pictures
from tests.training.tiny import build_tiny_flow
from tfp_lcma.factorizations import LogDetStatistics

SETTINGS = {
    "steps": 6, "pretrain_steps": 4, "batch_size": 8, "validate_every": 4, "draws": 2,
}  # fmt: skip

SPLITS = COMPARISONS["splits"]


@pytest.fixture(autouse=True)
def tiny_flows(monkeypatch):
    monkeypatch.setattr(Recipe, "build_flow", build_tiny_flow)


@pytest.fixture(scope="module")
def dataset():
    return Dataset("toy", *(Split(pictures(40, seed=seed)) for seed in range(3)))


def toy_study(folder, dataset, **changes):
    recipe = load_recipe("digits", **(SETTINGS | changes))
    return Study("splits", recipe, dataset, folder, command="try", progress=Progress(quiet=True))


def rows(folder, name="results.jsonl"):
    return ResultsFile(folder / name).rows()


def count_calls(monkeypatch, module, name):
    """Lets calls through and keeps their keyword arguments."""
    calls, function = [], getattr(module, name)

    def counted(*arguments, **keywords):
        calls.append(keywords)
        return function(*arguments, **keywords)

    monkeypatch.setattr(module, name, counted)
    return calls


@pytest.fixture(scope="module")
def finished(tmp_path_factory, dataset):
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recipe, "build_flow", build_tiny_flow)
        arms = SPLITS.choose(["lcma", "checkerboard-more-time", "online-lcma"], "arms")
        toy_study(folder, dataset).run(arms, [0])
    return folder


def test_every_arm_has_a_row_with_its_budget_and_its_curve(finished, dataset):
    baseline, lcma, longer, online = rows(finished)
    assert [row["arm"] for row in rows(finished)] == [
        "checkerboard", "lcma", "checkerboard-more-time", "online-lcma"
    ]  # fmt: skip
    for row in (baseline, lcma, online):
        assert row["steps"] == 6
        assert [look["step"] for look in row["history"]] == [4, 6]
        assert (row["validation"]["images"], row["validation"]["draws"]) == (40, 2)
        assert (finished / row["model"]).exists()
        assert row["quality"] is None, "the toy has no classes"
    assert baseline["pairs"] == [[[0, 0, 4, 0, 0, 0]]]
    assert np.sum(lcma["pairs"]) == 4
    assert min(lcma["pretraining"].values()) > 0
    rates = json.loads((finished / "exchange.json").read_text())
    worth = 4 * rates["step_ratio"] + rates["collecting"]
    assert rates["steps"] == pytest.approx(worth)
    assert rates["low"] <= rates["step_ratio"] <= rates["high"]
    assert longer["steps"] == 6 + round(worth)
    assert longer["pretraining"] is None


def test_an_online_arm_needs_no_pretraining_and_says_what_it_would_have_chosen(finished):
    online = find(rows(finished), "online-lcma", 0)
    assert online["pretraining"] is None
    assert np.sum(online["pairs"]) == 4
    steps, shares = ChoiceLog(finished / "choices" / "online-lcma-0.json").curves()[0]
    assert steps == [1, 2]
    np.testing.assert_allclose(shares[-1], np.divide(online["pairs"][0][0], 4))
    captions = draw_figures(
        finished, finished / "report", summarize(finished, SPLITS.baseline), SPLITS
    )
    assert "online-lcma-choices-level-1.png" in captions
    assert (finished / "report" / "online-lcma-choices-level-1.png").exists()


def test_finished_runs_and_pretrainings_are_not_done_again(finished, dataset, monkeypatch):
    before = rows(finished)
    again = toy_study(finished, dataset)
    calls = count_calls(monkeypatch, study, "measure")
    again.run(SPLITS.choose(["lcma"], "arms"), [0])
    assert calls == []
    trainings = count_calls(monkeypatch, pretraining, "Trainer")
    again.run(SPLITS.choose(["lcma-low"], "arms"), [0])
    assert len(calls) == 1 and trainings == []
    assert rows(finished)[:4] == before


def test_another_budget_in_the_same_folder_is_refused(finished, dataset):
    with pytest.raises(ValueError, match=r"other settings \(--steps is 6 there, 7 here\)"):
        toy_study(finished, dataset, steps=7).run(["checkerboard"], [0])


def test_the_test_images_are_read_once_and_only_for_finalists(finished, dataset, monkeypatch):
    calls = count_calls(monkeypatch, finalists.evaluation, "test_bits")

    def read():
        read_test(finished, dataset.test, ("checkerboard", "lcma"), draws=2, command="t", say=str)

    assert not (finished / "test.jsonl").exists()
    read()
    tested = rows(finished, "test.jsonl")
    assert [(row["arm"], row["seed"]) for row in tested] == [("checkerboard", 0), ("lcma", 0)]
    read()
    assert len(calls) == 2 and rows(finished, "test.jsonl") == tested
    with pytest.raises(ValueError, match="'haar' has none"):
        read_test(finished, dataset.test, ["haar"], draws=2, command="t", say=str)


def test_the_saved_model_is_the_one_that_was_evaluated(finished, dataset):
    row = find(rows(finished), "lcma", 0)
    again = bits_of(keras.saving.load_model(finished / row["model"]), dataset.validation, 2, 0)
    assert again == pytest.approx(row["validation"], abs=1e-6)


@pytest.fixture
def made_up_runs(monkeypatch):
    """Runs that take no time; that of Glow's split fails."""
    calls = []

    def measure(recipe, dataset, factorization, seed, *, name, **others):
        calls.append(name)
        if name.startswith("channel"):
            raise TrainingFailedError("loss became NaN or infinite at step 3")
        bits = {"bits_per_dimension": float(len(calls))}
        return {"step_seconds": 0.1, "seconds": 1.0, "validation": bits, "model": name}

    monkeypatch.setattr(study, "measure", measure)
    return calls


def test_an_arm_that_splits_as_an_earlier_one_shares_its_run(
    tmp_path, dataset, monkeypatch, made_up_runs
):
    twin = dataclasses.replace(ARMS["complement"], build=ARMS["checkerboard"].build)
    monkeypatch.setitem(ARMS, "complement", twin)
    toy_study(tmp_path, dataset).run(["checkerboard", "haar"], [0])
    # In a later call, where the earlier split has to be built again.
    arms = ["checkerboard", "checkerboard-position-aware", "complement"]
    toy_study(tmp_path, dataset).run(arms, [0])
    assert made_up_runs == ["checkerboard-0", "haar-0", "checkerboard-position-aware-0"]
    shared = find(rows(tmp_path), "complement", 0)
    assert (shared["same_as"], shared["model"]) == ("checkerboard", "checkerboard-0")
    assert shared["validation"] == find(rows(tmp_path), "checkerboard", 0)["validation"]


def test_an_arm_may_get_the_time_that_another_takes(tmp_path, dataset, monkeypatch):
    steps = []

    def measure(*_, name, **others):
        steps.append(others["steps"])
        bits = {"bits_per_dimension": 1.0}
        return {"step_seconds": 0.1, "seconds": 1.0, "validation": bits, "model": name}

    monkeypatch.setattr(study, "measure", measure)
    monkeypatch.setattr(exchange, "ratio", lambda *_: (2.5, 2.4, 2.6))
    arms = ["conditional-gaussian", "conditional-gaussian-as-long", "channel-autoregressive"]
    toy_study(tmp_path, dataset).run(arms, [0, 1])
    assert steps == [6, 15, 6] * 2
    (kept,) = tmp_path.glob("exchange-*.json")
    assert json.loads(kept.read_text()) == {"ratio": 2.5, "low": 2.4, "high": 2.6}


def test_a_failed_run_is_recorded_and_the_study_goes_on(tmp_path, dataset, made_up_runs):
    toy_study(tmp_path, dataset).run(["checkerboard", "channel", "complement"], [0, 1])
    assert len(made_up_runs) == 6
    for seed in (0, 1):
        failed = find(rows(tmp_path), "channel", seed)
        assert failed["failed"] == "loss became NaN or infinite at step 3"
        assert "validation" not in failed
        assert "failed" not in find(rows(tmp_path), "complement", seed)


def test_a_later_call_adds_seeds_and_arms(tmp_path, dataset, made_up_runs):
    toy_study(tmp_path, dataset).run(["checkerboard", "haar", "random"], [0])
    toy_study(tmp_path, dataset).run(["checkerboard", "haar"], [0, 1])
    assert made_up_runs[3:] == ["checkerboard-1", "haar-1"]


def test_a_failed_pretraining_fails_its_arms_and_is_not_tried_again(tmp_path, dataset, monkeypatch):
    made = toy_study(tmp_path, dataset, learning_rate=1e30)
    trainings = count_calls(monkeypatch, pretraining, "Trainer")
    made.run(["checkerboard", "lcma", "exit-price"], [0])
    failures = {row["arm"]: row["failed"] for row in rows(tmp_path)}
    assert "loss became NaN or infinite at step" in failures["checkerboard"]
    for name in ("lcma", "exit-price"):
        assert "pre-training (plain): loss became NaN" in failures[name]
    assert len(trainings) == 1


def test_each_pretraining_has_its_masks_and_both_are_paid_for(tmp_path, dataset, monkeypatch):
    trainings = count_calls(monkeypatch, pretraining, "Trainer")
    toy_study(tmp_path, dataset).run(["likelihood-gain-both-masks"], [1])
    assert [call.get("first_parity", 0) for call in trainings] == [0, 1]
    assert {call["steps"] for call in trainings} == {4}
    costs = []
    for name in ("plain", "swapped"):
        LogDetStatistics.load(tmp_path / "statistics" / f"seed-1-{name}.npz")
        costs.append(json.loads((tmp_path / "statistics" / f"seed-1-{name}.json").read_text()))
    (row,) = rows(tmp_path)
    for part in ("training_seconds", "collecting_seconds"):
        assert row["pretraining"][part] == pytest.approx(sum(cost[part] for cost in costs))
