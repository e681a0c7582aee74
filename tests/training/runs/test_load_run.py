"""The model of a run, finished or killed, is found again at its best."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from tfp_lcma.training.cli.export import main as export
from tfp_lcma.training.cli.train import main as train
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.runs.checkpoint import Checkpointer
from tfp_lcma.training.runs.load_run import load_trained

from tests.toys import pictures
from tests.training.tiny import build_tiny_flow, draw_nothing


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    draw_nothing(monkeypatch.setattr)
    monkeypatch.setattr(Recipe, "build_flow", build_tiny_flow)


def call(command, *arguments):
    return CliRunner().invoke(command, list(map(str, arguments)))


def trained(folder, *arguments):
    return call(
        train, "--recipe", "digits", "--run-dir", folder, "--no-export", "--quiet",
        "--limit", "40", "--steps", "24", "--batch-size", "8", "--draws", "1",
        "--validate-every", "8", *arguments,
    )  # fmt: skip


@pytest.fixture
def finished(tmp_path):
    result = trained(tmp_path / "run", "--factorization", "checkerboard")
    assert result.exit_code == 0, result.output
    return tmp_path / "run"


def test_a_finished_run_and_its_checkpoint_hold_the_same_model(finished):
    images = pictures(8, (8, 8, 1), bins=17)
    whole = load_trained(finished)
    (finished / "model.keras").unlink()
    again = load_trained(finished)
    np.testing.assert_array_equal(again.model.log_prob(images), whole.model.log_prob(images))
    assert again.settings == whole.settings == json.loads((finished / "config.json").read_text())
    assert whole.metrics["test"]["images"] == 40
    assert not {"training", "pretraining", "export"} & set(whole.metrics)
    assert again.metrics == {"validation": whole.metrics["validation"], "steps": 24}


def test_a_run_killed_in_training_is_found_at_its_best(tmp_path, monkeypatch):
    save = Checkpointer.save

    def killed(self):
        save(self)
        if self._phase == "training" and self.step == 16:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpointer, "save", killed)
    trained(tmp_path / "run", "--factorization", "lcma")
    monkeypatch.undo()
    draw_nothing(monkeypatch.setattr)
    monkeypatch.setattr(Recipe, "build_flow", build_tiny_flow)
    found = load_trained(tmp_path / "run")
    assert found.metrics["steps"] == 16
    history = found.model.evaluate(pictures(8, (8, 8, 1), bins=17), verbose=0, return_dict=True)
    assert np.isfinite(history["bits_per_dimension"])
    assert type(found.model.flow.factorization).__name__ == "LikelihoodContribution"


def test_a_run_before_its_first_validation_is_refused(tmp_path, monkeypatch):
    def killed(self, logs=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(Checkpointer, "on_train_begin", killed)
    for factorization, message in (("checkerboard", "no validation yet"), ("lcma", "pre-training")):
        folder = tmp_path / factorization
        trained(folder, "--factorization", factorization)
        with pytest.raises(ValueError, match=message):
            load_trained(folder)


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
    result = call(export, "--run", tmp_path, "--export-dir", tmp_path / "export")
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "export").exists()


def test_command_exports_the_run_with_its_recipe_and_results(finished, tmp_path):
    result = call(
        export, "--run", finished, "--export-dir", tmp_path / "saved" / "digits",
        "--network-dtype", "bfloat16", "--warm-up-rows", "2", "--serving-config",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    version = tmp_path / "saved" / "digits" / "1"
    assert f"is exported to {version}" in result.output
    card = json.loads((version / "assets.extra" / "model.json").read_text())
    assert card["network_dtype"] == "bfloat16"
    assert card["recipe"]["factorization"] == "checkerboard"
    assert card["metrics"]["test"]["images"] == 40
    for name in ("models.config", "batching_params.pbtxt"):
        assert (tmp_path / "saved" / name).exists()
