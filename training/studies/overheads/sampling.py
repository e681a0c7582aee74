"""What an exit prior costs when sampling: interleaved paired medians, measured in one run.

python -m tfp_lcma.training.studies.overheads.sampling --data photos32 --model glow
"""

from collections.abc import Callable

import click
from tfp_lcma.training.cli.options import (
    data_options,
    recipe_options,
    threads_option,
)
from tfp_lcma.training.recipes.recipe import Recipe


@click.command(context_settings={"show_default": True})
@recipe_options
@click.option("--batch", type=click.IntRange(1), default=64, help="Images that are sampled.")
@click.option("--rounds", type=click.IntRange(4), default=30, help="Rounds of one batch of each.")
@data_options
@threads_option
def main(recipe, batch, rounds, data_dir, limit, threads):
    """Times sampling from one flow under several exit priors, on the channel split.

    Two copies of the first show how far a ratio strays by chance.
    """
    from tfp_lcma.training.runs.threads import use_threads

    use_threads(threads)
    from tfp_lcma.training.studies.overheads.timing import ratio_lines

    try:
        dataset = recipe.load_dataset(data_dir=data_dir, limit=limit)
        calls = samplers(recipe, dataset.event_shape, batch)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    shape = "×".join(map(str, dataset.event_shape))
    click.echo(f"{recipe.name}: {batch} samples of {shape}, {rounds} rounds, time over that of a")
    for line in ratio_lines(calls, rounds):
        click.echo(line)


def samplers(
    recipe: Recipe, event_shape: tuple[int, int, int], batch: int
) -> dict[str, Callable[[], None]]:
    """Returns, by the name of an exit prior, what samples a batch; the first is the reference."""
    import tensorflow as tf

    import tfp_lcma as lcma
    from tfp_lcma.factorizations import Channel
    from tfp_lcma.priors import ChannelAutoregressive, ConditionalGaussian

    def sampler(prior):
        flow = recipe.build_flow(event_shape, Channel(), exit_prior=prior)
        distribution = lcma.FlowDistribution(flow)
        sample = tf.function(lambda seed: distribution.sample(batch, seed=seed))
        return lambda: sample(tf.constant((0, 1))).numpy()

    levels = range(recipe.levels)
    published = ChannelAutoregressive(
        hidden=32,
        kernel=[5 if level < 2 else 3 for level in levels],
        dilation=[2 if level == 0 else 1 for level in levels],
    )
    return {
        "conditional Gaussian": sampler(ConditionalGaussian()),
        "the same again (noise)": sampler(ConditionalGaussian()),
        "channel-autoregressive, hidden 8, kernel 3": sampler(ChannelAutoregressive()),
        "channel-autoregressive as published": sampler(published),
    }


if __name__ == "__main__":
    main()
