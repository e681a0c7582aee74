"""The model of a run, finished or killed, is found again at its best."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from tests.processor import computes_in_bfloat16
from tests.toys import pictures
from tests.training.tiny import make_small, tiny_run
from tfp_lcma.training.cli.export import export
from tfp_lcma.training.runs.course import Course
from tfp_lcma.training.runs.load_run import load_run


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    make_small(monkeypatch.setattr)


def test_a_finished_run_and_its_checkpoint_hold_the_same_model(finished):
    images, folder = pictures(8), finished[0].folder
    whole = load_run(folder)
    (folder / "model.keras").rename(folder / "hidden")
    again = load_run(folder)
    (folder / "hidden").rename(folder / "model.keras")
    np.testing.assert_array_equal(again.model.log_prob(images), whole.model.log_prob(images))
    assert again.settings == whole.settings == json.loads((folder / "config.json").read_text())
    assert type(again.model.flow.factorization).__name__ == "LikelihoodContribution"
    assert whole.metrics["test"]["images"] == 40
    assert not {"training", "pretraining", "export"} & set(whole.metrics)
    assert again.metrics == {"validation": whole.metrics["validation"], "steps": 10}


@pytest.mark.parametrize(
    ("factorization", "message"),
    [("checkerboard", "no validation yet"), ("lcma", "still pre-training")],
)
def test_a_run_before_its_first_validation_is_refused(
    tmp_path, dataset, monkeypatch, factorization, message
):
    def killed(self, logs=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(Course, "on_train_begin", killed)
    with pytest.raises(KeyboardInterrupt):
        tiny_run(tmp_path, factorization).execute(dataset)
    with pytest.raises(ValueError, match=message):
        load_run(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", None, "config.json cannot be read"),
        ("config.json", "{", "config.json cannot be read"),
        ("config.json", '{"name": "digits"}', "config.json is not that of a run"),
        ("model.keras", "not a model", "model.keras cannot be read"),
    ],
)
def test_damaged_folders_are_refused_by_name(tmp_path, name, content, message):
    if name != "config.json":
        (tmp_path / "config.json").write_text("{}")
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        load_run(tmp_path)


@computes_in_bfloat16
def test_command_exports_the_run_with_its_recipe_and_results(finished, tmp_path):
    arguments = [
        finished[0].folder, "--export-dir", tmp_path / "saved" / "digits",
        "--network-dtype", "bfloat16", "--warm-up-rows", "2", "--serving-config",
    ]  # fmt: skip
    result = CliRunner().invoke(export, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    version = tmp_path / "saved" / "digits" / "1"
    assert f"is exported to {version}" in result.output
    card = json.loads((version / "assets.extra" / "model.json").read_text())
    assert card["network_dtype"] == "bfloat16"
    assert card["recipe"]["factorization"] == "lcma"
    assert card["metrics"]["test"]["images"] == 40
    for name in ("models.config", "batching_params.pbtxt"):
        assert (tmp_path / "saved" / name).exists()
