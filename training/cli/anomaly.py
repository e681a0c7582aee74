"""`tfp-lcma anomaly`: train on some images, score others, say how well scores part them."""

from pathlib import Path

import click

from tfp_lcma.training.cli.given import command_given, given_dataset, in_flags
from tfp_lcma.training.cli.options import (
    data_options,
    factorization_option,
    recipe_options,
    settings_options,
    threads_option,
)
from tfp_lcma.training.cli.paths import check_folder
from tfp_lcma.training.recipes.recipe import Recipe


@click.command(epilog="Example: tfp-lcma anomaly --data digits --seeds 3")
@recipe_options
@factorization_option("checkerboard")
@click.option(
    "--steps", type=click.IntRange(1), help="Most steps of each phase.  [default: the recipe's]"
)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Flows to train: seeds 0, 1, ...",
)
@click.option(
    "--count", type=click.IntRange(2), default=1000, show_default=True, help="Most images a set."
)
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    help="Where flows and results go.  [default: runs/anomaly/DATA-MODEL]",
)
@click.option(
    "--report-dir",
    type=click.Path(path_type=Path),
    help="Where the report goes.  [default: report in the run's folder]",
)
@settings_options
@data_options
@threads_option
@click.option("--quiet", is_flag=True, help="Show the report's path only.")
@click.pass_context
def anomaly(
    context,
    recipe: Recipe,
    factorization,
    steps,
    seeds,
    count,
    run_dir,
    report_dir,
    limit,
    data_dir,
    on_unreadable,
    threads,
    quiet,
):
    """Score test images against other data sets, corruptions and simple images, by ROC-AUC.

    Scores are bits per dimension, typicality and complexity-corrected bits per dimension; maps
    of log-likelihood are asked to find pasted patches. What is usual is measured on training
    images, the test images are read once for every seed. Finished seeds are not repeated.
    """
    folder = check_folder("--run-dir", run_dir or Path("runs") / "anomaly" / recipe.name)
    report = check_folder("--report-dir", report_dir or folder / "report")
    recipe = recipe.replaced(steps=steps, pretrain_steps=steps)

    from tfp_lcma.training.runs.threads import use_threads

    use_threads(threads)
    dataset = given_dataset(
        recipe, data_dir=data_dir, limit=limit, on_unreadable=on_unreadable, folder=folder
    )

    from tfp_lcma.training.runs.many_models import expect_many_models
    from tfp_lcma.training.runs.progress import Progress
    from tfp_lcma.training.runs.training_failed import TrainingFailedError
    from tfp_lcma.training.studies.anomaly.report import write_report
    from tfp_lcma.training.studies.anomaly.study import Study

    expect_many_models()
    try:
        study = Study(
            recipe=recipe,
            factorization=factorization,
            dataset=dataset,
            data_dir=data_dir,
            folder=folder,
            count=count,
            command=command_given(context),
            progress=Progress(quiet=quiet),
        )
        study.run(range(seeds))
        path = write_report(folder, report)
    except (ValueError, OSError, TrainingFailedError) as error:
        raise click.ClickException(in_flags(error, recipe)) from error
    click.echo(f"The report is {path}; as one page, {path.with_suffix('.html')}.")
