"""The study: fixed budgets, shared pre-training, twins, failures, and what is never done twice."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from tests.eager import eagerly
from tests.fields import statistics
from tests.toys import tiny_flow
from tests.training.tiny import make_small, tiny_dataset, tiny_recipe, tiny_study
from tfp_lcma import FlowModel
from tfp_lcma.factorizations import LogDetStatistics
from tfp_lcma.training.runs.evaluation import test_bits as bits_of
from tfp_lcma.training.runs.online_choices import ChoiceLog
from tfp_lcma.training.runs.training_failed import TrainingFailedError
from tfp_lcma.training.studies.compare import exchange, finalists, measure, pretraining, study
from tfp_lcma.training.studies.compare.arms import ARMS
from tfp_lcma.training.studies.compare.comparisons import COMPARISONS
from tfp_lcma.training.studies.compare.figures import draw_figures
from tfp_lcma.training.studies.compare.finalists import read_test
from tfp_lcma.training.studies.compare.images import ImagesFile
from tfp_lcma.training.studies.compare.summary import summarize
from tfp_lcma.training.studies.machine import machine
from tfp_lcma.training.studies.results import ResultsFile, find
from tfp_lcma.training.studies.timing import Ratio

SPLITS = COMPARISONS["splits"]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    make_small(monkeypatch.setattr)
    with eagerly():
        yield


@pytest.fixture(scope="module")
def dataset():
    return tiny_dataset()


def rows(folder, name="results.jsonl"):
    return ResultsFile(folder / name).rows()


@pytest.fixture(scope="module")
def finished(tmp_path_factory, dataset):
    """The folder of a study of two arms, each really trained."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch, eagerly():
        make_small(patch.setattr)
        arms = SPLITS.choose(["online-lcma"], "--arms")
        tiny_study(folder, dataset).run(arms, [0])
    return folder


def test_every_arm_has_a_row_with_its_budget_and_its_curve(finished):
    found = rows(finished)
    assert [row["arm"] for row in found] == ["checkerboard", "online-lcma"]
    for row in found:
        assert row["steps"] == 6
        assert [look["step"] for look in row["history"]] == [4, 6]
        assert set(row["history"][0]) == {"step", "bits_per_dimension", "val_bits_per_dimension"}
        assert (row["validation"]["images"], row["validation"]["draws"]) == (40, 1)
        assert (finished / row["model"]).exists()
        assert row["quality"] is None, "the toy has no classes"
        assert row["machine"] == machine()
        looks = {look["step"]: look["val_bits_per_dimension"] for look in row["history"]}
        assert looks[row["best_step"]] == min(looks.values())
        with np.load(finished / row["image_bits"]) as images:
            bits = images[f"validation/{row['arm']}/0"]
        assert len(bits) == 40
        assert bits.mean(dtype=float) == pytest.approx(row["validation"]["bits_per_dimension"])
    assert found[0]["pairs"] == [[[0, 0, 4, 0, 0, 0]]]


def test_an_online_arm_needs_no_pretraining_and_says_what_it_would_have_chosen(finished):
    online = find(rows(finished), "online-lcma", 0)
    assert online["pretraining"] is None
    assert np.sum(online["pairs"]) == 4
    steps, shares = ChoiceLog(finished / "choices" / "online-lcma-0.json").curves()[0]
    assert steps == [1, 2]
    np.testing.assert_allclose(shares[-1], np.divide(online["pairs"][0][0], 4))
    summaries = summarize(finished, SPLITS.baseline)
    pictures = draw_figures(finished, finished / "report", summaries, SPLITS)
    assert "online-lcma-choices-level-1.png" in [picture.file for picture in pictures]
    assert (finished / "report" / "online-lcma-choices-level-1.png").exists()


def test_another_budget_in_the_same_folder_is_refused(finished, dataset):
    with pytest.raises(ValueError, match=r"other settings \(--steps is 6 there, 7 here\)"):
        tiny_study(finished, dataset, steps=7).run(["checkerboard"], [0])


def test_the_test_images_are_read_once_and_only_for_finalists(finished, dataset, monkeypatch):
    calls, really = [], finalists.evaluation.image_bits
    monkeypatch.setattr(
        finalists.evaluation, "image_bits", lambda *given: calls.append(given) or really(*given)
    )

    def read(names=("checkerboard", "online-lcma")):
        read_test(finished, dataset.test, names, draws=1, command="t", say=str)

    assert not (finished / "test.jsonl").exists()
    read()
    tested = rows(finished, "test.jsonl")
    assert [(row["arm"], row["seed"]) for row in tested] == [
        ("checkerboard", 0),
        ("online-lcma", 0),
    ]
    read()
    assert len(calls) == 2 and rows(finished, "test.jsonl") == tested
    bits = ImagesFile(finished / "images.npz").of(tested[:1], "test").bits[0]
    assert bits.mean(dtype=float) == pytest.approx(tested[0]["test"]["bits_per_dimension"])
    with pytest.raises(ValueError, match="'haar' has none"):
        read(["haar"])


def test_the_saved_model_is_the_one_that_was_evaluated(finished, dataset):
    row = find(rows(finished), "online-lcma", 0)
    again = bits_of(keras.saving.load_model(finished / row["model"]), dataset.validation, 1, 0)
    assert again == pytest.approx(row["validation"], abs=1e-6)


@pytest.fixture
def made_up_runs(monkeypatch):
    """Runs that take no time, by name and steps; that of Glow's split fails."""
    calls = []

    def measure(recipe, dataset, factorization, seed, *, arm, steps, **others):
        name = f"{arm}-{seed}"
        calls.append((name, steps))
        if name.startswith("channel-0") or name.startswith("channel-1"):
            raise TrainingFailedError("loss became NaN or infinite at step 3")
        bits = {"bits_per_dimension": float(len(calls))}
        return {"step_seconds": 0.1, "seconds": 1.0, "validation": bits, "model": name}

    monkeypatch.setattr(study, "measure", measure)
    return calls


@pytest.fixture
def made_up_trainings(monkeypatch):
    """Pre-trainings that take no time and leave statistics of random fields."""
    calls = []

    class Trainer:
        step_seconds = 0.5

        def __init__(self, recipe, dataset, factorization, seed, *, steps, workers, **options):
            calls.append({"steps": steps} | options)
            self.model, self.course = self, self
            self.failing = recipe.learning_rate > 1

        def fit(self, validate):
            assert not validate
            if self.failing:
                raise TrainingFailedError("loss became NaN or infinite at step 3")

        def initialize(self, images):
            calls[-1]["initialized"] = len(images)

        def save(self, path):
            path.touch()

    class Collector:
        def __init__(self, seed):
            pass

        def collect(self, model, images):
            return statistics((4, 4, 1), levels=2)

    monkeypatch.setattr(pretraining, "Trainer", Trainer)
    monkeypatch.setattr(pretraining.lcma, "LogDetCollector", Collector)
    return calls


def names(calls):
    return [name for name, _ in calls]


def test_finished_runs_and_pretrainings_are_not_done_again(
    tmp_path, dataset, made_up_runs, made_up_trainings
):
    for arms in (["lcma"], ["lcma"], ["lcma", "lcma-low"]):
        tiny_study(tmp_path, dataset).run(SPLITS.choose(arms, "--arms"), [0])
    assert names(made_up_runs) == ["checkerboard-0", "lcma-0", "lcma-low-0"]
    assert [call["steps"] for call in made_up_trainings] == [4]
    assert [row["arm"] for row in rows(tmp_path)] == ["checkerboard", "lcma", "lcma-low"]


def test_an_arm_that_splits_as_an_earlier_one_shares_its_run(
    tmp_path, dataset, monkeypatch, made_up_runs
):
    twin = dataclasses.replace(ARMS["complement"], build=ARMS["checkerboard"].build)
    monkeypatch.setitem(ARMS, "complement", twin)
    tiny_study(tmp_path, dataset).run(["checkerboard", "haar"], [0])
    # In a later call, where the earlier split has to be built again.
    arms = ["checkerboard", "checkerboard-position-aware", "complement"]
    tiny_study(tmp_path, dataset).run(arms, [0])
    expected = ["checkerboard-0", "haar-0", "checkerboard-position-aware-0"]
    assert names(made_up_runs) == expected
    shared = find(rows(tmp_path), "complement", 0)
    assert (shared["same_as"], shared["model"]) == ("checkerboard", "checkerboard-0")
    assert shared["validation"] == find(rows(tmp_path), "checkerboard", 0)["validation"]


def test_time_is_exchanged_into_steps_once_a_study(tmp_path, dataset, monkeypatch, made_up_runs):
    timed = []

    def ratios(calls, rounds):
        timed.append(list(calls))
        return {name: Ratio(2.5, 2.4, 2.6) for name in list(calls)[1:]}

    monkeypatch.setattr(exchange, "ratios", ratios)
    monkeypatch.setattr(exchange, "ready_model", lambda *_, **__: None)
    monkeypatch.setattr(exchange, "collecting", lambda *_: {"a step": None, "collecting": None})
    arms = ["conditional-gaussian", "conditional-gaussian-as-long", "checkerboard-more-time"]
    tiny_study(tmp_path, dataset, "exit-priors").run(arms, [0, 1])
    # As long as 2.5 times 6 steps; the pre-training's 4 steps and 2.5 of collecting, times 2.5.
    worth = 2.5 * (4 + 2.5)
    assert [steps for _, steps in made_up_runs] == [6, 15, 6 + round(worth)] * 2
    kept = tmp_path / "exchange-channel-autoregressive-conditional-gaussian-as-long.json"
    assert json.loads(kept.read_text()) == {"ratio": 2.5, "low": 2.4, "high": 2.6}
    rates = json.loads((tmp_path / "exchange.json").read_text())
    assert rates == {
        "step_ratio": 2.5, "low": 2.4, "high": 2.6, "collecting": 6.25, "steps": worth
    }  # fmt: skip
    assert len(timed) == 3


def test_settings_of_an_arm_take_the_place_of_the_recipes_and_time_is_exchanged_by_them(
    tmp_path, dataset, monkeypatch
):
    trained, timed = [], []

    def measure(recipe, dataset, factorization, seed, *, arm, steps, **others):
        name = f"{arm}-{seed}"
        trained.append((name, recipe.dequantization, steps))
        return {"seconds": 1.0, "validation": {"bits_per_dimension": 1.0}, "model": name}

    monkeypatch.setattr(study, "measure", measure)
    monkeypatch.setattr(
        exchange, "ready_model", lambda recipe, *_, **__: timed.append(recipe.dequantization)
    )
    monkeypatch.setattr(exchange, "ratios", lambda *_: {"first": Ratio(1.5, 1.4, 1.6)})
    comparison = COMPARISONS["dequantization"]
    tiny_study(tmp_path, dataset, "dequantization").run(comparison.arms, [0])
    assert trained == [
        ("uniform-dequantization-0", "uniform", 6),
        ("variational-dequantization-0", "variational", 6),
        ("uniform-dequantization-as-long-0", "uniform", 9),
    ]
    assert timed == ["variational", "uniform"]


def test_a_failed_run_is_recorded_and_the_study_does_the_rest(tmp_path, dataset, made_up_runs):
    tiny_study(tmp_path, dataset).run(["checkerboard", "channel", "complement"], [0, 1])
    assert len(made_up_runs) == 6
    for seed in (0, 1):
        failed = find(rows(tmp_path), "channel", seed)
        assert failed["failed"] == "loss became NaN or infinite at step 3"
        assert "validation" not in failed
        assert "failed" not in find(rows(tmp_path), "complement", seed)


def test_a_later_call_adds_seeds_and_arms(tmp_path, dataset, made_up_runs):
    tiny_study(tmp_path, dataset).run(["checkerboard", "haar", "random"], [0])
    tiny_study(tmp_path, dataset).run(["checkerboard", "haar"], [0, 1])
    assert names(made_up_runs)[3:] == ["checkerboard-1", "haar-1"]


def test_a_seed_either_selects_or_is_reported(tmp_path, dataset, made_up_runs):
    made = tiny_study(tmp_path, dataset)
    made.run(["checkerboard", "haar"], [0])
    with pytest.raises(ValueError, match="seed 0 is there as one of those that select"):
        made.run(["checkerboard"], [1, 0], report=True)
    made.run(["checkerboard"], [5], report=True)
    with pytest.raises(ValueError, match="seed 5 is there as one of those that report"):
        made.run(["haar"], [5])
    assert names(made_up_runs) == ["checkerboard-0", "haar-0", "checkerboard-5"]
    assert [row.get("report") for row in rows(tmp_path)] == [None, None, True]


def test_test_images_are_read_for_report_seeds_alone(tmp_path, dataset, monkeypatch):
    results = ResultsFile(tmp_path / "results.jsonl")
    for arm, seed in (("checkerboard", 0), ("lcma", 0), ("checkerboard", 5), ("no-split", 5)):
        results.append(
            {"arm": arm, "seed": seed, "model": arm} | ({"report": True} if seed == 5 else {})
        )
    monkeypatch.setattr(finalists.keras.saving, "load_model", lambda path: path)
    bits = np.float32([1.0, 2.0])
    monkeypatch.setattr(finalists.evaluation, "image_bits", lambda *_: bits)
    monkeypatch.setattr(finalists.evaluation, "mean_bits", lambda *_: {"bits_per_dimension": 1.5})
    given = {"draws": 1, "command": "t", "say": str}
    read_test(tmp_path, dataset.test, ["checkerboard"], **given)
    found = [(row["arm"], row["seed"]) for row in rows(tmp_path, "test.jsonl")]
    assert found == [("checkerboard", 5), ("no-split", 5)]
    with pytest.raises(ValueError, match="'lcma' has none"):
        read_test(tmp_path, dataset.test, ["lcma"], **given)


def test_a_failed_pretraining_fails_its_arms_and_is_not_tried_again(
    tmp_path, dataset, made_up_runs, made_up_trainings
):
    made = tiny_study(tmp_path, dataset, learning_rate=1e30)
    made.run(["checkerboard", "lcma", "exit-price"], [0])
    for name in ("lcma", "exit-price"):
        failed = find(rows(tmp_path), name, 0)["failed"]
        assert failed.startswith("pre-training (plain): loss became NaN")
    assert len(made_up_trainings) == 1


def test_each_pretraining_has_its_masks_and_both_are_paid_for(
    tmp_path, dataset, made_up_runs, made_up_trainings
):
    tiny_study(tmp_path, dataset).run(["likelihood-gain-both-masks"], [1])
    assert [call.get("first_parity", 0) for call in made_up_trainings] == [0, 1]
    assert {call["steps"] for call in made_up_trainings} == {4}
    folder = tmp_path / "statistics"
    costs = [json.loads((folder / f"seed-1-{n}.json").read_text()) for n in ("plain", "swapped")]
    (row,) = rows(tmp_path)
    for part in ("training_seconds", "collecting_seconds"):
        assert row["pretraining"][part] == pytest.approx(sum(cost[part] for cost in costs))
    assert costs[0]["training_seconds"] == 4 * 0.5


def test_several_pretrainings_are_averaged_and_no_study_shares_their_seeds(
    tmp_path, dataset, made_up_runs, made_up_trainings, monkeypatch
):
    seeds, make = [], pretraining.Trainer

    def trainer(recipe, dataset, factorization, seed, **others):
        seeds.append(seed)
        return make(recipe, dataset, factorization, seed, **others)

    monkeypatch.setattr(pretraining, "Trainer", trainer)
    averaged, really = [], LogDetStatistics.average

    def average(several):
        averaged.append(len(several))
        return really(several)

    monkeypatch.setattr(LogDetStatistics, "average", average)
    tiny_study(tmp_path, dataset).run(["lcma-averaged"], [0, 1])
    assert averaged == [4, 4]
    assert len(set(seeds)) == 8
    # Beside a run's own they are none that anybody would give a study.
    assert sorted(seeds)[:2] == [0, 1] and sorted(seeds)[2] > 10**6
    for row in rows(tmp_path):
        assert row["pretraining"]["training_seconds"] == pytest.approx(4 * 4 * 0.5)


def test_a_warm_arm_starts_from_the_pretrained_model_and_is_no_twin_of_a_cold_one(
    tmp_path, dataset, made_up_trainings, monkeypatch
):
    starts = {}

    def measure(recipe, dataset, factorization, seed, *, arm, start_from, **others):
        starts[arm] = start_from
        return {"seconds": 1.0, "validation": {"bits_per_dimension": 1.0}, "model": arm}

    monkeypatch.setattr(study, "measure", measure)
    arms = ["checkerboard", "checkerboard-warm", "lcma", "lcma-warm"]
    tiny_study(tmp_path, dataset).run(arms, [0])
    kept = tmp_path / "statistics" / "seed-0-plain.keras"
    assert starts == {
        "checkerboard": None, "checkerboard-warm": kept, "lcma": None, "lcma-warm": kept
    }  # fmt: skip
    assert kept.exists() and len(made_up_trainings) == 1


def test_a_run_that_starts_from_a_model_has_its_first_level_before_the_first_step(
    tmp_path, dataset, monkeypatch
):
    pretrained = FlowModel(tiny_flow((4, 4, 1), 2, None))
    for variable in pretrained.trainable_variables:
        variable.assign(keras.ops.ones_like(variable) * 0.5)
    pretrained.save(tmp_path / "pretrained.keras")

    def fit(self, callbacks):
        first, second = (flow.trainable_variables for flow in self.model.flow.flows)
        assert all((variable.numpy() == 0.5).all() for variable in first)
        assert not any((variable.numpy() == 0.5).any() for variable in second)
        raise TrainingFailedError("stopped before the first step")

    monkeypatch.setattr(measure.Trainer, "fit", fit)
    split = ARMS["checkerboard"].build([], 0, 6)
    with pytest.raises(TrainingFailedError, match="before the first step"):
        measure.measure(
            tiny_recipe(), dataset, split, 0, steps=6, folder=tmp_path, arm="warm",
            start_from=tmp_path / "pretrained.keras",
        )  # fmt: skip


def test_a_pretrained_model_that_was_not_kept_is_trained_again(
    tmp_path, dataset, made_up_runs, made_up_trainings
):
    tiny_study(tmp_path, dataset).run(["lcma"], [0])
    (tmp_path / "statistics" / "seed-0-plain.keras").unlink()
    tiny_study(tmp_path, dataset).run(["lcma", "lcma-warm"], [0])
    assert len(made_up_trainings) == 2
    assert names(made_up_runs)[-1] == "lcma-warm-0"


def test_statistics_of_the_images_come_from_a_flow_that_is_only_initialised(
    tmp_path, dataset, made_up_runs, made_up_trainings
):
    tiny_study(tmp_path, dataset).run(["karhunen-loeve-images"], [0])
    assert made_up_trainings == [{"steps": 0, "initialized": 8}]
