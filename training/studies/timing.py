"""Times that can be compared: taken in turn, as ratios within a round.

A timing on a shared machine says little by itself. Here every round times all
candidates one after the other, and ratios are taken within a round, so that a
slow moment of the machine meets them all.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

import tfp_lcma as lcma
from tfp_lcma.factorizations import Factorization
from tfp_lcma.training.data import Dataset
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.runs.statistics import measured_rows
from tfp_lcma.training.runs.trainer import fresh_model

Calls = Mapping[str, Callable[[], Any]]


class Ratio(NamedTuple):
    """A median of paired ratios.

    Attributes:
        median: the median.
        low: lower end of its 95% bootstrap interval.
        high: upper end.
    """

    median: float
    low: float
    high: float


def timed(calls: Calls, rounds: int) -> dict[str, np.ndarray]:
    """Returns the seconds of every call: `rounds` times all of them, in alternating order."""
    for call in calls.values():
        call(), call()  # traced and warm
    durations = {name: np.empty(rounds) for name in calls}
    for number in range(rounds):
        names = list(calls) if number % 2 == 0 else list(calls)[::-1]
        for name in names:
            began = time.perf_counter()
            calls[name]()
            durations[name][number] = time.perf_counter() - began
    return durations


def ratio(seconds: np.ndarray, reference: np.ndarray, seed: int = 0) -> Ratio:
    """Returns the median of `seconds / reference`, round by round."""
    ratios = seconds / reference
    drawn = np.random.default_rng(seed).integers(len(ratios), size=(2000, len(ratios)))
    medians = np.median(ratios[drawn], axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])
    return Ratio(float(np.median(ratios)), float(low), float(high))


def ratios(calls: Calls, rounds: int) -> dict[str, Ratio]:
    """Times the calls in turn; returns the time of each but the first over that of the first."""
    durations = timed(calls, rounds)
    reference, *others = calls
    return {name: ratio(durations[name], durations[reference]) for name in others}


def collecting(recipe: Recipe, dataset: Dataset) -> Calls:
    """Returns calls for a pre-training step, and for collecting statistics once."""
    model = ready_model(recipe, dataset, None)
    batch, (measured, _) = dataset.train.images[: recipe.batch_size], measured_rows(dataset, 0)
    return {
        "a pre-training step": lambda: model.train_on_batch(batch),
        # A collector of its own each time: whatever it must set up first is counted.
        f"collecting statistics of {len(measured):,} images": lambda: (
            lcma.LogDetCollector().collect(model, measured)
        ),
    }


def ready_model(
    recipe: Recipe, dataset: Dataset, factorization: Factorization | None, **options: Any
) -> lcma.FlowModel:
    """Returns a recipe's model, with further options, ready for its first training step."""
    model = fresh_model(recipe, dataset, factorization, 0, **options)
    model.compile(optimizer=recipe.build_optimizer(recipe.steps), jit_compile=False)
    model.initialize(dataset.train.images[: recipe.batch_size])
    model.optimizer.build(model.trainable_variables)
    return model
