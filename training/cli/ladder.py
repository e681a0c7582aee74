"""`tfp-lcma ladder`: splits against the length of training, by a plan that is a file."""

import json
from pathlib import Path

import click

from tfp_lcma.training.cli.given import command_given, given_dataset, given_recipe, in_flags
from tfp_lcma.training.cli.options import threads_option
from tfp_lcma.training.cli.paths import check_folder
from tfp_lcma.training.studies.ladder.plan import read_plan


@click.command(epilog="Example: tfp-lcma ladder docs/results/ladder/photos16_real_nvp.toml")
@click.argument("plan", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    help="Where everything goes, a folder a length in it.  [default: runs/ladder/PLAN's name]",
)
@click.option(
    "--report-dir",
    type=click.Path(path_type=Path),
    help="Where the report goes, with copies of rows and images.  [default: report in the run's "
    "folder]",
)
@click.option("--report-only", is_flag=True, help="Train nothing, write the report.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Where data that no package brings lie, as of tfp-lcma compare.",
)
@threads_option
@click.option("--quiet", is_flag=True, help="Show the report's path only.")
@click.pass_context
def ladder(context, plan, run_dir, report_dir, report_only, data_dir, threads, quiet):
    """Run what is missing of PLAN, the most important first, and report.

    The same command carries on after the last finished run. Several processes may share a ladder,
    the same command started several times: each takes a run that no other is at, and at the end
    waits for the others.
    """
    folder = check_folder("--run-dir", run_dir or Path("runs") / "ladder" / plan.stem)
    report = check_folder("--report-dir", report_dir or folder / "report")
    try:
        planned = read_plan(plan)
    except (ValueError, OSError) as error:
        raise click.UsageError(str(error)) from error
    settings = tuple(f"{name}={json.dumps(value)}" for name, value in planned.settings.items())
    recipe = given_recipe(planned.data, planned.model, None, None, settings)

    from tfp_lcma.training.runs.threads import use_threads

    use_threads(threads)
    dataset = None if report_only else given_dataset(recipe, data_dir=data_dir)

    from tfp_lcma.training.runs.many_models import expect_many_models
    from tfp_lcma.training.runs.progress import Progress
    from tfp_lcma.training.studies.ladder.report import keep_plan, write_report
    from tfp_lcma.training.studies.ladder.run import Ladder, left

    try:
        keep_plan(plan, folder)
        if dataset is not None:
            expect_many_models()
            progress = Progress(quiet=quiet)
            progress.say(f"{left(planned, folder)} to run, in {folder}")
            Ladder(planned, recipe, dataset, folder, command_given(context), progress).run()
        path = write_report(folder, report)
    except (ValueError, OSError) as error:
        raise click.ClickException(in_flags(error, recipe)) from error
    click.echo(f"The report is {path}; as one page, {path.with_suffix('.html')}.")
