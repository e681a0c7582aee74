"""The density of a model in this process."""

import tfp_lcma as lcma
from tfp_lcma import noise
from tfp_lcma.training.data.pixels import PixelSettings
from tfp_lcma.training.runs.density import Density


class DensityOfRun(Density):
    """Asks a `FlowModel`."""

    def __init__(self, model: lcma.FlowModel, pixels: PixelSettings | None):
        """Wraps a trained model.

        Args:
            model: The model.
            pixels: What is made of an image file; None if its images are neither grey nor RGB.
        """
        self._model, self.pixels = model, pixels
        self.event_shape, self.bins = model.event_shape, model.bins
        self.conditions = model.conditions

    def log_prob(self, images, condition=None, draws=1, seed=None):
        return self._model.log_prob(images, condition, draws, seed)

    def event_log_prob(self, images, condition=None, seed=None):
        return self._model.event_log_prob(images, condition, seed)

    def _drawn(self, seeds, temperature, condition):
        z = noise.normal_rows(seeds, self.event_shape, self._model.flow.dtype).numpy()
        return self._model.decode(temperature * z, condition)
