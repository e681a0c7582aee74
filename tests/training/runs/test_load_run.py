"""The model of a run, finished or killed, is found again at its best."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from tfp_lcma.training.cli.export import export
from tfp_lcma.training.runs.course import Course
from tfp_lcma.training.runs.load_run import load_run

from tests.toys import pictures
from tests.training.tiny import make_small, tiny_dataset, tiny_run


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    make_small(monkeypatch.setattr)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished run; tests must not change it."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch.setattr)
        tiny_run(folder, "checkerboard").execute(tiny_dataset())
    return folder


def test_a_finished_run_and_its_checkpoint_hold_the_same_model(finished):
    images = pictures(8)
    whole = load_run(finished)
    (finished / "model.keras").rename(finished / "hidden")
    again = load_run(finished)
    (finished / "hidden").rename(finished / "model.keras")
    np.testing.assert_array_equal(again.model.log_prob(images), whole.model.log_prob(images))
    assert again.settings == whole.settings == json.loads((finished / "config.json").read_text())
    assert whole.metrics["test"]["images"] == 40
    assert not {"training", "pretraining", "export"} & set(whole.metrics)
    assert again.metrics == {"validation": whole.metrics["validation"], "steps": 10}


def test_a_run_killed_in_training_is_found_at_its_best(tmp_path, monkeypatch):
    save = Course.save

    def killed(self):
        save(self)
        if self._phase == "training" and self.step == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Course, "save", killed)
        tiny_run(tmp_path).execute(tiny_dataset())
    found = load_run(tmp_path)
    assert found.metrics["steps"] == 4
    assert np.isfinite(found.model.log_prob(pictures(8))).all()
    assert type(found.model.flow.factorization).__name__ == "LikelihoodContribution"


@pytest.mark.parametrize(
    ("factorization", "message"),
    [("checkerboard", "no validation yet"), ("lcma", "still pre-training")],
)
def test_a_run_before_its_first_validation_is_refused(
    tmp_path, monkeypatch, factorization, message
):
    def killed(self, logs=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(Course, "on_train_begin", killed)
    with pytest.raises(KeyboardInterrupt):
        tiny_run(tmp_path, factorization).execute(tiny_dataset())
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


def test_command_exports_the_run_with_its_recipe_and_results(finished, tmp_path):
    arguments = [
        finished, "--export-dir", tmp_path / "saved" / "digits",
        "--network-dtype", "bfloat16", "--warm-up-rows", "2", "--serving-config",
    ]  # fmt: skip
    result = CliRunner().invoke(export, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    version = tmp_path / "saved" / "digits" / "1"
    assert f"is exported to {version}" in result.output
    card = json.loads((version / "assets.extra" / "model.json").read_text())
    assert card["network_dtype"] == "bfloat16"
    assert card["recipe"]["factorization"] == "checkerboard"
    assert card["metrics"]["test"]["images"] == 40
    for name in ("models.config", "batching_params.pbtxt"):
        assert (tmp_path / "saved" / name).exists()
