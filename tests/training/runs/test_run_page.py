"""The page of a run holds its settings, results, times and pictures."""

import base64
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from tfp_lcma.training.runs.run_page import write_run_page


@pytest.fixture
def folder(tmp_path, finished):
    return shutil.copytree(finished[0].folder, tmp_path / "run")


def read(folder, name):
    return json.loads((folder / name).read_text(encoding="utf-8"))


def test_a_finished_run_has_its_page(finished):
    run, metrics = finished
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert f"{metrics['test']['bits_per_dimension']:.4f} ± " in page
    for phase in ("pretraining", "training"):
        for look in metrics[phase]["history"]:
            assert f"{look['val_bits_per_dimension']:.4f}" in page
    assert (run.folder / "recipe.toml").read_text().splitlines()[-1] in page
    for name in read(run.folder, "config.json").keys() - {"flow", "pixels"}:
        assert f">{name}</th>" in page


def test_every_picture_of_the_folder_is_on_the_page_under_its_level(folder):
    names = ["samples.png", "training_curves.png", "log_det_1.png", "log_det_2.png", "channels.png"]
    for shade, name in enumerate(names):
        Image.fromarray(np.full((2, 2), shade, np.uint8)).save(folder / name)
    page = write_run_page(
        folder, read(folder, "config.json"), read(folder, "metrics.json")
    ).read_text(encoding="utf-8")
    places = [page.index(base64.b64encode((folder / n).read_bytes()).decode()) for n in names]
    assert len(set(places)) == len(names) == page.count("<img ")
    assert places[2] < places[3]


def test_a_run_without_pretraining_and_a_conditional_one_have_pages(folder):
    settings, metrics = read(folder, "config.json"), read(folder, "metrics.json")
    right = {"accuracy": 0.875, "standard_error": None, "images": 1}
    page = write_run_page(
        folder,
        settings | {"labels": True, "name": "<mine>"},
        metrics | {"pretraining": None, "classification": right},
    ).read_text(encoding="utf-8")
    assert "87.5%" in page and "&lt;mine&gt;" in page and "<mine>" not in page
    assert "pre-training" not in page
