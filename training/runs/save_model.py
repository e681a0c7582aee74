"""A model's Keras file, written whole, and a copy by way of one."""

import tempfile
from pathlib import Path

import keras

import tfp_lcma as lcma
from tfp_lcma.files import written_whole
from tfp_lcma.training.runs.workers import Workers


def save_model(model: keras.Model, path: Path) -> None:
    """Writes `path`, a name that ends in `.keras`, or leaves it as it was."""
    with written_whole(path) as temporary:
        # Keras insists on its ending.
        named = temporary.with_suffix(".keras")
        model.save(named)
        named.rename(temporary)


def of_one_device(model: lcma.FlowModel, workers: Workers) -> lcma.FlowModel:
    """Returns a model that this process can use alone: itself, unless replicas trained it."""
    if workers.replicas == 1:
        return model
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return keras.saving.load_model(path)
