"""What serving costs beside Keras: interleaved paired medians, measured in one run.

python -m tfp_lcma.training.studies.overheads.serving --data digits
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import click
from tfp_lcma.training.cli.options import (
    data_options,
    recipe_options,
    threads_option,
)
from tfp_lcma.training.data import Dataset
from tfp_lcma.training.recipes.recipe import Recipe


@click.command(context_settings={"show_default": True})
@recipe_options
@click.option("--batch", type=click.IntRange(1), default=64, help="Images that are scored.")
@click.option("--rounds", type=click.IntRange(4), default=60, help="Rounds of one batch of each.")
@data_options
@threads_option
def main(recipe, batch, rounds, data_dir, limit, threads):
    """Times `log_prob` of an exported model in a session against the Keras model's own.

    Two calls of the Keras model show how far a ratio strays by chance.
    """
    from tfp_lcma.training.runs.threads import use_threads

    use_threads(threads)
    from tfp_lcma.training.studies.overheads.timing import ratio_lines

    try:
        dataset = recipe.load_dataset(data_dir=data_dir, limit=limit)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    batch = min(batch, len(dataset.train))
    with tempfile.TemporaryDirectory() as folder:
        calls = scorers(recipe, dataset, batch, Path(folder))
    click.echo(f"{recipe.name}: log_prob of {batch} images, {rounds} rounds, time over that of the")
    for line in ratio_lines(calls, rounds):
        click.echo(line)


def scorers(
    recipe: Recipe, dataset: Dataset, batch: int, folder: Path
) -> dict[str, Callable[[], None]]:
    """Returns, by name, what scores one batch of images; the first is the reference.

    Args:
        recipe: whose flow, with a random split and fresh weights.
        dataset: the images.
        batch: how many.
        folder: where the exports go; may be deleted afterwards.
    """
    from tfp_lcma.training.studies.overheads.timing import fresh_model
    from tfp_lcma.training.tryout.session import Served

    import tfp_lcma as lcma
    from tfp_lcma.factorizations import RandomInBlock

    images = dataset.train.images[:batch]
    model = fresh_model(recipe, dataset, RandomInBlock())

    def served(**options):
        version = lcma.export_saved_model(model, folder, warm_up_rows=(), **options)
        answer = Served(version).prepared("log_prob", "images", "log_prob")
        return lambda: answer(images)

    return {
        "Keras model, log_prob": lambda: model.log_prob(images),
        "the same again (noise)": lambda: model.log_prob(images),
        "exported, in a session": served(),
        "Keras model compiled by XLA, predict_on_batch": lambda: model.predict_on_batch(images),
        "exported, compiled by XLA, in a session": served(jit_compile=True),
    }


if __name__ == "__main__":
    main()
