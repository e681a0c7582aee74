"""The command line: explains itself, and says what is wrong."""

import csv
import json
import os

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.eager import eagerly
from tfp_lcma.factorizations import LogDetStatistics
from tfp_lcma.files import copy_in
from tfp_lcma.training.cli.train import train
from tfp_lcma.training.recipes import load_recipe
from tfp_lcma.training.recipes.tables import to_tables, to_toml
from tfp_lcma.training.runs import callbacks
from tfp_lcma.training.runs.load_run import load_run
from tfp_lcma.training.runs.run import Run


def call(*arguments):
    return CliRunner().invoke(train, list(arguments))


def test_help_explains_every_option():
    result = call("--help")
    assert result.exit_code == 0
    for option in train.params:
        assert option.help, option.name
        assert option.opts[0] in result.output


def test_help_begins_with_what_is_asked_for_most():
    listed = [option.opts[0] for option in train.params]
    first = ["--data", "--model", "--image-size", "--factorization"]
    assert listed[:4] == first
    often = ["--steps", "--run-dir", "--export-dir", "--seed"]
    seldom = ["--paper", "--set", "--config"]
    assert max(map(listed.index, often)) < min(map(listed.index, seldom))


def test_a_config_whose_images_are_elsewhere_says_where_they_were_sought(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tables = to_tables(load_recipe("./pictures"))
    (tmp_path / "recipe.toml").write_text(to_toml("mine", tables))
    result = call("--config", "recipe.toml")
    assert result.exit_code == 2
    message = " ".join(result.output.split())
    assert "recipe.toml: data.source must be" in message
    assert "./pictures does not exist. Go where the run was started" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Give --data"),
        (("--data", "digts"), "--data must be one of digits, "),
        (("--data", "./digits"), "./digits does not exist"),
        (("--data", "ram://nowhere/images"), "ram://nowhere/images does not exist"),
        (("--data", "nowhere://images"), "--data must be a local path or begin with one of"),
        (("--data", "./caf\udce9"), "--data must be a path in UTF-8, which recipe.toml can hold"),
        (("--data", "digits", "--paper", "cifar10-glow"), "got --data and --paper"),
        (("--paper", "cifar10-glwo"), "--paper must be one of cifar10-glow, "),
        (("--data", "digits", "--model", "glwo"), "--model must be one of glow, "),
        (("--data", "digits", "--factorization", "lmca"), "--factorization must be one of lcma"),
        (("--data", "digits", "--steps", "0"), "Invalid value for '--steps': 0 is not in the"),
        (("--data", "digits", "--threads", "0"), "Invalid value for '--threads': 0 is not in the"),
        (("--data", "digits", "--set", "model.widht=3"), "--set model.widht is no setting of real"),
        (("--data", "digits", "--set", "width=3"), "--set width is no setting; there are model.wi"),
        (("--data", "digits", "--set", "width"), "--set must be KEY=VALUE"),
        (("--data", "digits", "--set", "training.l2=x"), "--set training.l2 must be a number; got"),
        (("--data", "digits", "--set", "model.levels=6"), "cannot have 6 levels"),
        (("--data", "digits", "--set", "model.levels=4"), "--set model.levels must leave two pix"),
        (("--data", "digits", "--set", "model.normalization=no"), "--set model.normalization must"),
        (("--data", "digits", "--image-size", "9"), "--image-size of digits must be 8; got 9"),
        (
            ("--data", "emoji", "--data-dir", "gs://bucket"),
            "--data-dir must be of this machine; got",
        ),
        (
            ("--data", "digits", "--strategy", "multi-worker"),
            "--strategy multi-worker needs the environment variable TF_CONFIG",
        ),
        (("--data", "digits", "--strategy", "two"), "'none', 'mirrored', 'multi-worker'"),
        (("--data", "photos16", "--labels"), "--labels must be left out: photos16 has no classes"),
    ],
)
def test_bad_arguments_are_named_in_one_line(tmp_path, arguments, message):
    result = call(*arguments, "--run-dir", str(tmp_path / "run"))
    assert result.exit_code != 0
    assert message in result.output
    assert "Traceback" not in result.output


def test_missing_data_says_how_to_get_it(tmp_path):
    result = call("--data", "cifar10", "--data-dir", str(tmp_path))
    assert result.exit_code == 1
    assert "data set 'cifar10' is not prepared" in result.output
    assert "--data set" not in result.output
    assert "download" in result.output


def test_a_run_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    folder = tmp_path / "file" / "run"
    result = call("--data", "digits", "--run-dir", str(folder))
    assert result.exit_code == 2
    assert f"--run-dir must be a folder; {tmp_path / 'file'} is a file" in result.output
    assert "Traceback" not in result.output


def test_images_that_do_not_fit_the_levels_leave_no_folder_half_made(tmp_path):
    for name in range(4):
        Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / f"{name}.png")
    result = call(
        "--data", str(tmp_path), "--image-size", "9",
        "--run-dir", str(tmp_path / "run"),
    )  # fmt: skip
    assert result.exit_code == 1
    expected = "--set model.levels must fit the images: 9×9 pixels cannot have 3 levels"
    assert expected in result.output
    assert "divisible by 4; --image-size can be such a number" in result.output
    assert not (tmp_path / "run").exists()


@pytest.fixture
def eager():
    """For so few steps no graph is worth its while; the run on `messy` has all of them."""
    with eagerly():
        yield


def test_what_is_factored_out_is_up_to_the_models_recipe(tmp_path, monkeypatch):
    asked = []

    def execute(run, dataset):
        asked.append(run.factorization)
        raise ValueError("asked enough")

    monkeypatch.setattr(Run, "execute", execute)
    for model, given in (("eiw_flow", ()), ("glow", ()), ("eiw_flow", ("--factorization", "haar"))):
        where = ("--run-dir", str(tmp_path / "run"), "--no-export")
        assert "asked enough" in call("--data", "digits", "--model", model, *given, *where).output
    assert asked == ["entropy-informed", "lcma", "haar"]


# One step a level and two channels.
SMALL_GLOW = (
    "--data", "digits", "--model", "glow", "--set", "model.steps=1", "--set", "model.width=2",
    "--set", "evaluation.draws=1", "--limit", "24", "--steps", "2",
)  # fmt: skip


def test_labels_condition_the_flow_from_training_to_pictures(tmp_path, eager):
    result = call(
        *SMALL_GLOW, "--factorization", "lcma", "--labels", "--run-dir", str(tmp_path / "run"),
        "--no-export", "--quiet",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "of 24 test images classified rightly" in result.output
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert np.isfinite(metrics["test"]["bits_per_dimension"])
    assert 0 <= metrics["classification"]["accuracy"] <= 1
    with Image.open(tmp_path / "run" / "samples.png") as picture:
        assert picture.height > picture.width  # ten rows, one a class, of eight samples each
    assert metrics["recipe"] == "digits-glow"
    # From the checkpoint alone, as of a run that was killed.
    (tmp_path / "run" / "model.keras").unlink()
    assert load_run(tmp_path / "run").model.conditions == 10


def test_a_split_chosen_from_the_images_needs_no_pre_training(tmp_path, eager, monkeypatch):
    monkeypatch.setattr(callbacks, "summaries", lambda *_: [])
    result = call(
        *SMALL_GLOW, "--factorization", "karhunen-loeve-images",
        "--run-dir", str(tmp_path / "run"),
        "--no-export", "--quiet",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    # The recipe that was written stands for every option but the folders.
    config = ("--config", str(tmp_path / "run" / "recipe.toml"), "--limit", "24", "--quiet")
    again = call(*config, "--run-dir", str(tmp_path / "run"))
    assert again.exit_code == 0, again.output
    assert again.output.split("test ")[1].split(";")[0] in result.output
    other = call(*config, "--run-dir", str(tmp_path / "run"), "--seed", "1")
    assert "seed is 0 there, 1 here" in other.output
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["pretraining"] is None
    statistics = LogDetStatistics.load(tmp_path / "run" / "statistics.npz")
    # The flow changed nothing but scales: log-dets differ between sub-positions only.
    for dy, dx in np.ndindex(4, 4):
        assert np.ptp(statistics.log_det[:, dy::4, dx::4], axis=(1, 2)).max() < 1e-5
    assert not (tmp_path / "run" / "log_det_1.png").exists()


@pytest.fixture(scope="module")
def messy(tmp_path_factory):
    """A folder with every kind of file that people have."""
    folder = tmp_path_factory.mktemp("messy") / "pictures"
    (folder / ".thumbnails").mkdir(parents=True)
    (folder / "été").mkdir()
    random = np.random.default_rng(0)
    for number in range(12):
        pixels = random.integers(0, 256, (9, 9 + number, 4), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    Image.fromarray(pixels[..., :3]).save(folder / "été" / "photo.JPG")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(folder / "deep.png")
    with open(os.fsencode(folder) + b"/caf\xe9.png", "wb") as file:
        Image.fromarray(pixels).save(file, "PNG")
    Image.new("L", (9, 9)).save(folder / ".thumbnails" / "small.png")
    for name in ("IMG_1.HEIC", "scan.tiff", "broken.png", "notes.txt", ".hidden.png"):
        (folder / name).write_bytes(b"")
    with open(os.fsencode(folder) + b"/br\xf6ken.jpg", "wb") as file:
        file.write(b"no image")
    return folder


def files_in(run):
    with open(run / "files.csv", encoding="utf-8", errors="surrogateescape", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


@pytest.mark.filterwarnings("ignore:passed over")
def test_unreadable_files_are_all_listed_before_anything_is_trained(messy, tmp_path):
    result = call("--data", str(messy), "--run-dir", str(tmp_path / "run"), "--no-export")
    assert result.exit_code == 1
    for said in (
        "2 of 17 images",
        "broken.png: it is empty",
        "br\\udcf6ken.jpg: it is no",
        "files.csv",
    ):
        assert said in result.output
    assert files_in(tmp_path / "run")["broken.png"]["left_out"] == "it is empty"
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.fixture(scope="module")
def messy_run(messy, tmp_path_factory):
    """What is said in a run on it, in another file system; the run's folder; and the command."""
    command = (
        "--data", str(messy), "--image-size", "8", "--model", "glow", "--set", "model.levels=1",
        *SMALL_GLOW[4:8], "--set", "evaluation.draws=1", "--steps", "1",
        "--factorization", "checkerboard", "--on-unreadable", "skip", "--no-export",
        "--run-dir", "ram://messy/run",
    )  # fmt: skip
    with pytest.warns(UserWarning) as told:
        result = call(*command)
    assert result.exit_code == 0, result.output
    folder = tmp_path_factory.mktemp("run")
    copy_in("ram://messy/run", folder)
    return result.output + "".join(str(warning.message) for warning in told), folder, command


def test_a_folder_of_every_kind_of_file_trains_and_says_what_it_skipped(messy_run):
    said, folder, _ = messy_run
    assert "15 of 17 files read; 2 cannot be read; 2 passed over: ram://messy/run/files.csv" in said
    assert all(name in said for name in ("IMG_1.HEIC", "scan.tiff", "broken.png", "ken.jpg"))
    rows = files_in(folder)
    assert len(rows) == 19 and rows["deep.png"]["side"] and rows["caf\udce9.png"]["side"]
    assert not rows["scan.tiff"]["side"] and not rows["broken.png"]["side"]


@pytest.mark.filterwarnings("ignore:passed over", "ignore:left out")
def test_a_run_in_another_file_system_is_whole_there_and_carried_on(messy_run):
    said, folder, command = messy_run
    assert "Everything is in ram://messy/run (see report.html)." in said
    assert load_run(folder).metrics["test"]["images"] == 1
    assert (folder / "checkpoints" / "training" / "checkpoint").exists()
    assert any((folder / "tensorboard").rglob("*tfevents*"))
    again = call(*command)
    assert "ram://messy/run is complete" in again.output and again.exit_code == 0


def test_a_folder_that_is_no_run_of_this_flow_is_named_by_its_place():
    result = call("--data", "digits", "--run-dir", "ram://messy/run", "--no-export", "--quiet")
    assert result.exit_code == 1 and "ram://messy/run was made with other settings" in result.output
