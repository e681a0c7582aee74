"""A trained flow as it is asked about images, be it a run or an export."""

import abc
from pathlib import Path

import numpy as np

from tfp_lcma import noise, pretrained
from tfp_lcma.training.data.pixels import PixelSettings
from tfp_lcma.training.runs.run_or_export import exported_version, is_run, read_card
from tfp_lcma.validation import check_condition


class Density(abc.ABC):
    """The density of a run's model or of an export: the same questions, the same answers.

    Images are uint8 `[n, height, width, channels]`; a condition is a class or a vector, or one for
    every image. Noise depends on an image and the seed, and a sample on its number and the seed,
    never on how many there are.

    Attributes:
        event_shape: `(height, width, channels)` of an image.
        bins: Number of intensities.
        conditions: Number of classes, shape of a vector, or None if it is unconditional.
        pixels: What is made of an image file; None if its images are neither grey nor RGB.
    """

    event_shape: tuple[int, int, int]
    bins: int
    conditions: int | tuple[int, ...] | None
    pixels: PixelSettings | None

    @abc.abstractmethod
    def log_prob(
        self, images, condition=None, draws: int = 1, seed: int | None = None
    ) -> np.ndarray:
        """Returns a lower bound on the log-probability of images, in nats, `[n]`.

        More dequantisation draws tighten the bound. Without a seed their noise is the model's own,
        that of `FlowModel` and of the served `log_prob`.
        """

    @abc.abstractmethod
    def event_log_prob(self, images, condition=None, seed: int | None = None) -> np.ndarray:
        """Returns each dimension's share of `log_prob`, in nats, in the shape of the images."""

    def sample(self, n: int, condition=None, temperature: float = 1.0, seed: int = 0) -> np.ndarray:
        """Returns `n` images, uint8, of noise times the temperature.

        Raises:
            ValueError: If the temperature is negative or not finite, or a sample has no image.
        """
        if not 0 <= temperature < np.inf:
            raise ValueError(f"temperature must be finite and at least 0; got {temperature}.")
        low, high = noise.seed_pair(seed).numpy()
        seeds = np.stack([np.arange(n, dtype=np.int32), np.full(n, low ^ high, np.int32)], axis=1)
        condition = check_condition(condition, self.conditions, n, "condition")
        drawn = np.floor(self._drawn(seeds, temperature, condition))
        # What lies beyond black and white would wrap round.
        return np.clip(drawn, 0, self.bins - 1).astype(np.uint8)

    @abc.abstractmethod
    def _drawn(self, seeds: np.ndarray, temperature: float, condition) -> np.ndarray:
        """Returns one image, floats, for each of int32 `[n, 2]` seeds; some may leave [0, bins)."""

    def bits_per_dimension(self, images, condition=None, draws: int = 1, seed: int | None = None):
        """Returns -log_prob / (D log 2) for every image: an upper bound, in bits per dimension."""
        nats = self.log_prob(images, condition, draws, seed)
        return -nats / (np.prod(self.event_shape) * np.log(2))


def load_density(folder: Path) -> Density:
    """Loads the model of a run, at its best, or the latest version of an export.

    Raises:
        ValueError: If the folder is neither, or what is in it cannot be loaded.
    """
    if is_run(folder):
        from tfp_lcma.training.runs.density_of_run import DensityOfRun
        from tfp_lcma.training.runs.load_run import load_run

        run = load_run(folder)
        pixels = _pixels(run.settings.get("pixels"), run.model.event_shape, run.model.bins)
        return DensityOfRun(run.model, pixels)
    from tfp_lcma.training.runs.density_of_export import DensityOfExport

    version = exported_version(folder)
    card = read_card(version)
    return DensityOfExport(version, card, _pixels(card.pixels, card.event_shape, card.bins))


def load_pretrained(name: str) -> Density:
    """Loads a model that comes with the package.

    Raises:
        ValueError: If there is no such model, or its files cannot be read.
    """
    from tfp_lcma.training.runs.density_of_run import DensityOfRun

    card, model = pretrained.card(name), pretrained.load(name)
    return DensityOfRun(model, _pixels(card["pixels"], model.event_shape, model.bins))


def _pixels(config, event_shape, bins) -> PixelSettings | None:
    """Returns the settings that a run or an export records, or else the usual ones."""
    return PixelSettings.from_config(config) if config else PixelSettings.usual(event_shape, bins)
