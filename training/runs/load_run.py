"""The model of a run, at its best, from what the run's folder holds."""

import dataclasses
import json
from pathlib import Path
from typing import Any, NamedTuple

import keras
from tfp_lcma.training import registry as factorizations
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.runs.checkpoint import Checkpointer, PatientStopping

import tfp_lcma as lcma
from tfp_lcma.factorizations import LogDetStatistics

# What `metrics.json` holds beside results.
_COURSE = ("pretraining", "training", "export")


class Trained(NamedTuple):
    """A run's model and what is known about it.

    Attributes:
        model: with the weights of its best validation.
        settings: what the run was claimed with: recipe, factorization, seed, data.
        metrics: its results so far.
    """

    model: lcma.FlowModel
    settings: dict[str, Any]
    metrics: dict[str, Any]


def load_trained(folder: Path) -> Trained:
    """Loads the model of a run, finished or still training.

    Raises:
        ValueError: the folder holds no run, one that has not come to its first
            validation yet, or something in it is damaged.
    """
    settings = _read(folder / "config.json")
    saved = folder / "model.keras"
    if not saved.exists():
        return Trained(*_from_checkpoint(folder, settings))
    try:
        model = keras.saving.load_model(saved)
    except (OSError, TypeError, ValueError, LookupError) as error:
        raise ValueError(f"{saved} cannot be read ({type(error).__name__}: {error}).") from error
    finished = folder / "metrics.json"
    return Trained(model, settings, results_in(_read(finished)) if finished.exists() else {})


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
    statistics = None
    if name in factorizations.FROM_STATISTICS or name in factorizations.FROM_IMAGES:
        path = folder / "statistics.npz"
        if not path.exists():
            raise ValueError(f"{folder} must hold a trained flow; it is still pre-training.")
        statistics = LogDetStatistics.load(path)
    factorization = factorizations.build(name, steps=recipe.steps, seed=seed, statistics=statistics)
    model = recipe.build_model(recipe.build_flow(shape, factorization, **conditions), bins, seed)
    model.compile(optimizer=recipe.build_optimizer(recipe.steps))
    stopping = PatientStopping(recipe.patience)
    state = Checkpointer(folder / "checkpoints" / "training", "training", stopping, every=1)
    state.attach(model)
    if not state.history:
        raise ValueError(f"{folder} must hold a validated flow; it has no validation yet.")
    state.restore_best()
    return model, settings, {"validation": stopping.best, "steps": state.step}


def _read(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
