"""What shuffles before the split cost: time as paired medians of one run, memory at its peak.

python -m tfp_lcma.training.studies.overheads.shuffles --data photos32 --model eiw_flow
"""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import click
from tfp_lcma.training.cli.options import (
    data_options,
    recipe_options,
    threads_option,
)
from tfp_lcma.training.recipes.recipe import Recipe

_PLAIN, _AGAIN, _WHOLE = "no shuffle", "the same again (noise)", "nobody leaves"


@click.command(context_settings={"show_default": True})
@recipe_options
@click.option("--rounds", type=click.IntRange(4), default=60, help="Rounds of one call of each.")
@data_options
@threads_option
def main(recipe, rounds, data_dir, limit, threads):
    """Measures a training step, sampling as many images, and a training step's peak memory.

    All on one flow, split by channels. Two copies of the first show how far a ratio strays by
    chance. Memory is that of a process of its own, beyond what its imports take.
    """
    from tfp_lcma.training.runs.threads import use_threads

    use_threads(threads)
    from tfp_lcma.training.studies.overheads.timing import ratio_lines

    try:
        dataset = recipe.load_dataset(data_dir=data_dir, limit=limit)
        steps, samples = calls(recipe, dataset)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    shape = "×".join(map(str, dataset.event_shape))
    about = f"{recipe.name}: {shape}, batch {recipe.batch_size}, {rounds} rounds"
    for what, timed in (("a training step's time", steps), ("the time of sampling", samples)):
        click.echo(f"{about}, {what} over that of")
        for line in ratio_lines(timed, rounds):
            click.echo(line)
    click.echo(f"{about.rsplit(',', 1)[0]}, a training step's peak memory")
    names = [*steps, _WHOLE]
    peaks = dict(zip(names, peak_megabytes(recipe, dataset, names), strict=True))
    for name, peak in peaks.items():
        if None in (peak, peaks[_PLAIN]):
            click.echo(f"  {name}: this system does not say")
        else:
            click.echo(f"  {name:<26}{peak:,.0f} MB, {peak / peaks[_PLAIN]:.3f} of the first")


def calls(
    recipe: Recipe, dataset
) -> tuple[dict[str, Callable[[], None]], dict[str, Callable[[], None]]]:
    """Returns, by the name of a shuffle, what takes one training step and what samples a batch."""
    import tensorflow as tf
    from tfp_lcma.training.studies.overheads.timing import fresh_model

    batch = dataset.train.images[: recipe.batch_size]
    steps, samples = {}, {}
    for name, factorization in _factorizations().items():
        if name == _WHOLE:
            continue
        model = fresh_model(recipe, dataset, factorization)
        steps[name] = lambda model=model: model.train_on_batch(batch)
        draw = tf.function(
            lambda seed, model=model: model.distribution.sample(len(batch), seed=seed)
        )
        samples[name] = lambda draw=draw: draw(tf.constant((0, 1))).numpy()
    return steps, samples


def peak_megabytes(recipe: Recipe, dataset, names: list[str]) -> list[float | None]:
    """Returns the peak memory of training steps of each, every one in a process of its own."""
    images = dataset.train.images[: recipe.batch_size]
    found = []
    for name in names:
        # A fresh process each: what one has allocated another would not have to.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            found.append(process.submit(_peak, recipe, images, dataset.bins, name).result())
    return found


def _peak(recipe, images, bins, name):
    from tfp_lcma.training.data import Dataset, Split
    from tfp_lcma.training.runs.memory import PeakMemory
    from tfp_lcma.training.studies.overheads.timing import fresh_model

    factorization = _factorizations()[name]
    dataset = Dataset(recipe.source, *[Split(images)] * 3, bins=bins)
    memory = PeakMemory()
    model = fresh_model(recipe, dataset, factorization)
    for _ in range(3):
        model.train_on_batch(images)
    return memory.megabytes()


def _factorizations():
    from tfp_lcma.factorizations import Channel, EntropyInformed

    return {
        _PLAIN: Channel(),
        _AGAIN: Channel(),
        "invariant": EntropyInformed("invariant"),
        "frozen": EntropyInformed("frozen"),
        "coupling": EntropyInformed("coupling"),
        _WHOLE: None,
    }


if __name__ == "__main__":
    main()
