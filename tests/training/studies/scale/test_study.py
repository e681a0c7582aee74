"""Communication and input: what is measured, and what the report says of it."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from tests.training.data.sides import noise
from tfp_lcma.training.cli.benchmark import benchmark
from tfp_lcma.training.data.records import load_records
from tfp_lcma.training.recipes import load_recipe
from tfp_lcma.training.studies.scale import study
from tfp_lcma.training.studies.scale.pair import measured_pair
from tfp_lcma.training.studies.scale.pipeline import measured_pipelines, write_records

SMALL = {"levels": 1, "steps": 1, "width": 4}


def small_recipe():
    return load_recipe("digits", "glow", batch_size=8).replaced(**SMALL)


def test_the_report_says_how_much_faster_one_is_than_the_other(tmp_path, monkeypatch):
    seconds = {"communicating": [2.0, 2.5], "alone": [1.0, 1.25]}
    input_seconds = {"step": [0.5, 0.5], "arrays": [0.01, 0.01], "files": [0.025, 0.025]}
    monkeypatch.setattr(study, "measured_pair", lambda *_: seconds)
    monkeypatch.setattr(study, "measured_pipelines", lambda *_: input_seconds)
    command = ("--scale", "--data", "digits", "--rounds", "2", "--run-dir", str(tmp_path))
    result = CliRunner().invoke(benchmark, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    report = (tmp_path / "report.md").read_text()
    assert "| two that do not | 0.50 |" in report
    assert "input from arrays | 6,400 | training steps | 50.00 |" in report
    assert "input from TFRecord files | 2,560 | training steps | 20.00 |" in report
    assert "--data digits`" in report
    assert (tmp_path / "scale.png").stat().st_size > 1000
    assert json.loads((tmp_path / "results.json").read_text())["seconds"] == seconds | input_seconds


def test_an_odd_batch_is_refused(tmp_path):
    command = ("--scale", "--data", "digits", "--set", "training.batch_size=7")
    result = CliRunner().invoke(benchmark, [*command, "--run-dir", str(tmp_path)])
    assert result.exit_code == 1
    assert "batch_size must be even for two processes; got 7" in result.output


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_written_as_they_are_read(tmp_path, channels):
    images = noise(12, 8, 8, channels)
    write_records(tmp_path, images)
    dataset = load_records(tmp_path, 8)
    sides = (dataset.train, dataset.validation, dataset.test)
    read = np.concatenate([np.asarray(side.images) for side in sides])
    expected = np.broadcast_to(images, (12, 8, 8, 3))
    assert {image.tobytes() for image in read} == {image.tobytes() for image in expected}


@pytest.mark.scale
def test_two_processes_train_in_turn_with_each_other_and_alone():
    found = measured_pair(small_recipe(), (8, 8, 1), rounds=2, steps=2, timeout=500)
    assert set(found) == {"communicating", "alone"}
    assert all(len(seconds) == 2 and min(seconds) > 0 for seconds in found.values())


@pytest.mark.scale
def test_steps_and_input_are_timed():
    recipe = small_recipe()
    found = measured_pipelines(recipe, recipe.load_dataset(limit=64), rounds=2)
    assert set(found) == {"step", "arrays", "files"}
    assert all(len(seconds) == 2 and min(seconds) > 0 for seconds in found.values())
