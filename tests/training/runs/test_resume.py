"""A run stopped anywhere and started again ends where an undisturbed one ends."""

from pathlib import Path

import keras
import numpy as np
import pytest
from tfp_lcma.training.data import load
from tfp_lcma.training.recipes.recipe import Recipe, load_recipe
from tfp_lcma.training.runs.checkpoint import Checkpointer, PatientStopping
from tfp_lcma.training.runs.run import Run, TrainingFailedError

import tfp_lcma as lcma
from tests.training.tiny import build_tiny_flow, draw_nothing

TINY = {
    "steps": 10, "pretrain_steps": 10, "batch_size": 8, "validate_every": 4,
    "patience": 100, "draws": 1,
}  # fmt: skip


def tiny_run(folder, **changes):
    settings = TINY | changes
    return Run(
        load_recipe("digits", **settings), "lcma", 0, folder, checkpoint_every=3, verbose=False
    )


@pytest.fixture(scope="module")
def digits():
    return load("digits", limit=40)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, digits):
    run = tiny_run(tmp_path_factory.mktemp("undisturbed"))
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch)
        return run, run.execute(digits)


def make_small(monkeypatch):
    """These runs are many: they do with small flows and without pictures."""
    monkeypatch.setattr(Recipe, "build_flow", build_tiny_flow)
    draw_nothing(monkeypatch.setattr)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    make_small(monkeypatch)


class Killed(BaseException):
    """Stands for a kill: nothing in the code under test may catch it."""


def weights(folder):
    model = keras.saving.load_model(Path(folder) / "model.keras")
    return [w.numpy() for w in model.weights]


def assert_same_end(run, metrics, undisturbed):
    expected_run, expected = undisturbed
    for phase in ("pretraining", "training"):
        assert metrics[phase]["steps"] == expected[phase]["steps"] == 10
        assert [row["step"] for row in metrics[phase]["history"]] == [4, 8, 10]
    for mine, theirs in zip(weights(run.folder), weights(expected_run.folder), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def test_a_run_stopped_in_mid_epoch_and_in_mid_checkpoint_ends_the_same(
    tmp_path, digits, undisturbed, monkeypatch
):
    on_train_batch_end, save = Checkpointer.on_train_batch_end, Checkpointer.save

    def stop_in_mid_epoch(self, batch, logs=None):
        if (self._phase, self.step) == ("pretraining", 7):
            raise Killed
        on_train_batch_end(self, batch, logs)

    def stop_in_mid_checkpoint(self):
        if (self._phase, self.step) == ("training", 6):
            (Path(self._directory) / "ckpt-6.data-00000-of-00001").write_bytes(b"half")
            raise Killed
        save(self)

    run = tiny_run(tmp_path)
    for name, stop in (
        ("on_train_batch_end", stop_in_mid_epoch),
        ("save", stop_in_mid_checkpoint),
    ):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(Checkpointer, name, stop)
            run.execute(digits)
    assert_same_end(run, run.execute(digits), undisturbed)


def test_a_finished_run_is_not_run_again(undisturbed, digits, monkeypatch):
    run, metrics = undisturbed
    monkeypatch.setattr(Run, "_fit", None)
    assert run.execute(digits) == metrics


def test_a_folder_of_a_run_with_other_settings_is_refused_and_named(undisturbed, digits):
    run, _ = undisturbed
    with pytest.raises(ValueError, match=r"other settings \(steps is 10 there, 11 here\)"):
        tiny_run(run.folder, steps=11).execute(digits)


def test_damaged_files_of_a_run_are_named(tmp_path, digits, monkeypatch):
    def stop(self, *_, **__):
        raise Killed

    run = tiny_run(tmp_path)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(lcma.LogDetCollector, "collect", stop)
        run.execute(digits)

    (tmp_path / "statistics.npz").write_bytes(b"not statistics")
    with pytest.raises(ValueError, match=r"statistics\.npz is not a readable statistics file"):
        run.execute(digits)

    (data,) = (tmp_path / "checkpoints" / "pretraining").glob("ckpt-10.data*")
    data.write_bytes(data.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"Checkpoint .*ckpt-10 cannot be read"):
        run.execute(digits)

    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json is not readable JSON"):
        run.execute(digits)


def test_a_nan_loss_stops_training_and_keeps_the_last_good_checkpoint(tmp_path, digits):
    run = tiny_run(tmp_path, learning_rate=1e30)
    with pytest.raises(TrainingFailedError, match=r"loss of pretraining became NaN .* step"):
        run.execute(digits)
    assert not (tmp_path / "metrics.json").exists()
    model = lcma.FlowModel(run.recipe.build_flow((8, 8, 1), None), bins=17)
    model.compile(optimizer=run.recipe.build_optimizer(10))
    state = Checkpointer(
        tmp_path / "checkpoints" / "pretraining", "pretraining", PatientStopping(1), 1
    )
    state.attach(model)
    assert all(np.isfinite(w.numpy()).all() for w in model.weights)


def test_early_stopping_counts_on_over_an_interruption(tmp_path, digits):
    model = lcma.FlowModel(load_recipe("digits", **TINY).build_flow((8, 8, 1), None), bins=17)
    model.compile(optimizer="adam")
    stopping = PatientStopping(patience=3)
    state = Checkpointer(tmp_path, "training", stopping, every=100)
    state.attach(model)
    for callback in (stopping, state):
        callback.set_model(model)
        callback.on_train_begin()
    for value in (3.0, 2.0, 2.5, 2.6):
        state.step += 1
        for callback in (stopping, state):
            callback.on_epoch_end(0, {"val_bits_per_dimension": value, "loss": 1.0})
    later = PatientStopping(patience=3)
    resumed = Checkpointer(tmp_path, "training", later, every=100)
    resumed.attach(model)
    assert (later.best, later.wait, resumed.step) == (2.0, 2, 4)
    assert not resumed.stopped
