"""A run that chooses its split while training, killed while measuring and carried on."""

import json

import keras
import numpy as np
import pytest
from tfp_lcma.training.data import load
from tfp_lcma.training.recipes.recipe import load_recipe
from tfp_lcma.training.runs.checkpoint import Checkpointer
from tfp_lcma.training.runs.run import Run

import tfp_lcma as lcma
from tests.training.runs.test_resume import TINY, Killed, small, weights  # noqa: F401, a fixture
from tfp_lcma.keras_model.online_split import variable_orders


def online_run(folder):
    recipe = load_recipe("digits", **TINY | {"validate_every": 2})
    return Run(recipe, "online-lcma", 0, folder, checkpoint_every=1, verbose=False)


def test_run_killed_while_measuring_ends_as_an_undisturbed_one(tmp_path, monkeypatch):
    digits = load("digits", limit=40)
    undisturbed = online_run(tmp_path / "undisturbed")
    metrics = undisturbed.execute(digits)
    assert metrics["pretraining"] is None
    assert np.isfinite(metrics["validation"])
    assert (undisturbed.folder / "online_choices_1.png").exists()

    on_train_batch_end = Checkpointer.on_train_batch_end

    def stop(self, batch, logs=None):
        on_train_batch_end(self, batch, logs)
        if self.step == 2:
            raise Killed

    run = online_run(tmp_path / "killed")
    with monkeypatch.context() as patch:
        patch.setattr(Checkpointer, "on_train_batch_end", stop)
        with pytest.raises(Killed):
            run.execute(digits)
    again = run.execute(digits)
    assert again["training"]["steps"] == metrics["training"]["steps"] == 10
    for mine, theirs in zip(weights(run.folder), weights(undisturbed.folder), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
    choices = [
        json.loads((r.folder / "online_choices.json").read_text()) for r in (run, undisturbed)
    ]
    assert [row["step"] for row in choices[0]] == [row["step"] for row in choices[1]]

    # What is kept is never a flow whose split was still being drawn.
    model = keras.saving.load_model(run.folder / "model.keras")
    assert isinstance(model, lcma.FlowModel)
    assert all(order.decided for order in variable_orders(model.flow))
