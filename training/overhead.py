"""What choosing a split costs: interleaved paired medians, measured in one run.

    python -m training.overhead --recipe fashion_mnist

A timing on a shared machine says little by itself. Here every round times all
models one after the other, ratios are taken within a round, and two copies of
the same model show how far such a ratio strays by chance.
"""

import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np

from training.datasets import Dataset, load_dataset
from training.recipe import Recipe, load_recipe, recipe_names

_NEVER = 10**9
_MEASURED = 2048


@click.command(context_settings={"show_default": True})
@click.option("--recipe", type=click.Choice(recipe_names()), required=True, help="Flow and data.")
@click.option("--rounds", default=60, help="Rounds of one step of each model.")
@click.option("--width", type=int, help="Channels of the networks.  [default: the recipe's]")
@click.option("--blocks", type=int, help="Residual blocks a network.  [default: the recipe's]")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Prepared tensorflow_datasets.")
@click.option("--threads", type=int, help="Threads of TensorFlow.")
def main(recipe, rounds, width, blocks, data_dir, threads):
    """Measures the step time of a split chosen while training, and the time to collect."""
    from training.threads import use_threads

    use_threads(threads)
    if rounds < 4:
        raise click.ClickException(f"rounds must be at least 4; got {rounds}.")
    try:
        settings = load_recipe(recipe, width=width, blocks=blocks)
        dataset = load_dataset(settings.source, data_dir=data_dir)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{recipe}: batch {settings.batch_size}, {rounds} rounds, ratio of step times")
    steps = step_functions(settings, dataset)
    durations = timed(steps, rounds)
    for name in list(steps)[1:]:
        middle, low, high = ratio(durations[name], durations[next(iter(steps))])
        click.echo(
            f"  {name:<28} {middle:.3f}  (95% interval of the median {low:.3f} to {high:.3f})"
        )
    share, of_one = collecting_share(settings, dataset)
    click.echo(
        f"collecting statistics of {min(_MEASURED, len(dataset.train)):,} images, tracing "
        f"included: {100 * share:.1f}% of the {settings.pretrain_steps:,} pre-training steps "
        f"(as long as {of_one:.1f} of them)"
    )


def step_functions(recipe: Recipe, dataset: Dataset) -> dict[str, Callable[[], None]]:
    """Returns, by name, what takes one training step of each model; the first is the reference."""
    import tfp_lcma as lcma
    from tfp_lcma.factorizations import OnlineLikelihoodContribution, RandomInBlock

    batch = dataset.train.images[: recipe.batch_size]

    def step_of(factorization, draw=False):
        model = _model(recipe, dataset, factorization)
        callback = lcma.OnlineSplit()
        callback.set_model(model)
        callback.on_train_begin()

        def step():
            if draw:
                callback.on_train_batch_begin(0)
            model.train_on_batch(batch)

        return step

    online = OnlineLikelihoodContribution((_NEVER,))
    return {
        "static split per position": step_of(RandomInBlock()),
        "the same again (noise)": step_of(RandomInBlock()),
        "online, drawing every step": step_of(online, draw=True),
        "online, settled": step_of(online),
    }


def timed(steps: dict[str, Callable[[], None]], rounds: int) -> dict[str, np.ndarray]:
    """Returns the seconds of every call: `rounds` times all of them, in alternating order."""
    for step in steps.values():
        step(), step()  # traced and warm
    durations = {name: np.empty(rounds) for name in steps}
    for number in range(rounds):
        names = list(steps) if number % 2 == 0 else list(steps)[::-1]
        for name in names:
            began = time.perf_counter()
            steps[name]()
            durations[name][number] = time.perf_counter() - began
    return durations


def ratio(seconds: np.ndarray, reference: np.ndarray, seed: int = 0) -> tuple[float, float, float]:
    """Returns the median of paired ratios and its 95% bootstrap interval."""
    ratios = seconds / reference
    drawn = np.random.default_rng(seed).integers(len(ratios), size=(2000, len(ratios)))
    medians = np.median(ratios[drawn], axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])
    return float(np.median(ratios)), float(low), float(high)


def collecting_share(recipe: Recipe, dataset: Dataset, rounds: int = 5) -> tuple[float, float]:
    """Returns the time to collect statistics, as a share of pre-training and in its steps.

    Both are measured in turn, so that a slow moment of the machine meets both.
    """
    import tfp_lcma as lcma

    model = _model(recipe, dataset, None)
    images = dataset.train.images
    batch, measured = images[: recipe.batch_size], images[:_MEASURED]
    in_steps = []
    model.train_on_batch(batch)
    for _ in range(rounds):
        collector = lcma.LogDetCollector()
        began = time.perf_counter()
        for _ in range(20):
            model.train_on_batch(batch)
        between = time.perf_counter()
        collector.collect(model, measured)
        ended = time.perf_counter()
        in_steps.append((ended - between) / (between - began) * 20)
    of_one = float(np.median(in_steps))
    return of_one / recipe.pretrain_steps, of_one


def _model(recipe, dataset, factorization):
    import tfp_lcma as lcma

    model = lcma.FlowModel(recipe.build_flow(dataset.event_shape, factorization), bins=dataset.bins)
    model.compile(optimizer=recipe.build_optimizer(recipe.steps))
    model.initialize(dataset.train.images[: recipe.batch_size])
    model.optimizer.build(model.trainable_variables)
    return model


if __name__ == "__main__":
    main()
