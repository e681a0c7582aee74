"""Times that can be compared: taken in turn, as ratios within a round.

A timing on a shared machine says little by itself. Here every round times all
candidates one after the other, and ratios are taken within a round, so that a
slow moment of the machine meets them all.
"""

import time
from collections.abc import Callable

import numpy as np
from tfp_lcma.training.data import Dataset
from tfp_lcma.training.recipes.recipe import Recipe

import tfp_lcma as lcma
from tfp_lcma.factorizations import Factorization

# Training images from which statistics are collected.
MEASURED_IMAGES = 2048


def timed(calls: dict[str, Callable[[], None]], rounds: int) -> dict[str, np.ndarray]:
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


def ratio(seconds: np.ndarray, reference: np.ndarray, seed: int = 0) -> tuple[float, float, float]:
    """Returns the median of paired ratios and its 95% bootstrap interval."""
    ratios = seconds / reference
    drawn = np.random.default_rng(seed).integers(len(ratios), size=(2000, len(ratios)))
    medians = np.median(ratios[drawn], axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])
    return float(np.median(ratios)), float(low), float(high)


def ratio_lines(calls: dict[str, Callable[[], None]], rounds: int) -> list[str]:
    """Times the calls in turn and returns a line for each: its time over that of the first."""
    durations = timed(calls, rounds)
    reference, *others = calls
    width = max(map(len, others)) + 2
    lines = [f"  {reference}"]
    for name in others:
        middle, low, high = ratio(durations[name], durations[reference])
        found = f"{middle:.3f}  (95% interval of the median {low:.3f} to {high:.3f})"
        lines.append(f"  {name:<{width}}{found}")
    return lines


def collecting_steps(recipe: Recipe, dataset: Dataset, rounds: int = 5) -> float:
    """Returns how many pre-training steps it takes as long as to collect statistics once."""
    model = fresh_model(recipe, dataset, None)
    images = dataset.train.images
    batch, measured = images[: recipe.batch_size], images[:MEASURED_IMAGES]
    model.train_on_batch(batch)
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(20):
            model.train_on_batch(batch)
        between = time.perf_counter()
        # A callback of its own each time: whatever it must set up first is counted.
        lcma.LogDetCollector().collect(model, measured)
        ended = time.perf_counter()
        found.append((ended - between) / (between - began) * 20)
    return float(np.median(found))


def fresh_model(
    recipe: Recipe, dataset: Dataset, factorization: Factorization | None, **options
) -> lcma.FlowModel:
    """Returns a recipe's model, with further options, ready for its first training step."""
    flow = recipe.build_flow(dataset.event_shape, factorization, **options)
    model = recipe.build_model(flow, dataset.bins, seed=0)
    model.compile(optimizer=recipe.build_optimizer(recipe.steps))
    model.initialize(dataset.train.images[: recipe.batch_size])
    model.optimizer.build(model.trainable_variables)
    return model
