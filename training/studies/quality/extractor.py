"""Networks that describe images by feature vectors."""

import dataclasses
import os
from pathlib import Path

import keras
import numpy as np

from tfp_lcma.training.data import Dataset

_CHUNK = 500


@dataclasses.dataclass(frozen=True)
class FeatureExtractor:
    """A network that describes images, and the images that it takes.

    Attributes:
        model: maps float32 [n, H, W, C] in [0, 1] to [n, d].
        event_shape: (H, W, C).
        bins: number of intensities; `bins - 1` becomes 1.
        accuracy: share of the validation images that the classifier behind the features puts
            into the right class; None where no validation image is of a class of the training
            images, and for other networks.
    """

    model: keras.Model
    event_shape: tuple[int, int, int]
    bins: int
    accuracy: float | None = None


def load_extractor(path: str | os.PathLike, dataset: Dataset) -> FeatureExtractor:
    """Returns a network of the user's own as the extractor for a data set.

    Args:
        path: a Keras model, .keras, that maps float32 [n, H, W, C] in [0, 1] to [n, d].
        dataset: gives H, W, C and the number of intensities.

    Raises:
        ValueError: the file is missing or unreadable, or its model does something else.
    """
    path = keras_path(path)
    return as_extractor(read_model(path), dataset, path)


def features(extractor: FeatureExtractor, images: np.ndarray) -> np.ndarray:
    """Returns the features of images, float64 [n, d].

    Args:
        extractor: the network.
        images: intensities [n, H, W, C] in [0, bins), whole numbers or, as a model draws them,
            with fractions, which are dropped.

    Raises:
        ValueError: the images have another shape or range.
    """
    if images.shape[1:] != extractor.event_shape or len(images) == 0:
        raise ValueError(
            f"images must have shape [n, {', '.join(map(str, extractor.event_shape))}], n >= 1; "
            f"got {list(images.shape)}"
        )
    found = []
    for start in range(0, len(images), _CHUNK):
        whole = np.floor(images[start : start + _CHUNK]).astype(np.float32)
        # Written so that NaN does not pass.
        if not (whole.min() >= 0 and whole.max() < extractor.bins):
            raise ValueError(
                f"images must lie in [0, {extractor.bins}); got {whole.min()}..{whole.max()}"
            )
        found.append(extractor.model.predict_on_batch(whole / (extractor.bins - 1)))
    return np.concatenate(found).astype(np.float64)


def as_extractor(model: keras.Model, dataset: Dataset, path: Path) -> FeatureExtractor:
    """Returns the model as the data set's extractor, having tried it on one image."""
    expected = f"{path} must map images [n, {', '.join(map(str, dataset.event_shape))}] to [n, d]"
    try:
        shape = np.shape(model.predict_on_batch(np.zeros((1, *dataset.event_shape), np.float32)))
    except Exception as error:
        raise ValueError(f"{expected}; it cannot take them: {error}") from error
    if len(shape) != 2 or shape[0] != 1:
        raise ValueError(f"{expected}; for one image it gives {list(shape)}")
    return FeatureExtractor(model, dataset.event_shape, dataset.bins)


def read_model(path: Path) -> keras.Model:
    """Reads a Keras model; whatever goes wrong is a ValueError that names the file."""
    try:
        return keras.saving.load_model(path, compile=False)
    # A broken file surfaces as whatever the reader stumbles over: BadZipFile, KeyError, TypeError.
    except Exception as error:
        raise ValueError(f"cannot read a Keras model from {str(path)!r}: {error}") from error


def keras_path(path: str | os.PathLike) -> Path:
    """Returns the path, having checked its ending: Keras reads and writes no other."""
    path = Path(path)
    if path.suffix != ".keras":
        raise ValueError(f"the file of a Keras model must end in .keras; got {str(path)!r}")
    return path
