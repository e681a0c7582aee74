"""A density that is known in closed form, for tests of what asks one; and folders of real ones."""

import json

import numpy as np

import tfp_lcma as lcma
from tfp_lcma.training.data.pixels import PixelSettings
from tfp_lcma.training.runs.density import Density


class ToyDensity(Density):
    """Every intensity is as many nats unlikely as it is high; samples are of their class."""

    def __init__(self, shape=(8, 8, 1), bins=256, conditions=None):
        self.event_shape, self.bins, self.conditions = shape, bins, conditions
        self.pixels = PixelSettings.usual(shape, bins)
        self.asked = []

    def log_prob(self, images, condition=None, draws=1, seed=None):
        self.asked.append((len(images), condition, draws))
        return -images.sum(axis=(1, 2, 3), dtype=np.float64)

    def event_log_prob(self, images, condition=None, seed=None):
        return -images.astype(np.float64)

    def _drawn(self, seeds, temperature, condition):
        random = np.random.default_rng([seeds[0, 1], round(10 * temperature)])
        images = random.integers(0, self.bins, (len(seeds), *self.event_shape)).astype(float)
        if condition is not None:
            images[:, 0, 0, 0] = condition
        return images


def write_run(folder, model, pixels):
    """Writes what a run's folder holds of its model."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"pixels": pixels and pixels.to_config()}))
    model.save(folder / "model.keras")
    return folder


def write_export(folder, model, pixels):
    """Exports a model as a run does; returns the folder of its versions."""
    lcma.export_saved_model(model, folder, warm_up_rows=(), pixels=pixels and pixels.to_config())
    return folder
