"""The model of a run, at its best, from what the run's folder holds."""

import dataclasses
import json
from pathlib import Path
from typing import Any, NamedTuple

import keras

import tfp_lcma as lcma
from tfp_lcma import registry
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.runs import statistics
from tfp_lcma.training.runs.course import Course
from tfp_lcma.training.runs.run_or_export import read_config

# What `metrics.json` holds beside results.
_COURSE = ("pretraining", "training", "export")


class LoadedRun(NamedTuple):
    """A run's model and what is known about it.

    Attributes:
        model: with the weights of its best validation.
        settings: what the run was started with: recipe, factorization, seed, data.
        metrics: its results so far.
    """

    model: lcma.FlowModel
    settings: dict[str, Any]
    metrics: dict[str, Any]


def load_run(folder: Path) -> LoadedRun:
    """Loads the model of a run, finished or still training.

    Raises:
        ValueError: the folder holds no run, one that has not come to its first
            validation yet, or something in it is damaged.
    """
    settings = read_config(folder)
    saved = folder / "model.keras"
    if not saved.exists():
        return LoadedRun(*_from_checkpoint(folder, settings))
    try:
        model = keras.saving.load_model(saved)
    except (OSError, TypeError, ValueError, LookupError) as error:
        raise ValueError(f"{saved} cannot be read ({type(error).__name__}: {error}).") from error
    finished = folder / "metrics.json"
    return LoadedRun(model, settings, results_in(_read(finished)) if finished.exists() else {})


def start_from(folder: Path, model: lcma.FlowModel) -> None:
    """Gives a model the best weights of a run of the same flow.

    Raises:
        ValueError: it is a run of another flow, or `load_run` cannot load it.
    """
    source = load_run(folder).model
    if [tuple(v.shape) for v in source.weights] != [tuple(v.shape) for v in model.weights]:
        raise ValueError(
            f"--init-from must be a run of the same flow; that of {folder} has "
            f"{source.count_params():,} parameters, the new one {model.count_params():,}."
        )
    model.set_weights(source.get_weights())


def results_in(metrics: dict[str, Any]) -> dict[str, Any]:
    """Returns the results in `metrics.json`, without the course of the training."""
    return {name: value for name, value in metrics.items() if name not in _COURSE}


def _from_checkpoint(folder, settings):
    """Returns model, settings and results of a run that was not finished."""
    names = {field.name for field in dataclasses.fields(Recipe)}
    try:
        recipe = Recipe(**{name: value for name, value in settings.items() if name in names})
        name, seed = settings["factorization"], settings["seed"]
        shape, bins = tuple(settings["event_shape"]), settings["bins"]
        conditions = {"conditions": settings["classes"]} if settings["labels"] else {}
    except (LookupError, TypeError) as error:
        raise ValueError(f"{folder / 'config.json'} is not that of a run: {error}.") from error
    chosen_by = None
    if registry.FACTORIZATIONS[name].source in (registry.FLOW, registry.IMAGES):
        chosen_by = statistics.load(folder)
        if chosen_by is None:
            raise ValueError(f"{folder} must hold a trained flow; it is still pre-training.")
    first_steps = settings.get("first_steps", recipe.steps)
    factorization = registry.factorization(name, steps=first_steps, seed=seed, statistics=chosen_by)
    model = recipe.build_model(recipe.build_flow(shape, factorization, **conditions), bins, seed)
    model.compile(optimizer=recipe.build_optimizer(recipe.steps))
    course = Course(
        model,
        "training",
        recipe.steps,
        patience=recipe.patience,
        checkpoints=folder / "checkpoints" / "training",
    )
    if not course.history:
        raise ValueError(f"{folder} must hold a validated flow; it has no validation yet.")
    course.restore_best()
    return model, settings, {"validation": course.best, "steps": course.step}


def _read(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
