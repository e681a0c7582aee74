"""Every picture of a run is written, and from validation images only."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

import tfp_lcma as lcma
from tests.toys import pictures, trained, trained_split
from tfp_lcma.training.data import Dataset, Split
from tfp_lcma.training.runs import run_pictures as report

EXPECTED = {
    "samples.png", "interpolations.png", "reconstructions.png", "event_log_prob.png",
    "exit_map.png",
}  # fmt: skip


@pytest.fixture(scope="module")
def dataset():
    # A test split that nothing may look at: its pixels are out of range.
    train, validation = Split(pictures(64)), Split(pictures(40, seed=1))
    return Dataset("toy", train, validation, Split(np.full((4, 4, 4, 1), 255, np.uint8)))


def test_a_run_with_statistics_draws_a_log_det_map_for_every_level(tmp_path, dataset):
    statistics = lcma.LogDetCollector().collect(trained(), dataset.train.images)
    report.draw_pictures(tmp_path, trained_split(), dataset, statistics, seed=0)
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == EXPECTED | {"log_det_1.png", "log_det_2.png"}
    for path in tmp_path.iterdir():
        assert np.ptp(np.asarray(Image.open(path).convert("L"))) > 0, f"{path.name} is blank"


@pytest.mark.parametrize("count", [1, 3, 40])
def test_a_run_without_statistics_draws_all_the_rest(tmp_path, dataset, count):
    """However few images a folder leaves for validation."""
    few = dataclasses.replace(dataset, validation=Split(dataset.validation.images[:count]))
    report.draw_pictures(tmp_path, trained_split(), few, None, seed=0)
    assert {path.name for path in tmp_path.iterdir()} == EXPECTED


def test_tensorboard_gets_samples_exits_and_maps(dataset):
    drawn = {
        name: draw(trained_split())
        for name, draw in report.tensorboard_pictures(dataset, 0, shuffles=False).items()
    }
    assert set(drawn) == {"samples", "exit_map", "event_log_prob", "log_det"}
    for name, picture in drawn.items():
        assert picture.dtype == np.uint8, name
        assert picture.ndim == 3, name
        assert picture.max() > picture.min(), name
        # To be looked at, with a scale: not a pixel a pixel.
        assert min(picture.shape[:2]) > 250, name


def test_training_curves_show_both_phases(tmp_path):
    rows = [
        {"step": s, "bits_per_dimension": 3 - s / 9, "val_bits_per_dimension": 3} for s in (1, 2)
    ]
    report.draw_curves(tmp_path, {"pre-training": rows, "training": rows})
    assert (tmp_path / "training_curves.png").stat().st_size > 1000
