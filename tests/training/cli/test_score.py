"""`tfp-lcma score`: a row for every file, of a run and of an export alike."""

import csv
import json
import warnings

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.serving.examples import example
from tests.training.toy_density import ToyDensity, write_export, write_run
from tfp_lcma.training.cli.score import score
from tfp_lcma.training.data.pixels import PixelSettings, read_pixels
from tfp_lcma.training.runs import density


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(here, monkeypatch):
    """A folder that looks like a run; its density is the toy that tests put there."""
    (here / "run").mkdir()

    def put(toy):
        config = json.dumps({"classes": toy.conditions})
        (here / "run" / "config.json").write_text(config)
        monkeypatch.setattr(density, "load_density", lambda folder: toy)

    put(ToyDensity())
    return put


@pytest.fixture
def images(here):
    """Photographs of many sizes and formats in two folders, and what is no photograph."""
    rng = np.random.default_rng(0)
    suffixes = ("png", "jpg", "webp", "bmp", "gif")
    for number in range(10):
        folder = here / "images" / ("deep" if number % 2 else ".")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 40 + 20 * number, (9 + number, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.{suffixes[number % 5]}")
    (here / "images" / "broken.png").write_bytes(b"no image")
    (here / "images" / "scan.tiff").write_bytes(b"")
    (here / "images" / "notes.txt").write_text("no image")
    return here / "images"


def call(*arguments):
    return CliRunner().invoke(score, list(map(str, arguments)))


def scored(*arguments):
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    with open("scores.csv", newline="") as file:
        return {row.pop("file"): row for row in csv.DictReader(file)}


def test_every_image_below_a_folder_is_a_row(run, images):
    rows = scored("run", "images")
    assert set(rows) == {
        *(f"images/{n}.{s}" for n, s in ((0, "png"), (2, "webp"), (4, "gif"), (6, "jpg"))),
        *(f"images/deep/{n}.{s}" for n, s in ((1, "jpg"), (3, "bmp"), (5, "png"), (7, "webp"))),
        *("images/8.bmp", "images/deep/9.gif", "images/broken.png"),
    }
    broken = rows.pop("images/broken.png")
    assert "broken.png" in broken.pop("error") and not any(broken.values())
    assert sorted(int(row["rank"]) for row in rows.values()) == list(range(1, 11))
    for file, row in rows.items():
        pixels = read_pixels(file, PixelSettings(8, 8, 1)).astype(float)
        assert float(row["bits_per_dimension"]) == pytest.approx(
            pixels.mean() / np.log(2), rel=1e-5
        )


def test_files_are_scored_in_the_order_they_are_given(run, images):
    files = ["images/8.bmp", "images/deep/1.jpg", "images/broken.png", "images/0.png"]
    assert list(scored("run", *files)) == files


def test_images_that_were_scaled_before_they_were_saved_are_warned_of(run, here):
    for number, high in enumerate((2, 2, 255)):
        pixels = np.random.default_rng(number).integers(0, high, (8, 8), np.uint8)
        Image.fromarray(pixels).save(here / f"{number}.png")
    with pytest.warns(UserWarning, match="2 of 3 images in these files look scaled"):
        call("run", "0.png", "1.png", "2.png")
    run(ToyDensity(bins=17))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert call("run", "0.png").exit_code == 0


def test_images_of_other_kinds_are_named(run, images):
    assert "scan.tiff" in call("run", "images").stderr


def test_maps_are_beside_their_images(run, images):
    scored("run", "images", "--maps", "maps")
    names = sorted(path.name for path in (images.parent / "maps").iterdir())
    assert len(names) == 10 and names[0] == "01-0.png"
    with Image.open(f"maps/{names[0]}") as picture:
        assert picture.height == 128
        assert picture.width > 2 * 128  # with the scale


def test_a_run_and_its_export_score_alike(here):
    pixels, model = PixelSettings(4, 4, 1), example("toy")
    write_run(here / "run", model, pixels)
    write_export(here / "export", model, pixels)
    for number, colour in enumerate(((200, 30, 90), (10, 10, 10), (0, 99, 255))):
        Image.new("RGB", (30, 20), colour).save(here / f"{number}.png")
    one, other = (scored(kind, "0.png", "1.png", "2.png") for kind in ("run", "export"))
    for file, row in one.items():
        assert row.keys() == other[file].keys()
        for name in ("bits_per_dimension", "complexity_corrected", "rank"):
            assert float(row[name]) == pytest.approx(float(other[file][name]), rel=1e-4)
    image = read_pixels(here / "0.png", pixels)[None]
    bits = model.bits_per_dimension(image, seed=0)
    assert float(one["0.png"]["bits_per_dimension"]) == pytest.approx(float(bits[0]), rel=1e-4)


def test_a_model_of_classes_scores_by_one_of_them(run, images):
    toy = ToyDensity(conditions=3)
    run(toy)
    result = call("run", "images")
    assert result.exit_code == 2 and "--class must be given, one of 0 to 2" in result.output
    scored("run", "images", "--class", 2, "--draws", 5)
    assert toy.asked == [(10, 2, 5)]


def test_a_model_of_what_no_file_holds_is_refused(run, images):
    run(ToyDensity((8, 8, 2)))
    assert "2 channels" in call("run", "images").output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run",), "IMAGES"),
        (("run", "nowhere.png"), "nowhere.png"),
        (("run", "empty"), "found none in empty"),
        (("empty", "images"), "RUN|EXPORT"),
        (("run", "images", "--draws", "0"), "--draws"),
        (("run", "images", "--class", "1"), "no classes; got 1"),
    ],
)
def test_wrong_arguments_are_named(arguments, message, run, images):
    (images.parent / "empty").mkdir()
    result = call(*arguments)
    assert result.exit_code == 2 and message in " ".join(result.output.split())


@pytest.mark.parametrize(
    "output",
    [["-o", "run/config.json/scores.csv"], ["-o", "run"], ["--maps", "run/config.json"]],
)
def test_a_place_that_cannot_be_written_is_named_before_anything_is_loaded(
    output, run, images, monkeypatch
):
    monkeypatch.setattr(density, "load_density", None)
    result = CliRunner().invoke(score, ["run", "images", *output])
    assert result.exit_code == 2 and output[0] in result.output.replace("--output", "-o")
