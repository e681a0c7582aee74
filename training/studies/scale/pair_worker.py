"""One of two processes of the measurement: trains with the other and alone, in turn.

`TF_CONFIG` says which it is. The last line that it prints is a JSON object.
"""

import json
import time
from pathlib import Path

import click
import numpy as np
import tensorflow as tf

from tfp_lcma.factorizations import Channel
from tfp_lcma.keras_model.replicas import of_chief
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.recipes.tables import from_tables, read_toml
from tfp_lcma.training.runs.threads import use_threads

PROCESSES = 2


@click.command()
@click.option("--config", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--shape", required=True)
@click.option("--rounds", type=click.IntRange(1), required=True)
@click.option("--steps", type=click.IntRange(1), required=True)
def main(config, shape, rounds, steps):
    """Measures in this process."""
    name, tables = read_toml(config)
    event_shape = tuple(int(side) for side in shape.split(","))
    tables.pop("run", None)
    click.echo(json.dumps(measure(from_tables(name, tables), event_shape, rounds, steps)))


def measure(
    recipe: Recipe, event_shape: tuple[int, ...], rounds: int, steps: int
) -> dict[str, list[float]]:
    """Returns the seconds of `steps` steps, a round: `communicating` with the other, and `alone`.

    Alone means the same share of the batch, while the other process does the same.
    """
    use_threads(1)
    ring = tf.distribute.experimental.CommunicationImplementation.RING
    options = tf.distribute.experimental.CommunicationOptions(implementation=ring)
    strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    share = recipe.batch_size // PROCESSES
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (share * PROCESSES, *event_shape), np.uint8)
    with strategy.scope():
        together = _ready(recipe, event_shape, images)
    alone = _ready(recipe, event_shape, images[:share])
    batches = strategy.experimental_distribute_dataset(_repeated(images))
    calls = {
        "communicating": (together.train_function, iter(batches)),
        "alone": (alone.train_function, iter(_repeated(images[:share]))),
    }
    for step, batch in calls.values():
        step(batch), step(batch)  # traced and warm
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds):
        for name in list(calls) if number % 2 == 0 else list(calls)[::-1]:
            step, batch = calls[name]
            of_chief(strategy, np.zeros(1))  # both begin at once
            began = time.perf_counter()
            for _ in range(steps):
                logs = step(batch)
            np.asarray(logs["loss"])
            seconds[name].append(time.perf_counter() - began)
    return seconds


def _ready(recipe, event_shape, images):
    """Returns a model that has done its first step, which traces it and starts its actnorms."""
    model = recipe.build_model(recipe.build_flow(event_shape, Channel()), 256, seed=0)
    model.compile(optimizer=recipe.build_optimizer(recipe.steps), jit_compile=False)
    model.fit(_repeated(images), steps_per_epoch=1, verbose=0)
    return model


def _repeated(images):
    return tf.data.Dataset.from_tensors(images).repeat()


if __name__ == "__main__":
    main()
