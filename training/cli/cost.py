"""`tfp-lcma cost`: what a flow takes, counted before anything is trained."""

import click

from tfp_lcma.training.cli.given import in_flags
from tfp_lcma.training.cli.options import recipe_options, settings_options, threads_option
from tfp_lcma.training.recipes.recipe import Recipe


@click.command(
    epilog="""\b
Examples:
  tfp-lcma cost --paper cifar10-glow --tflops 20
  tfp-lcma cost --data photos32 --model glow --set training.batch_size=128 --measure
"""
)
@recipe_options
@settings_options
@click.option(
    "--tflops",
    type=click.FloatRange(min=0, min_open=True),
    metavar="T",
    help="What your machine reaches in training, 10^12 operations a second: shows days.",
)
@click.option(
    "--measure",
    is_flag=True,
    help="Run training steps too, and show the memory they take beside what is counted.",
)
@threads_option
@click.option("--quiet", is_flag=True, help="Show the result only.")
def cost(recipe: Recipe, tflops, measure, threads, quiet):
    """Count what a flow takes: parameters, operations and memory, of a step and in all.

    Operations are those of convolutions and matrix products in the graphs, loops as often as they
    run. Memory is counted from the graphs too, result by result. Nothing is trained, and no
    images are needed. Days are shown for the speed that you give: the peak of a device is several
    times what training reaches on it.
    """
    from tfp_lcma.training.data.sources import event_shape
    from tfp_lcma.training.runs.progress import Progress
    from tfp_lcma.training.runs.threads import use_threads

    try:
        shape = event_shape(recipe.source, recipe.image_size)
        recipe.check_size(*shape[:2])
        use_threads(threads)
        from tfp_lcma.training.studies.cost.flow_cost import MEMORY, flow_cost
        from tfp_lcma.training.studies.cost.measure import measured_growth
        from tfp_lcma.training.studies.cost.report import cost_report, growth_report

        progress = Progress(quiet=quiet)
        click.echo(cost_report(recipe, flow_cost(recipe, shape, progress.say), tflops))
        if measure:
            found = {memory: measured_growth(recipe, shape, memory) for memory in MEMORY}
            click.echo(f"\n{growth_report(found, recipe.batch_size)}")
    except (ValueError, OSError) as error:
        raise click.ClickException(in_flags(error, recipe)) from error
