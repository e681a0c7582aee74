"""Measures communication and input of a recipe, and keeps what was found."""

import os
from collections.abc import Callable
from pathlib import Path

from tfp_lcma.training.data import Dataset
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.runs.run import write_json
from tfp_lcma.training.runs.run_lock import run_lock
from tfp_lcma.training.studies.benchmark.disturbance import Disturbance
from tfp_lcma.training.studies.machine import processor
from tfp_lcma.training.studies.scale.pair import measured_pair
from tfp_lcma.training.studies.scale.pipeline import measured_pipelines
from tfp_lcma.training.studies.scale.report import RESULTS, write_report

# Of a round: seconds, so that what disturbs meets both ways.
_STEPS = 8


def measure_scale(
    folder: Path,
    recipe: Recipe,
    dataset: Dataset,
    rounds: int,
    timeout: float,
    command: str,
    say: Callable[[str], None],
) -> Path:
    """Measures both and writes the report; returns its path.

    Args:
        folder: where results go; those of an earlier call are replaced.
        recipe: flow, optimiser and batch; an even one.
        dataset: its images.
        rounds: how often each is measured.
        timeout: seconds that the two processes may take.
        command: by which it can be repeated.
        say: called with every line of progress.

    Raises:
        ValueError: the batch is odd, a process failed, or another one has the folder.
        OSError: the folder cannot be written.
    """
    if recipe.batch_size % 2:
        raise ValueError(f"batch_size must be even for two processes; got {recipe.batch_size}.")
    with run_lock(folder):
        disturbance = Disturbance()
        say(f"two processes, {rounds} rounds of {_STEPS} steps ...")
        seconds = measured_pair(recipe, dataset.event_shape, rounds, _STEPS, timeout)
        others = disturbance.processors()
        say(f"input, {rounds} rounds ...")
        seconds |= measured_pipelines(recipe, dataset, rounds)
        shape = "×".join(map(str, dataset.event_shape))
        options = ", ".join(f"{name} {value}" for name, value in recipe.flow.items())
        write_json(
            folder / RESULTS,
            {
                "flow": f"{recipe.model} ({options}), {shape}, batch {recipe.batch_size}",
                "batch": recipe.batch_size,
                "steps": {"communicating": _STEPS, "alone": _STEPS},
                "rounds": rounds,
                "processor": processor(),
                "processors": os.cpu_count(),
                "others": others,
                "command": command,
                "seconds": seconds,
            },
        )
        return write_report(folder)
