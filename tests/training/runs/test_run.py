"""A run, stopped anywhere and started again, extended, or started from another one's weights."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

import tfp_lcma as lcma
from tests.training.tiny import make_eager, make_small, tiny_dataset, tiny_recipe, tiny_run
from tfp_lcma.keras_model.online_split import variable_orders
from tfp_lcma.training.recipes import load_recipe
from tfp_lcma.training.runs.course import Course
from tfp_lcma.training.runs.load_run import load_run
from tfp_lcma.training.runs.phases import with_short_warmup
from tfp_lcma.training.runs.run import Run
from tfp_lcma.training.runs.training_failed import TrainingFailedError


@pytest.fixture(autouse=True)
def small(monkeypatch):
    make_small(monkeypatch.setattr)
    make_eager(monkeypatch.setattr)


class Killed(BaseException):
    """Stands for a kill: nothing in the code under test may catch it."""


def weights(folder):
    return [w.numpy() for w in keras.saving.load_model(Path(folder) / "model.keras").weights]


def assert_close(mine, theirs):
    for one, other in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_a_split_of_blocks_is_refused_to_a_flow_on_patches_before_any_training(tmp_path, dataset):
    options = {"patch": 2, "levels": 2, "couplings": 1, "width": 4, "blocks": 1}
    recipe = load_recipe("digits", "jet", **options)
    run = Run(recipe=recipe, factorization="exit-price", seed=0, folder=tmp_path)
    with pytest.raises(ValueError, match="factorization must be one for patches; exit-price is"):
        run.execute(dataset)
    assert not (tmp_path / "checkpoints").exists()


def test_a_run_stopped_in_mid_epoch_and_in_mid_checkpoint_ends_the_same(
    tmp_path, dataset, finished, monkeypatch
):
    on_train_batch_end, save = Course.on_train_batch_end, Course.save

    def stop_in_mid_epoch(self, batch, logs=None):
        if (self._phase, self.step) == ("pretraining", 7):
            raise Killed
        on_train_batch_end(self, batch, logs)

    def stop_in_mid_checkpoint(self):
        if (self._phase, self.step) == ("training", 6):
            (Path(tmp_path) / "checkpoints/training/ckpt-6.data-00000-of-00001").write_bytes(b"ha")
            raise Killed
        save(self)

    run = tiny_run(tmp_path)
    for name, stop in (("on_train_batch_end", stop_in_mid_epoch), ("save", stop_in_mid_checkpoint)):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(Course, name, stop)
            run.execute(dataset)
    metrics, expected = run.execute(dataset), finished[1]
    for phase in ("pretraining", "training"):
        assert metrics[phase]["steps"] == expected[phase]["steps"] == 10
        assert [row["step"] for row in metrics[phase]["history"]] == [4, 8, 10]
    assert_close(weights(run.folder), weights(finished[0].folder))


@pytest.mark.slow
def test_a_run_of_variational_noise_stopped_in_mid_epoch_ends_the_same(
    tmp_path, dataset, monkeypatch
):
    on_train_batch_end = Course.on_train_batch_end

    def stop_in_mid_epoch(self, batch, logs=None):
        if self.step == 3:
            raise Killed
        on_train_batch_end(self, batch, logs)

    changes = {"dequantization": "variational", "steps": 5, "validate_every": 5}
    whole, stopped = (
        tiny_run(tmp_path / name, "checkerboard", changes, checkpoint_every=2)
        for name in ("whole", "stopped")
    )
    metrics = whole.execute(dataset)
    assert metrics["test"]["dequantization"] == "variational"
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Course, "on_train_batch_end", stop_in_mid_epoch)
        stopped.execute(dataset)
    bits = stopped.execute(dataset)["test"]["bits_per_dimension"]
    assert bits == pytest.approx(metrics["test"]["bits_per_dimension"], rel=1e-4)
    assert_close(weights(stopped.folder), weights(whole.folder))


def test_a_finished_run_is_not_run_again(finished, dataset, monkeypatch):
    run, metrics = finished
    monkeypatch.setattr(Run, "_train", None)
    assert run.execute(dataset) == metrics
    assert np.isfinite(metrics["test"]["bits_per_dimension"])


def test_a_finished_run_goes_on_where_it_ended_when_it_gets_more_steps(tmp_path, dataset, finished):
    run, before = finished
    folder = shutil.copytree(run.folder, tmp_path / "longer")
    longer = tiny_run(folder, changes={"steps": 14})
    metrics = longer.execute(dataset)
    history = metrics["training"]["history"]
    assert history[:3] == before["training"]["history"]
    assert [row["step"] for row in history] == [4, 8, 10, 12, 14]
    assert metrics["pretraining"] == before["pretraining"]
    assert metrics["steps"] == 14 and longer.execute(dataset) == metrics
    with pytest.raises(ValueError, match="--steps is 14 there, 10 here"):
        tiny_run(folder).execute(dataset)


def test_another_run_starts_from_the_best_weights_and_the_split_of_the_first(
    tmp_path, dataset, finished
):
    first = finished[0].folder
    run = tiny_run(tmp_path / "next", init_from=first, changes={"steps": 1, "learning_rate": 1e-9})
    metrics = run.execute(dataset)
    assert metrics["pretraining"] is None and metrics["training"]["steps"] == 1
    assert_close(weights(run.folder), weights(first))
    assert load_run(run.folder).settings["init_from"] == str(first)
    with pytest.raises(ValueError, match="--init-from must be a run of the same flow"):
        tiny_run(tmp_path / "a", "none", init_from=first).execute(tiny_dataset_of_another_size())
    with pytest.raises(ValueError, match="--init-from must be a run whose split was chosen from"):
        tiny_run(tmp_path / "b", init_from=tmp_path / "a").execute(dataset)


def tiny_dataset_of_another_size():
    whole = tiny_dataset(16)
    sides = [
        type(side)(np.repeat(side.images, 3, axis=-1))
        for side in (whole.train, whole.validation, whole.test)
    ]
    return type(whole)("other", *sides)


def test_the_learning_rate_rises_over_a_tenth_of_the_steps_at_most():
    recipe = tiny_recipe(warmup_steps=50)
    assert [with_short_warmup(recipe, n).warmup_steps for n in (8, 400, 4000)] == [0, 40, 50]
    rate = with_short_warmup(recipe, 8).build_optimizer(8).learning_rate
    assert float(rate) == pytest.approx(2e-3)


def test_damaged_files_of_a_run_are_named(tmp_path, dataset, finished):
    folder = shutil.copytree(finished[0].folder, tmp_path / "run")
    (folder / "metrics.json").unlink()
    run = tiny_run(folder)

    (folder / "statistics.npz").write_bytes(b"not statistics")
    with pytest.raises(ValueError, match=r"statistics\.npz is not a readable statistics file"):
        run.execute(dataset)

    (data,) = (folder / "checkpoints" / "pretraining").glob("ckpt-10.data*")
    data.write_bytes(data.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"Checkpoint .*ckpt-10 cannot be read"):
        run.execute(dataset)

    (folder / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json is not readable JSON"):
        run.execute(dataset)


def test_a_nan_loss_stops_training_and_keeps_the_last_good_checkpoint(tmp_path, dataset):
    run = tiny_run(tmp_path, "none", changes={"learning_rate": 1e30})
    with pytest.raises(TrainingFailedError, match=r"loss became NaN .* step \d+ of training"):
        run.execute(dataset)
    assert not (tmp_path / "metrics.json").exists()
    model = lcma.FlowModel(run.recipe.build_flow((4, 4, 1), None))
    model.compile(optimizer=run.recipe.build_optimizer(10))
    Course(model, "training", 10, patience=1, checkpoints=tmp_path / "checkpoints" / "training")
    assert all(np.isfinite(w.numpy()).all() for w in model.weights)


@pytest.mark.scale
def test_a_run_killed_while_it_measures_an_online_split_ends_as_an_undisturbed_one(
    tmp_path, dataset, monkeypatch
):
    changes = {"validate_every": 2}
    runs = [
        tiny_run(tmp_path / name, "online-lcma", changes, checkpoint_every=1)
        for name in ("killed", "undisturbed")
    ]
    on_train_batch_end = Course.on_train_batch_end

    def stop(self, batch, logs=None):
        on_train_batch_end(self, batch, logs)
        if self.step == 2:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Course, "on_train_batch_end", stop)
        runs[0].execute(dataset)
    for run in runs:
        metrics = run.execute(dataset)
        assert metrics["training"]["steps"] == 10 and metrics["pretraining"] is None
        assert np.isfinite(metrics["validation"])
    assert_close(*(weights(run.folder) for run in runs))
    choices = [json.loads((run.folder / "online_choices.json").read_text()) for run in runs]
    assert [row["step"] for row in choices[0]] == [row["step"] for row in choices[1]]
    assert (runs[0].folder / "online_choices_1.png").exists()
    # What is kept is never a flow whose split was still being drawn.
    model = keras.saving.load_model(runs[0].folder / "model.keras")
    assert all(order.decided for order in variable_orders(model.flow))
