"""The numbers of a run: a bound on bits per dimension with its error, and how the flow inverts."""

import numpy as np
import tensorflow as tf

import tfp_lcma as lcma
from tfp_lcma.training.data import Split
from tfp_lcma.training.runs.clustered import clustered_error

# Images that are classified: each takes a pass for every class.
_CLASSIFIED = 2000


def condition_of(model: lcma.FlowModel, split: Split) -> np.ndarray | None:
    """Returns the condition of the images of a split: their classes; None if unconditional."""
    return None if model.conditions is None else split.labels


def image_bits(model: lcma.FlowModel, split: Split, draws: int, seed: int) -> np.ndarray:
    """Returns a bound on the bits per dimension of every image of a split.

    Whatever the dequantisation, what is evaluated is an upper bound on -log2 P(image) per
    dimension, and more draws tighten it.

    Args:
        model: a trained model.
        split: the images.
        draws: dequantisation draws an image (importance-weighted).
        seed: of the draws.

    Returns:
        float32 `[images]`.
    """
    condition = condition_of(model, split)
    bits = model.bits_per_dimension(split.images, condition, draws=draws, seed=seed)
    return np.asarray(bits, np.float32)


def mean_bits(bits: np.ndarray, model: lcma.FlowModel, split: Split, draws: int) -> dict:
    """Returns the mean of what `image_bits` returned, and its standard error.

    Returns:
        `bits_per_dimension`, `standard_error` (over clusters where images come
        in clusters; None of a single one), `images`, `clusters`, `draws`, `bound` ("upper") and
        `dequantization`, what the draws are of.
    """
    clusters = split.clusters
    return {
        "bits_per_dimension": float(bits.mean(dtype=np.float64)),
        "standard_error": clustered_error(bits, clusters),
        "images": len(bits),
        "clusters": len(bits) if clusters is None else len(np.unique(clusters)),
        "draws": draws,
        "bound": "upper",
        "dequantization": type(model.dequantization).__name__.lower(),
    }


def test_bits(model: lcma.FlowModel, split: Split, draws: int, seed: int) -> dict:
    """Returns `mean_bits` of a split's `image_bits`."""
    return mean_bits(image_bits(model, split, draws, seed), model, split, draws)


def accuracy(model: lcma.FlowModel, split: Split, seed: int) -> dict:
    """Returns how often the class of most probability, by Bayes' rule, is the right one.

    Densities given the classes are bounds, from one draw of noise that all classes share.

    Args:
        model: a model that is conditioned on classes.
        split: images with labels; at most the first 2,000 are classified.
        seed: of the dequantisation draw.

    Returns:
        `accuracy`, `standard_error` (None of a single image) and `images`.
    """
    images, labels = split.images[:_CLASSIFIED], split.labels[:_CLASSIFIED]
    right = model.class_probabilities(images, seed=seed).argmax(axis=1) == labels
    return {
        "accuracy": float(right.mean()),
        "standard_error": clustered_error(right, None),
        "images": len(right),
    }


def round_trips(model: lcma.FlowModel, split: Split, seed: int) -> dict:
    """Returns the largest errors of x -> z -> x and z -> x -> z, as shares of the range.

    Both run in the model's own precision on fresh tensors: images in the
    middle of their bins, and standard normal noise.
    """
    dtype = model.flow.dtype
    distribution, condition = model.distribution, condition_of(model, split)
    x = tf.cast(split.images, dtype) + 0.5
    z = tf.random.stateless_normal(x.shape, [seed, 0], dtype=dtype)
    x_again = distribution.decode(distribution.encode(x, condition), condition)
    z_again = distribution.encode(distribution.decode(z, condition), condition)
    return {
        "x_to_z_to_x": _error(x, x_again, model.bins),
        "z_to_x_to_z": _error(z, z_again, float(tf.reduce_max(z) - tf.reduce_min(z))),
        "images": len(split),
    }


def _error(expected, got, value_range):
    return float(tf.reduce_max(tf.abs(expected - got)) / value_range)
