"""Command line: train on one set of images, score others, say how well scores tell them apart."""

from pathlib import Path

import click
from tfp_lcma.training.cli.options import (
    command_given,
    data_options,
    factorization_option,
    recipe_options,
    threads_option,
)


@click.command(context_settings={"show_default": True})
@recipe_options
@factorization_option("checkerboard")
@click.option("--steps", type=int, help="Most steps of training.  [default: the recipe's]")
@click.option("--seeds", type=click.IntRange(1), default=1, help="Flows to train: seeds 0, 1, ...")
@click.option("--count", type=click.IntRange(2), default=1000, help="Most images a set.")
@data_options
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    help="Where flows and results go.  [default: runs/anomaly/RECIPE]",
)
@click.option(
    "--report-dir",
    type=click.Path(path_type=Path),
    help="Where the report goes.  [default: report in the run's folder]",
)
@threads_option
@click.option("--quiet", is_flag=True, help="Show the report's path only.")
@click.pass_context
def main(
    context,
    recipe,
    factorization,
    steps,
    seeds,
    count,
    data_dir,
    limit,
    run_dir,
    report_dir,
    threads,
    quiet,
):
    """Scores test images against other data sets, corruptions and simple images, by ROC-AUC.

    Scores are bits per dimension, typicality and complexity-corrected bits per dimension; maps
    of log-likelihood are asked to find pasted patches. What is usual is measured on training
    images, the test images are read once for every seed. Finished seeds are not repeated.
    """
    from tfp_lcma.training.runs.progress import Progress
    from tfp_lcma.training.runs.threads import use_threads
    from tfp_lcma.training.runs.trainer import TrainingFailedError
    from tfp_lcma.training.studies.anomaly.report import write_report
    from tfp_lcma.training.studies.anomaly.study import Study

    use_threads(threads)
    try:
        settings = recipe.replaced(steps=steps, pretrain_steps=steps)
        study = Study(
            recipe=settings,
            factorization=factorization,
            dataset=settings.load_dataset(data_dir=data_dir, limit=limit),
            data_dir=data_dir,
            folder=run_dir or Path("runs") / "anomaly" / recipe.name,
            count=count,
            command=command_given(context),
            progress=Progress(quiet=quiet),
        )
        study.run(range(seeds))
        path = write_report(study.folder, report_dir or study.folder / "report")
    except (ValueError, OSError, TrainingFailedError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"The report is {path}.")


if __name__ == "__main__":
    main()
