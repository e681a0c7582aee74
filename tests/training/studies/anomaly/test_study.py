"""The command line: from images to a report, once for every seed."""

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.eager import eagerly
from tests.training.tiny import make_small
from tfp_lcma.training.cli.anomaly import anomaly
from tfp_lcma.training.reports import pictures
from tfp_lcma.training.studies.anomaly.image_sets import CORRUPTIONS
from tfp_lcma.training.studies.anomaly.scoring import SCORES, Scorer
from tfp_lcma.training.studies.results import ResultsFile

SETTINGS = (
    "--data", "digits", "--steps", "12", "--limit", "200", "--count", "30",
    "--set", "evaluation.draws=1", "--set", "model.levels=1",
)  # fmt: skip


def call(*arguments):
    return CliRunner().invoke(anomaly, list(arguments))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A finished study of a tiny flow on digits, and what it printed."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch, eagerly():
        make_small(patch.setattr)
        arguments = ("--data-dir", "/nowhere", "--run-dir", str(folder), "--quiet")
        result = call(*SETTINGS, *arguments)
        assert result.exit_code == 0, result.output
        yield folder, arguments


@pytest.fixture
def row(study):
    (row,) = ResultsFile(study[0] / "results.jsonl").rows()
    return row


def test_every_set_has_every_score(row):
    assert {"photos16", "black", "uniform noise", *CORRUPTIONS} <= set(row["outliers"])
    for name, outliers in row["outliers"].items():
        assert set(outliers["auc"]) == set(SCORES), name
        areas = np.array(list(outliers["auc"].values()))
        assert ((areas >= 0) & (areas <= 1)).all(), name
        assert outliers["complexity_corrected"] == pytest.approx(
            outliers["bits_per_dimension"] - outliers["compressed"], abs=1e-6
        )


def test_even_a_tiny_flow_knows_noise_and_finds_it(row):
    assert row["outliers"]["uniform noise"]["auc"]["bits_per_dimension"][0] > 0.9
    areas = {kind: patches["auc"]["flow, window 3"][0] for kind, patches in row["patches"].items()}
    assert areas["uniform noise"] > 0.6
    assert areas["uniform noise"] > areas["nothing (control)"]


def test_report_has_the_command_tables_and_pictures(study, row):
    text = (study[0] / "report" / "report.md").read_text(encoding="utf-8")
    (command,) = re.findall("^anomaly .*$", text, flags=re.MULTILINE)
    for option in ("--data digits", "--steps 12", "--count 30", "--set evaluation.draws=1"):
        assert option in command
    assert "/nowhere" not in text
    black, error = row["outliers"]["black"]["auc"]["typicality"]
    line = re.search(r"^\| black \|.*$", text, flags=re.MULTILINE)[0]
    assert f"{black:.3f} ± {error:.3f}" in line
    names = re.findall(r"\]\((\w+\.png)\)", text)
    assert names == ["sets.png", "histograms.png", "maps.png"]
    for name in names:
        picture = np.asarray(Image.open(study[0] / "report" / name).convert("L"))
        assert np.ptp(picture) > 0, f"{name} is blank"
    page = (study[0] / "report" / "report.html").read_text(encoding="utf-8")
    assert page.count("<img ") == 3 and f"{black:.3f} ± {error:.3f}" in page


def test_a_finished_seed_is_not_repeated_and_other_settings_are_refused(study, monkeypatch):
    folder, arguments = study

    def refuse(*_):
        raise AssertionError("the test images were read again")

    monkeypatch.setattr(Scorer, "__init__", refuse)
    for name in ("save_labelled_rows", "save_score_histograms", "save_patch_maps"):
        monkeypatch.setattr(pictures, name, lambda *_, **__: None)
    before = (folder / "report" / "report.md").read_text(encoding="utf-8")
    assert call(*SETTINGS, *arguments).exit_code == 0
    assert (folder / "report" / "report.md").read_text(encoding="utf-8") == before
    result = call(*SETTINGS, *arguments, "--count", "20")
    assert result.exit_code == 1
    assert "--count is 30 there, 20 here" in result.output
    assert json.loads((folder / "config.json").read_text())["count"] == 30


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "digits", "--factorization", "best"), "--factorization must be one of"),
        (("--data", "digits", "--seeds", "0"), "0 is not in the range"),
        (("--data", "digits", "--steps", "0"), "'--steps': 0 is not in the range"),
        (("--data", "fashion_mnist", "--data-dir", "/nowhere"), "is not prepared"),
    ],
)
def test_bad_arguments_are_named(tmp_path, arguments, message):
    result = call(*arguments, "--run-dir", str(tmp_path / "run"))
    assert result.exit_code != 0
    assert message in result.output
    assert "Traceback" not in result.output
