"""Scores of files: in their order, in bounded memory, unreadable ones in their place."""

import csv

import numpy as np
import pytest
from PIL import Image

from tests.training.toy_density import ToyDensity
from tfp_lcma import anomaly
from tfp_lcma.training.runs import scores as module
from tfp_lcma.training.runs.scores import Score, ranks, score_files, write_scores


@pytest.fixture
def files(tmp_path):
    """Grey images ever brighter, the third unreadable."""
    paths = [tmp_path / f"{number}.png" for number in range(7)]
    for number, path in enumerate(paths):
        Image.new("L", (8, 8), 10 * number).save(path)
    paths[2].write_bytes(b"no image")
    return list(map(str, paths))


def test_every_file_has_its_score_and_an_unreadable_one_its_fault(files, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", 3)
    density = ToyDensity()
    scores = list(score_files(density, files, condition=4, draws=2))
    assert [score.file for score in scores] == files
    assert "2.png" in scores[2].error and scores[2][1:3] == (None, None)
    for number, score in enumerate(scores):
        if number != 2:
            assert score.error == ""
            assert score.bits_per_dimension == pytest.approx(10 * number / np.log(2))
            image = np.full((1, 8, 8, 1), 10 * number, np.uint8)
            (compressed,) = anomaly.compressed_bits_per_dimension(image)
            corrected = score.bits_per_dimension - compressed
            assert score.complexity_corrected == pytest.approx(corrected)
    # Three at most in one pass.
    assert density.asked == [(2, 4, 2), (3, 4, 2), (1, 4, 2)]


def test_no_more_files_are_read_than_are_asked_for(files, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", 2)
    taken = []
    endless = (taken.append(file) or file for file in files)
    next(score_files(ToyDensity(), endless))
    assert len(taken) == 2


def test_files_none_of_which_can_be_read_are_no_error(tmp_path):
    missing = [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    assert all(score.error for score in score_files(ToyDensity(), missing))


def test_maps_come_with_the_number_and_the_pixels_of_their_file(files):
    seen = {}
    on_map = lambda row, image, values: seen.update({row: (image, values)})  # noqa: E731
    list(score_files(ToyDensity(), files, on_map=on_map))
    assert list(seen) == [0, 1, 3, 4, 5, 6]
    for row, (image, values) in seen.items():
        assert (image == 10 * row).all() and values.shape == (8, 8) and (values == 10 * row).all()


def test_the_most_anomalous_is_first_and_the_unreadable_has_no_rank():
    scores = [Score("a", 5.0, 1.0, ""), Score("b", None, None, "gone"), Score("c", 1.0, 3.0, "")]
    assert ranks(scores) == [2, None, 1]


def test_scores_are_a_row_a_file(tmp_path):
    scores = [
        Score("a, b.png", 5.25, -1.5, ""),
        Score("caf\udce9\n.png", None, None, "cannot read it"),
    ]
    write_scores(tmp_path / "scores.csv", scores)
    with open(tmp_path / "scores.csv", encoding="utf-8", errors="surrogateescape", newline="") as f:
        rows = list(csv.DictReader(f))
    assert rows == [
        {
            "file": "a, b.png",
            "bits_per_dimension": "5.25",
            "complexity_corrected": "-1.5",
            "rank": "1",
            "error": "",
        },
        {
            "file": "caf\udce9\n.png",
            "bits_per_dimension": "",
            "complexity_corrected": "",
            "rank": "",
            "error": "cannot read it",
        },
    ]
