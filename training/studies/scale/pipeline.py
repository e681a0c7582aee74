"""How fast input alone is beside training steps alone: of arrays, and of TFRecord files."""

import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from tfp_lcma.factorizations import Channel
from tfp_lcma.training.data import Dataset
from tfp_lcma.training.data.batches import batches
from tfp_lcma.training.data.records import load_records
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.studies.timing import ready_model

_WRITTEN, _SHARDS = 4096, 4
# Long enough that what was read ahead does not count.
_BATCHES = 64
_NEVER = 10**9


def measured_pipelines(recipe: Recipe, dataset: Dataset, rounds: int) -> dict[str, list[float]]:
    """Returns the seconds of a batch, a round: of a `step`, and of input from `arrays` and `files`.

    Nothing else runs meanwhile. Files are TFRecord files with some of the data set's images as
    PNG.

    Args:
        recipe: flow, optimiser and batch.
        dataset: its images.
        rounds: how often each is measured.
    """
    model, train = ready_model(recipe, dataset, Channel()), dataset.train
    first = train.images[: recipe.batch_size]
    with tempfile.TemporaryDirectory() as folder:
        write_records(Path(folder), train.images[:_WRITTEN])
        in_files = load_records(Path(folder), dataset.event_shape[0]).train.images
        calls = {
            "step": lambda: model.train_on_batch(first),
            "arrays": _reading(recipe, train.images),
            "files": _reading(recipe, in_files),
        }
        counts = {"step": 4, "arrays": _BATCHES, "files": _BATCHES}
        for call in calls.values():
            call(), call()
        seconds: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(rounds):
            for name, call in calls.items():
                began = time.perf_counter()
                for _ in range(counts[name]):
                    call()
                seconds[name].append((time.perf_counter() - began) / counts[name])
    return seconds


def write_records(folder: Path, images: np.ndarray) -> None:
    """Writes images into TFRecord files as tensorflow_datasets would."""
    for shard in range(_SHARDS):
        name = folder / f"images-train.tfrecord-{shard:05}-of-{_SHARDS:05}"
        with tf.io.TFRecordWriter(str(name)) as writer:
            for image in images[shard::_SHARDS]:
                file = io.BytesIO()
                Image.fromarray(image.squeeze()).save(file, "png")
                content = tf.train.Feature(bytes_list=tf.train.BytesList(value=[file.getvalue()]))
                features = tf.train.Features(feature={"image": content})
                writer.write(tf.train.Example(features=features).SerializeToString())


def _reading(recipe: Recipe, images: Any) -> Callable[[], Any]:
    made = batches(
        images, batch_size=recipe.batch_size, seed=0, start=0, stop=_NEVER, flip=recipe.flip
    )
    iterator = iter(made)
    return lambda: next(iterator)
