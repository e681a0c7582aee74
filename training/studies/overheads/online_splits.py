"""What choosing a split costs in time: interleaved paired medians, measured in one run.

python -m tfp_lcma.training.studies.overheads.online_splits --data fashion_mnist
"""

from collections.abc import Callable

import click
from tfp_lcma.training.cli.options import (
    data_options,
    recipe_options,
    threads_option,
)
from tfp_lcma.training.data import Dataset
from tfp_lcma.training.recipes.recipe import Recipe

_NEVER = 10**9


@click.command(context_settings={"show_default": True})
@recipe_options
@click.option("--rounds", default=60, help="Rounds of one step of each model.")
@data_options
@threads_option
def main(recipe, rounds, data_dir, limit, threads):
    """Measures the step time of a split chosen while training, and the time to collect.

    Two copies of the same model show how far a ratio strays by chance.
    """
    from tfp_lcma.training.runs.threads import use_threads

    use_threads(threads)
    from tfp_lcma.training.studies.overheads.timing import (
        MEASURED_IMAGES,
        collecting_steps,
        ratio_lines,
    )

    if rounds < 4:
        raise click.ClickException(f"rounds must be at least 4; got {rounds}.")
    try:
        dataset = recipe.load_dataset(data_dir=data_dir, limit=limit)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    calls = step_functions(recipe, dataset)
    about = f"{recipe.name}: batch {recipe.batch_size}, {rounds} rounds"
    click.echo(f"{about}, step time over that of a")
    for line in ratio_lines(calls, rounds):
        click.echo(line)
    steps = collecting_steps(recipe, dataset)
    click.echo(
        f"collecting statistics of {min(MEASURED_IMAGES, len(dataset.train)):,} images takes as "
        f"long as {steps:.1f} pre-training steps, {100 * steps / recipe.pretrain_steps:.1f}% of "
        f"{recipe.pretrain_steps:,}"
    )


def step_functions(recipe: Recipe, dataset: Dataset) -> dict[str, Callable[[], None]]:
    """Returns, by name, what takes one training step of each model; the first is the reference."""
    from tfp_lcma.training.studies.overheads.timing import fresh_model

    import tfp_lcma as lcma
    from tfp_lcma.factorizations import OnlineLikelihoodContribution, RandomInBlock

    batch = dataset.train.images[: recipe.batch_size]

    def step_of(factorization, draw=False):
        model = fresh_model(recipe, dataset, factorization)
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


if __name__ == "__main__":
    main()
