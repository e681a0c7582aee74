"""The command line: explains itself, and says what is wrong."""

import functools
import json
import os

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from tfp_lcma.training.cli.train import main
from tfp_lcma.training.recipes import recipe
from tfp_lcma.training.runs.load_run import load_run

from tfp_lcma.factorizations import LogDetStatistics
from tfp_lcma.models import glow


def call(*arguments):
    return CliRunner().invoke(main, list(arguments))


def test_help_explains_every_option():
    result = call("--help")
    assert result.exit_code == 0
    for option in ("--recipe", "--factorization", "--steps", "--data-dir", "--run-dir", "--seed"):
        assert option in result.output
    assert "carries on from the last checkpoint" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--recipe", "cats"), "'cats' is not one of"),
        (("--recipe", "digits", "--factorization", "best"), "factorization must be one of lcma"),
        (("--recipe", "digits", "--steps", "0"), "steps must be at least 1; got 0"),
        (("--recipe", "digits", "--checkpoint-every", "0"), "checkpoint_every must be at least 1"),
        (("--recipe", "digits", "--levels", "6"), "cannot have 6 levels"),
        (("--recipe", "digits", "--images", "x"), "images is for source 'folder' only"),
        (("--recipe", "folder"), "source 'folder' needs images"),
        (("--recipe", "photos16", "--labels"), "labels must be left out: the data set photos16"),
        (("--recipe", "digits_glow", "--blocks", "2"), "blocks is no setting of glow"),
    ],
)
def test_bad_arguments_are_named_in_one_line(tmp_path, arguments, message):
    result = call(*arguments, "--run-dir", str(tmp_path / "run"))
    assert result.exit_code != 0
    assert message in result.output
    assert "Traceback" not in result.output


def test_missing_data_says_how_to_get_it(tmp_path):
    result = call("--recipe", "cifar10", "--data-dir", str(tmp_path))
    assert result.exit_code == 1
    assert "cifar10" in result.output
    assert "download" in result.output


def test_a_run_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    folder = tmp_path / "file" / "run"
    result = call("--recipe", "digits", "--run-dir", str(folder))
    assert result.exit_code == 1
    assert os.fspath(tmp_path / "file") in result.output
    assert "Traceback" not in result.output


def test_images_that_do_not_fit_the_levels_leave_no_folder_half_made(tmp_path):
    for name in range(4):
        Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / f"{name}.png")
    result = call(
        "--recipe", "folder", "--images", str(tmp_path), "--image-size", "9",
        "--run-dir", str(tmp_path / "run"),
    )  # fmt: skip
    assert result.exit_code == 1
    assert "event_shape (9, 9, 3) cannot have 3 levels" in result.output
    assert not (tmp_path / "run").exists()


@pytest.fixture
def small_glow(monkeypatch):
    """One step a level, whatever the recipe says."""
    small = functools.wraps(glow)(lambda *a, **options: glow(*a, **(options | {"steps": 1})))
    monkeypatch.setitem(recipe.MODELS, "glow", small)


def test_labels_condition_the_flow_from_training_to_pictures(tmp_path, small_glow):
    result = call(
        "--recipe", "digits_glow", "--factorization", "lcma", "--labels", "--steps", "2",
        "--width", "2", "--limit", "24", "--draws", "1", "--run-dir", str(tmp_path / "run"),
        "--export-dir", str(tmp_path / "export"), "--quiet",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "of 24 test images classified rightly" in result.output
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert np.isfinite(metrics["test"]["bits_per_dimension"])
    assert 0 <= metrics["classification"]["accuracy"] <= 1
    with Image.open(tmp_path / "run" / "samples.png") as picture:
        assert picture.height > picture.width  # ten rows, one a class, of eight samples each
    card = json.loads((tmp_path / "export" / "1" / "assets.extra" / "model.json").read_text())
    assert card["conditions"] == 10
    assert card["recipe"]["name"] == "digits_glow"
    assert card["metrics"]["classification"] == metrics["classification"]
    # From the checkpoint alone, as of a run that was killed.
    (tmp_path / "run" / "model.keras").unlink()
    assert load_run(tmp_path / "run").model.conditions == 10


def test_a_split_chosen_from_the_images_needs_no_pre_training(tmp_path, small_glow):
    result = call(
        "--recipe", "digits_glow", "--factorization", "karhunen-loeve-images", "--steps", "2",
        "--width", "2", "--limit", "24", "--draws", "1", "--run-dir", str(tmp_path / "run"),
        "--no-export", "--quiet",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["pretraining"] is None
    statistics = LogDetStatistics.load(tmp_path / "run" / "statistics.npz")
    # The flow changed nothing but scales: log-dets differ between sub-positions only.
    for dy, dx in np.ndindex(4, 4):
        assert np.ptp(statistics.log_det[:, dy::4, dx::4], axis=(1, 2)).max() < 1e-5
    assert not (tmp_path / "run" / "log_det_1.png").exists()
