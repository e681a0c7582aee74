"""`tfp-lcma sample`: images in the form that is asked for."""

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.training.toy_density import ToyDensity
from tfp_lcma.training.cli.sample import sample
from tfp_lcma.training.runs import density


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A folder that looks like a run; its density is the toy that tests put there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()

    def put(toy):
        config = json.dumps({"classes": toy.conditions})
        (tmp_path / "run" / "config.json").write_text(config)
        monkeypatch.setattr(density, "load_density", lambda folder: toy)
        return toy

    put(ToyDensity())
    return put


def call(*arguments):
    return CliRunner().invoke(sample, ["run", *map(str, arguments)])


def drawn(*arguments):
    result = call("-o", "samples.npz", *arguments)
    assert result.exit_code == 0, result.output
    with np.load("samples.npz") as arrays:
        return dict(arrays)


def test_arrays_hold_as_many_images_as_are_asked_for(run):
    assert drawn("-n", 5)["images"].shape == (5, 8, 8, 1)
    assert drawn()["images"].shape == (64, 8, 8, 1)
    assert set(drawn()) == {"images"}


@pytest.mark.parametrize("options", [("--seed", 1), ("--temperature", 0.8)])
def test_seed_and_temperature_reach_the_density(options, run):
    usual, other = drawn("-n", 2)["images"], drawn("-n", 2, *options)["images"]
    name, value = options
    expected = ToyDensity().sample(2, **{name.strip("-"): value})
    np.testing.assert_array_equal(other, expected)
    assert not np.array_equal(usual, other)


def test_samples_are_of_the_class_that_is_asked_for_or_of_all_in_turn(run):
    run(ToyDensity(conditions=3))
    of_one, of_all = drawn("-n", 4, "--class", 2), drawn("-n", 4)
    assert of_one["labels"].tolist() == of_one["images"][:, 0, 0, 0].tolist() == [2] * 4
    assert of_all["labels"].tolist() == of_all["images"][:, 0, 0, 0].tolist() == [0, 1, 2, 0]


def test_a_grid_shows_all_images(run):
    assert call("-n", 4).exit_code == 0
    with Image.open("samples.png") as grid:
        assert grid.size == (2 * 64 + 2, 2 * 64 + 2)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_a_folder_holds_each_image_stretched_to_black_and_white(channels, mode, run):
    toy = run(ToyDensity((8, 8, channels), bins=17))
    assert call("-n", 11, "-o", "out/samples").exit_code == 0
    expected = toy.sample(11)
    with Image.open("out/samples/07.png") as image:
        assert image.mode == mode
        pixels = np.asarray(image).reshape(8, 8, channels)
    np.testing.assert_array_equal(np.rint(pixels * (16 / 255)), expected[7])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "samples.jpg"), r"\.png or \.npz"),
        (("-o", "run"), "new folder or an empty one"),
        (("-n", "0"), "'-n'"),
        (("--temperature", "-1"), "--temperature"),
        (("--class", "3"), "--class .* no classes; got 3"),
    ],
)
def test_wrong_options_are_named(arguments, message, run):
    result = call(*arguments)
    assert result.exit_code == 2
    # Click breaks lines where they are long.
    assert re.search(message, " ".join(result.output.split()))


def test_a_class_that_the_model_has_not_is_refused(run):
    run(ToyDensity(conditions=3))
    result = call("--class", "3")
    assert result.exit_code == 2 and "classes 0 to 2; got 3" in result.output


@pytest.mark.parametrize("folder", ["nowhere", "empty"])
def test_a_folder_without_a_model_is_refused_before_anything_is_loaded(folder, run, tmp_path):
    (tmp_path / "empty").mkdir()
    result = CliRunner().invoke(sample, [folder])
    assert result.exit_code == 2 and "RUN|EXPORT" in result.output


@pytest.mark.parametrize(
    "output",
    [["-o", "run/config.json/samples.png"], ["-o", "run/config.json/samples"]],
)
def test_a_place_that_cannot_be_written_is_named_before_anything_is_loaded(
    output, run, monkeypatch
):
    monkeypatch.setattr(density, "load_density", None)
    result = CliRunner().invoke(sample, ["run", *output])
    assert result.exit_code == 2 and output[0] in result.output.replace("--output", "-o")
