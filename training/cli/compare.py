"""`tfp-lcma compare`: ways to choose what is factored out, at one budget, over several seeds."""

import contextlib
import re
from pathlib import Path

import click

from tfp_lcma.training.cli.given import cluster_of, command_given, given_dataset, in_flags
from tfp_lcma.training.cli.options import (
    completion,
    data_options,
    recipe_options,
    settings_options,
    strategy_options,
    threads_option,
)
from tfp_lcma.training.cli.paths import check_folder
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.studies.compare.arms import ARMS
from tfp_lcma.training.studies.compare.comparisons import COMPARISONS


@click.command(
    epilog="Example: tfp-lcma compare --data digits --steps 400 --seeds 3 --arms lcma,haar"
)
@recipe_options
@click.option(
    "--compare",
    "about",
    type=click.Choice(list(COMPARISONS)),
    default="splits",
    show_default=True,
    help="What differs: what is factored out, its prior, the shuffle before the split, or what "
    "makes whole intensities continuous.",
)
@click.option(
    "--arms",
    help='Names, separated by commas; "" for none.  [default: all that the model allows]',
    shell_complete=completion(lambda: ARMS),
)
@click.option("--steps", type=click.IntRange(1), help="Of every run.  [default: the recipe's]")
@click.option(
    "--seeds",
    default="3",
    show_default=True,
    help="How many (3 stands for 0, 1, 2), or which: 3-5. Winners are chosen by them, on "
    "validation images.",
)
@click.option(
    "--report-seeds",
    help="Further seeds, like 10-15, that no choice has seen: baseline, finalists and controls are "
    "trained with them too, and test images are read for them alone.",
)
@click.option(
    "--finalists",
    default="",
    help="Arms to evaluate on the test images at the end.",
    shell_complete=completion(lambda: ARMS),
)
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    help="Where results, models and pictures go.  [default: runs/compare/DATA-MODEL]",
)
@click.option(
    "--report-dir",
    type=click.Path(path_type=Path),
    help="Where the report goes.  [default: report in the run's folder]",
)
@click.option("--report-only", is_flag=True, help="Train nothing, write the report.")
@click.option(
    "--pretrain-steps",
    type=click.IntRange(1),
    help="Steps of pre-training.  [default: half of --steps]",
)
@settings_options
@data_options
@click.option(
    "--extractor",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Keras file of your own network for FID and KID, from images in [0, 1] to features.  "
    "[default: a classifier that is trained on the training images]",
)
@threads_option
@strategy_options
@click.option("--quiet", is_flag=True, help="Show the report's path only.")
@click.pass_context
def compare(
    context,
    recipe: Recipe,
    about,
    arms,
    steps,
    seeds,
    report_seeds,
    finalists,
    run_dir,
    report_dir,
    report_only,
    pretrain_steps,
    limit,
    data_dir,
    on_unreadable,
    extractor,
    threads,
    strategy,
    peer_timeout,
    quiet,
):
    """Train one flow in many ways, all at the same budget, and report which did best.

    Every arm of a seed has the same initial weights, batches and noise; settings are spent as they
    are, warm-up too. Interrupted, the same command carries on after the last finished run; called
    again with more arms or seeds it runs what is missing. The report is written after every call.
    """
    cluster = None if report_only else cluster_of(strategy)
    folder = check_folder("--run-dir", run_dir or Path("runs") / "compare" / recipe.name)
    report = check_folder("--report-dir", report_dir or folder / "report")
    recipe = recipe.replaced(steps=steps)
    recipe = recipe.replaced(pretrain_steps=pretrain_steps or max(recipe.steps // 2, 1))
    chosen_seeds, comparison = parse_seeds(seeds), COMPARISONS[about]
    reported = [] if report_seeds is None else parse_seeds(report_seeds, "--report-seeds")
    if both := sorted({*chosen_seeds} & {*reported}):
        raise click.UsageError(
            "--report-seeds must have no seed of --seeds, by which arms are chosen; both have "
            f"{', '.join(map(str, both))}."
        )
    every = comparison.possible(recipe)
    try:
        names = comparison.choose(every if arms is None else _names(arms), "--arms")
        tested = comparison.choose(_names(finalists), "--finalists")
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if reported and not tested:
        raise click.UsageError("--report-seeds must come with --finalists, which they report on.")

    from tfp_lcma.training.runs.threads import use_threads

    use_threads(threads)

    from tfp_lcma.training.runs.lost_peers import ends_at_once
    from tfp_lcma.training.runs.mirror import local_folder
    from tfp_lcma.training.runs.strategies import make_workers

    own = folder
    with ends_at_once() if cluster else contextlib.nullcontext():
        try:
            workers = make_workers("none" if report_only else strategy, cluster, peer_timeout)
            with local_folder(folder, workers.chief) as (own, _):
                where = {"data_dir": data_dir, "limit": limit, "on_unreadable": on_unreadable}
                dataset = None if report_only else given_dataset(recipe, folder=own, **where)

                from tfp_lcma.training.runs.many_models import expect_many_models
                from tfp_lcma.training.runs.progress import Progress
                from tfp_lcma.training.studies.compare.finalists import read_test
                from tfp_lcma.training.studies.compare.report import write_report
                from tfp_lcma.training.studies.compare.study import Study

                expect_many_models()
                progress = Progress(quiet=quiet or not workers.chief)
                command = command_given(context)
                if dataset is not None:
                    study = Study(
                        comparison=about,
                        recipe=recipe,
                        dataset=dataset,
                        folder=own,
                        command=command,
                        extractor_file=extractor,
                        progress=progress,
                        workers=workers,
                    )
                    study.run(names, chosen_seeds)
                    if reported:
                        controls = [name for name in names if ARMS[name].kind == "control"]
                        again = list(dict.fromkeys((*tested, *controls)))
                        study.run(again, reported, report=True)
                if dataset is not None and workers.chief:
                    read_test(
                        own,
                        dataset.test,
                        tested,
                        draws=recipe.draws,
                        command=command,
                        say=progress.say,
                    )
                path = write_report(own, report) if workers.chief else None
                # Nobody ends before all is written.
                workers.of_chief(None)
        except (ValueError, OSError) as error:
            said = in_flags(error, recipe).replace(str(own), str(folder))
            raise click.ClickException(said) from error
    if path is not None:
        click.echo(f"The report is {path}; as one page, {path.with_suffix('.html')}.")


def parse_seeds(text: str, argument: str = "--seeds") -> list[int]:
    """Returns 0, 1, 2 for "3" and 3, 4, 5 for "3-5".

    Args:
        text: what was given.
        argument: what to call it in an error.

    Raises:
        click.UsageError: the text is neither.
    """
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)", text.strip())
    first, last = (int(found[1] or 0), int(found[2])) if found else (0, -1)
    seeds = range(first, last + 1 if found and found[1] else last)
    if not seeds:
        raise click.UsageError(f"{argument} must be how many (3) or which (3-5); got {text!r}.")
    return list(seeds)


def _names(text):
    return [name.strip() for name in text.split(",") if name.strip()]
