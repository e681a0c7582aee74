"""How much the memory of a training step grows with its batch, measured: one process a setting.

The last line that the process prints is a JSON object.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import click

from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.recipes.tables import from_tables, read_toml, write_recipe


class Growth(NamedTuple):
    """By how many bytes a training step of the recipe's batch takes more than one of one image.

    Attributes:
        counted: by the formula.
        measured: by the system, of the process.
    """

    counted: int
    measured: int


def measured_growth(recipe: Recipe, event_shape: tuple[int, int, int], memory: str) -> Growth:
    """Runs training steps in a process of their own.

    Args:
        recipe: whose flow and batch.
        event_shape: shape of an image.
        memory: what a gradient keeps, "keep" or "invert".

    Raises:
        ValueError: the system does not say how much memory a process takes.
    """
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "recipe.toml"
        write_recipe(config, recipe)
        words = [sys.executable, "-m", __name__, "--config", str(config), "--memory", memory]
        words += ["--shape", ",".join(map(str, event_shape))]
        process = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(process.stdout.splitlines()[-1])
    if found["measured"] is None:
        raise ValueError("memory must be told by the system, as Linux does, to be measured.")
    return Growth(**found)


@click.command()
@click.option("--config", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--memory", type=click.Choice(["keep", "invert"]), required=True)
@click.option("--shape", required=True)
def main(config, memory, shape):
    """Measures one setting in this process."""
    name, tables = read_toml(config)
    tables.pop("run", None)
    event_shape = tuple(int(side) for side in shape.split(","))
    click.echo(json.dumps(grow(from_tables(name, tables), event_shape, memory)))


def grow(recipe: Recipe, event_shape: tuple[int, ...], memory: str) -> dict[str, int | None]:
    """Measures one setting in this process; returns what a `Growth` has, None where unknown."""
    import numpy as np
    import tensorflow as tf

    from tfp_lcma.factorizations import Channel
    from tfp_lcma.training.runs.memory import PeakMemory
    from tfp_lcma.training.studies.cost.flow_cost import build_model, gradient
    from tfp_lcma.training.studies.cost.live_memory import peak_bytes

    model = build_model(recipe, event_shape, Channel())
    images = np.random.default_rng(0).integers(0, 256, (recipe.batch_size, *event_shape), np.uint8)
    model.initialize(images[:1])  # of all, memory would be left over, for the steps to use
    step = tf.function(gradient(model, memory), autograph=False)
    step.get_concrete_function(tf.TensorSpec((None, *event_shape), tf.uint8))
    of_one = tf.constant(images[:1])
    for _ in range(3):
        step(of_one)  # what the graph, the libraries and the threads take for themselves
    peak = PeakMemory()
    for _ in range(3):
        step(tf.constant(images))
    measured = peak.megabytes()
    counted = [
        peak_bytes(
            tf.function(gradient(model, memory), autograph=False)
            .get_concrete_function(tf.TensorSpec((batch, *event_shape), tf.uint8))
            .graph
        )
        for batch in (1, recipe.batch_size)
    ]
    return {
        "counted": counted[1] - counted[0],
        "measured": None if measured is None else round(measured * 2**20),
    }


if __name__ == "__main__":
    main()
