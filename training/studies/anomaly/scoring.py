"""The scores of images and the maps of pixels that are compared, fitted to training images."""

import numpy as np

import tfp_lcma as lcma
from tfp_lcma import anomaly

# The image scores, in the order of the tables; the last is the baseline without a flow.
SCORES = {
    "bits_per_dimension": "bits/dim",
    "typicality": "typicality",
    "complexity_corrected": "complexity-corrected",
    "pixel_gaussian": "pixel Gaussian",
}
# Sides of the squares over which maps are averaged.
WINDOWS = (1, 3, 5)
# Training images by which the flow's usual answers are measured.
_MEASURED = 2048


class Scorer:
    """Scores images by a trained flow, and by a baseline that knows every pixel on its own.

    What is usual comes from training images alone.

    Attributes:
        typical: mean bits per dimension of training images.
    """

    def __init__(self, model: lcma.FlowModel, training: np.ndarray, draws: int, seed: int):
        """Measures what is usual.

        Args:
            model: a trained model without conditions.
            training: uint8 [n, H, W, C], what it was trained on.
            draws: dequantisation draws an image.
            seed: of the draws, and of the training images that are measured.
        """
        self._model, self._draws, self._seed = model, draws, seed
        rows = np.random.default_rng(seed).permutation(len(training))[:_MEASURED]
        measured = np.asarray(training[np.sort(rows)])
        self.typical = float(self._bits(measured).mean(dtype=np.float64))
        self._usual = self._event_log_prob(measured).mean(axis=0, dtype=np.float64)
        self._mean = measured.mean(axis=0, dtype=np.float64)
        # That of the uniform noise which fills a whole intensity: a pixel may never vary.
        self._variance = measured.var(axis=0, dtype=np.float64) + 1 / 12

    def scores(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Returns every one of `SCORES` `[n]`, and `compressed`, for uint8 images."""
        bits = self._bits(images)
        return {
            "bits_per_dimension": bits,
            "typicality": anomaly.typicality(bits, self.typical),
            "complexity_corrected": anomaly.complexity_corrected(bits, images, self._model.bins),
            "pixel_gaussian": self._gaussian(images).mean(axis=(1, 2, 3)) / np.log(2),
            "compressed": anomaly.compressed_bits_per_dimension(images, self._model.bins),
        }

    def maps(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Returns maps `[n, H, W]` of uint8 images, by name; higher is more anomalous."""
        log_prob = self._event_log_prob(images)
        sources = {
            "flow": (log_prob, None),
            "flow, less the usual": (log_prob, self._usual),
            "pixel Gaussian": (-self._gaussian(images), None),
            "distance from the mean image": (-np.abs(images - self._mean), None),
        }
        return {
            map_name(name, window): anomaly.anomaly_map(values, usual, window)
            for name, (values, usual) in sources.items()
            for window in WINDOWS
        }

    def _bits(self, images):
        return self._model.bits_per_dimension(images, draws=self._draws, seed=self._seed)

    def _event_log_prob(self, images):
        return self._model.event_log_prob(images, seed=self._seed)

    def _gaussian(self, images):
        """Negative log-densities of the pixels, nats, were they independent and Gaussian."""
        z = (images - self._mean) ** 2 / self._variance
        return 0.5 * (z + np.log(2 * np.pi * self._variance))


def map_name(source: str, window: int) -> str:
    """Returns what a map is called, averaged over a window or not."""
    return source if window == 1 else f"{source}, window {window}"
