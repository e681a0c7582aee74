"""A small classifier of a data set's own training images, for its features."""

import dataclasses
import os

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.files import written_whole
from tfp_lcma.training.data import Dataset, Split
from tfp_lcma.training.studies.quality.extractor import (
    FeatureExtractor,
    as_extractor,
    features,
    keras_path,
    read_model,
)

_FEATURES = 64
_IMAGES, _STEPS, _BATCH_SIZE = 20_000, 900, 64


def train_classifier(dataset: Dataset, seed: int = 0) -> keras.Model:
    """Trains a small convolutional network on the training labels, or else on the clusters.

    It takes images in [0, 1] and returns logits. The layer named "features" holds 64 numbers an
    image, before the last nonlinearity and normalised over training images: every feature has
    mean 0 and variance 1 there, which gives the distances a scale. At most 20,000 training images
    are used.

    Args:
        dataset: the images; only the training side is seen.
        seed: of weights and batches. The global seeds are set to it.

    Raises:
        ValueError: the training images have no labels and no clusters, or only one class.
    """
    classes = _classes(dataset.train)
    if classes is None or len(np.unique(classes)) < 2:
        raise ValueError(
            "training images must have labels or clusters, of two classes or more, for a "
            f"classifier; those of data set {dataset.name!r} have "
            f"{'neither' if classes is None else 'one class'}. Use an extractor of your own."
        )
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input(dataset.event_shape),
            keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(64, 3, strides=2, padding="same", activation="relu"),
            keras.layers.Conv2D(64, 3, strides=2, padding="same", activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(_FEATURES),
            # The training is short: a moving average with the default momentum would lag behind.
            keras.layers.BatchNormalization(
                momentum=0.95, center=False, scale=False, name="features"
            ),
            keras.layers.ReLU(),
            keras.layers.Dense(int(classes.max()) + 1),
        ],
        name=_classifier_name(dataset),
    )
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, _STEPS)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    rows = np.sort(np.random.default_rng(seed).permutation(len(classes))[:_IMAGES])
    examples = tf.data.Dataset.from_tensor_slices((dataset.train.images[rows], classes[rows]))
    batches = examples.shuffle(len(rows), seed).repeat().batch(_BATCH_SIZE)
    scaled = batches.map(lambda x, label: (tf.cast(x, tf.float32) / (dataset.bins - 1), label))
    model.fit(scaled.prefetch(2), steps_per_epoch=_STEPS, shuffle=False, verbose=0)
    return model


def load_or_train(path: str | os.PathLike, dataset: Dataset, seed: int = 0) -> FeatureExtractor:
    """Returns the features of the classifier in a file, training it first if there is none.

    Processes that are to share a classifier must not start before the file is there.

    Args:
        path: file, ending in .keras.
        dataset: the images it is, or was, trained on.
        seed: of the training, if it takes place.

    Raises:
        ValueError: the path has another ending, the file is unreadable or holds something else,
            or the data set has no classes.
    """
    file = keras_path(path)
    if not file.exists():
        with written_whole(file) as temporary:
            # Keras insists on its ending.
            named = temporary.with_suffix(".keras")
            train_classifier(dataset, seed).save(named)
            named.rename(temporary)
    classifier = read_model(file)
    if classifier.name != _classifier_name(dataset):
        raise ValueError(
            f"{file} must hold the {_classifier_name(dataset)!r}; got {classifier.name!r}. "
            "Choose another file, or delete it."
        )
    network = keras.Model(classifier.inputs, classifier.get_layer("features").output)
    return dataclasses.replace(
        as_extractor(network, dataset, file), accuracy=_accuracy(classifier, dataset)
    )


def _accuracy(classifier: keras.Model, dataset: Dataset) -> float | None:
    """Returns the accuracy on validation images of the classes that training knows."""
    classes, trained = _classes(dataset.validation), _classes(dataset.train)
    if classes is None or trained is None:
        return None
    known = np.flatnonzero(np.isin(classes, trained))
    if len(known) == 0:
        return None
    logits = features(
        FeatureExtractor(classifier, dataset.event_shape, dataset.bins),
        dataset.validation.images[known],
    )
    return float(np.mean(logits.argmax(axis=1) == classes[known]))


def _classes(split: Split) -> np.ndarray | None:
    return split.clusters if split.labels is None else split.labels


def _classifier_name(dataset: Dataset) -> str:
    return f"classifier_of_{dataset.name}"
