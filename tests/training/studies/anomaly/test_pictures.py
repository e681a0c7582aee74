"""Pictures of scores and maps: written whole, and refused by name when the numbers are wrong."""

import numpy as np
import pytest
from PIL import Image

from tests.toys import pictures
from tfp_lcma.training.reports.pictures import (
    save_labelled_rows,
    save_patch_maps,
    save_score_histograms,
)

IMAGES = pictures(3, (8, 8, 1))
MASKS = np.zeros((3, 8, 8), bool)
MASKS[:, 2:5, 1:4] = True
SCORES = {"bits": np.arange(9.0), "constant": np.ones(9)}


def drawn(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_rows_may_be_of_different_lengths(tmp_path):
    path = tmp_path / "rows.png"
    save_labelled_rows(path, {"three": IMAGES, "one": IMAGES[:1]})
    assert np.ptp(drawn(path)) > 0
    assert [p.name for p in tmp_path.iterdir()] == ["rows.png"]


def test_histograms_are_drawn_of_scores_that_do_not_vary_too(tmp_path):
    path = tmp_path / "histograms.png"
    titles = {("other", score): "AUC 0.5" for score in SCORES}
    save_score_histograms(path, SCORES, {"other": {k: v[:4] for k, v in SCORES.items()}}, titles)
    assert np.ptp(drawn(path)) > 0


def test_the_patch_is_framed_in_every_panel(tmp_path):
    path = tmp_path / "maps.png"
    maps = {"flow": np.random.default_rng(0).normal(size=(3, 8, 8))}
    save_patch_maps(path, IMAGES, MASKS, maps, ["kind"] * 3, {"flow": ["0.5"] * 3})
    cyan = (np.abs(drawn(path) - [0, 255, 255]) < 40).all(axis=-1)
    # Two rows of three frames: six separate runs of columns and rows would be too strict a count.
    assert cyan.sum() > 6 * 100


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: save_labelled_rows(p, {}), "got none"),
        (lambda p: save_labelled_rows(p, {"a": IMAGES[0]}), "a must have shape"),
        (lambda p: save_score_histograms(p, SCORES, {}, {}), "got none"),
        (
            lambda p: save_score_histograms(
                p, {"bits": np.ones(2)}, {"a": {"bits": np.array([np.nan])}}, {("a", "bits"): ""}
            ),
            "bits of a must be finite",
        ),
        (
            lambda p: save_patch_maps(p, IMAGES, MASKS[:2], {}, [""] * 3, {}),
            "masks must have shape",
        ),
    ],
)
def test_wrong_numbers_are_named_and_nothing_is_written(tmp_path, call, message):
    with pytest.raises(ValueError, match=message):
        call(tmp_path / "picture.png")
    assert not list(tmp_path.iterdir())
