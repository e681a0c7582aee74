"""A finished run packed as a model that comes with the package: rounded, measured, described."""

import dataclasses
import json
import platform
import shlex
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import stats

import tfp_lcma as lcma
from tfp_lcma.pretrained.cards import CARD, FORMAT
from tfp_lcma.pretrained.weights import rounded, write_model
from tfp_lcma.training.data import Dataset
from tfp_lcma.training.data.licences import LICENCES
from tfp_lcma.training.recipes.compose import usual_factorization
from tfp_lcma.training.recipes.recipe import KINDS, Recipe, dotted
from tfp_lcma.training.recipes.tables import load_recipe
from tfp_lcma.training.runs.evaluation import accuracy, condition_of, test_bits
from tfp_lcma.training.runs.load_run import LoadedRun
from tfp_lcma.training.runs.neighbours import distances, draw_neighbours
from tfp_lcma.training.runs.run import write_json

# Bits per dimension that an image's bound may move by when weights are rounded.
MOST_MOVED = 0.001
_COMPARED = 500


def pack(
    run: LoadedRun,
    dataset: Dataset,
    folder: Path,
    *,
    name: str,
    about: str,
    temperature: float,
    picture: Path,
) -> dict[str, Any]:
    """Writes a run's model, its card and a picture of samples.

    Weights are rounded to half precision unless that moves the bound of validation images by
    `MOST_MOVED` bits per dimension or more, in the mean over images of the absolute difference.

    Args:
        run: a finished run.
        dataset: its images.
        folder: where the model and its card are put.
        name: what the model will be called.
        about: what it is, in a sentence.
        temperature: of the samples in the picture.
        picture: PNG file of samples beside the training images that are nearest to them.

    Returns:
        The card.

    Raises:
        ValueError: the run is not finished, or it is not known under which licence its images are.
        OSError: the files cannot be written.
    """
    settings, model = run.settings, run.model
    if "test" not in run.metrics:
        raise ValueError("RUN must be a finished run; it has read no test images yet.")
    if settings["source"] not in LICENCES:
        raise ValueError(
            f"RUN must be of {', '.join(LICENCES)}, whose licences are known; it is of "
            f"{settings['source']}."
        )
    dtype, moved = _round(model, dataset)
    recipe = _recipe(settings)
    bits = measured(model, dataset, recipe.draws, settings["seed"])
    right = accuracy(model, dataset.test, settings["seed"]) if settings["labels"] else None
    checksum = write_model(folder, model, dtype)
    draw_neighbours(picture, model, dataset, temperature)
    card = {
        "format": FORMAT,
        "name": name,
        "about": about,
        "data": settings["source"],
        "licence": LICENCES[settings["source"]],
        "event_shape": list(model.event_shape),
        "bins": model.bins,
        "conditions": model.conditions,
        "pixels": settings["pixels"],
        "parameters": model.count_params(),
        "weights": dtype,
        "moved_by_rounding": moved,
        "bits_per_dimension": bits,
        "classification": right,
        "temperature": temperature,
        "nearest": distances(model, dataset, temperature),
        "train": train_command(settings),
        "evaluate": f"tfp-lcma pretrained evaluate {name}{_data_dir(settings['source'])}",
        "sha256": checksum,
        "versions": {
            "python": platform.python_version(),
            "tfp_lcma": lcma.__version__,
            **{library.__name__: library.__version__ for library in (tf, keras, tfp, np)},
        },
    }
    write_json(folder / CARD, card)
    return card


def measured(model: lcma.FlowModel, dataset: Dataset, draws: int, seed: int) -> dict[str, Any]:
    """Returns the bits per dimension of test images, with a 95% interval.

    The interval is of the mean over images, or over clusters where images come in clusters, by
    Student's t.
    """
    found = test_bits(model, dataset.test, draws, seed)
    mean, error = found.pop("bits_per_dimension"), found["standard_error"]
    margin = error * float(stats.t.ppf(0.975, found["clusters"] - 1))
    return {"mean": mean, "interval": [mean - margin, mean + margin], **found, "seed": seed}


def train_command(settings: dict[str, Any]) -> str:
    """Returns the command by which a run was trained, what is usual left out."""
    recipe = _recipe(settings)
    usual = load_recipe(recipe.source, recipe.model)
    words = ["tfp-lcma", "train", "--data", recipe.source, "--model", recipe.model]
    if settings["factorization"] != usual_factorization(recipe.model):
        words += ["--factorization", settings["factorization"]]
    if settings["labels"]:
        words.append("--labels")
    if settings["seed"]:
        words += ["--seed", str(settings["seed"])]
    for key in KINDS:
        if getattr(recipe, key) != getattr(usual, key):
            words += ["--set", f"{dotted(key)}={_text(getattr(recipe, key))}"]
    for key, value in recipe.flow.items():
        if value != usual.flow.get(key):
            words += ["--set", f"model.{key}={_text(value)}"]
    return shlex.join(words) + _data_dir(recipe.source) + " --threads 1"


def _recipe(settings):
    fields = [field.name for field in dataclasses.fields(Recipe)]
    return Recipe(**{field: settings[field] for field in fields})


def _text(value):
    """Returns a setting as `--set` takes it."""
    return value if isinstance(value, str) else json.dumps(value)


def _data_dir(source):
    """Returns the option that says where data lie that no package brings."""
    return " --data-dir DIR" if source in ("fashion_mnist", "emoji") else ""


def _round(model, dataset):
    """Rounds the weights of a model; returns what they are rounded to and what that moved."""
    some = dataset.validation.first(_COMPARED)
    condition, weights = condition_of(model, some), model.get_weights()
    before = model.bits_per_dimension(some.images, condition)
    model.set_weights([rounded(weight, "float16") for weight in weights])
    moved = np.abs(model.bits_per_dimension(some.images, condition) - before).mean()
    if moved < MOST_MOVED:  # not so either where a weight is out of half precision's range
        return "float16", float(moved)
    model.set_weights(weights)
    return "float32", 0.0
