"""The density of a SavedModel, without the Python objects it was made of."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from tfp_lcma import noise
from tfp_lcma.density.dequantization import DRAW_STRIDE
from tfp_lcma.training.data.pixels import PixelSettings
from tfp_lcma.training.runs.density import Density
from tfp_lcma.training.runs.run_or_export import Card
from tfp_lcma.training.tryout.quiet import quiet
from tfp_lcma.validation import check_condition, check_images

# Rows in one request.
_CHUNK = 256


class DensityOfExport(Density):
    """Asks the signatures of an exported version."""

    def __init__(self, version: Path, card: Card, pixels: PixelSettings | None):
        """Loads a version.

        Args:
            version: Its folder.
            card: What its model card says.
            pixels: What is made of an image file; None if its images are neither grey nor RGB.

        Raises:
            ValueError: If it cannot be loaded.
        """
        self.event_shape, self.bins, self.conditions = card.event_shape, card.bins, card.conditions
        self.pixels, self._seed = pixels, card.seed
        try:
            # Nobody asks it for gradients, which it says were not saved.
            with quiet("absl"):
                self._loaded = tf.saved_model.load(str(version))
        except (OSError, RuntimeError, ValueError, tf.errors.OpError) as error:
            raise ValueError(f"{str(version)!r} cannot be loaded: {error}") from error

    def log_prob(self, images, condition=None, draws=1, seed=None):
        # As in the package, the seeds of draws are whole numbers of 32 bits, which wrap round.
        pairs = (self._pair(seed) + draw * tf.constant(DRAW_STRIDE) for draw in range(draws))
        values = [self._of_images("log_prob", images, condition, pair) for pair in pairs]
        return np.logaddexp.reduce(np.stack(values), axis=0) - float(np.log(draws))

    def event_log_prob(self, images, condition=None, seed=None):
        return self._of_images("event_log_prob", images, condition, self._pair(seed))

    def _drawn(self, seeds, temperature, condition):
        temperatures = np.full(len(seeds), temperature, np.float32)
        inputs = {"seed": seeds, "temperature": temperatures, "condition": condition}
        images = self._ask("sample_with_temperature", "images", inputs)
        lost = np.isnan(images).any(axis=(1, 2, 3)).sum()
        if lost:
            raise ValueError(f"the flow found no image for {lost} of {len(images)} samples.")
        return images

    def _pair(self, seed):
        return noise.seed_pair(self._seed if seed is None else seed)

    def _of_images(self, density, images, condition, seed):
        images = check_images(images, self.event_shape, self.bins, "images").astype(np.uint8)
        inputs = {
            "images": images,
            "seed": np.tile(seed, (len(images), 1)),
            "condition": check_condition(condition, self.conditions, len(images), "condition"),
        }
        return self._ask(f"{density}_with_seed", density, inputs)

    def _ask(self, signature: str, output: str, inputs: dict) -> np.ndarray:
        """Returns an output of a signature for all rows of its inputs; None is none of them."""
        given = {name: value for name, value in inputs.items() if value is not None}
        function, rows = self._loaded.signatures[signature], len(given["seed"])
        chunks = [slice(start, start + _CHUNK) for start in range(0, rows, _CHUNK)]
        answers = [
            function(**{name: tf.constant(value[chunk]) for name, value in given.items()})
            for chunk in chunks
        ]
        return np.concatenate([answer[output].numpy() for answer in answers])
