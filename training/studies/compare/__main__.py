"""Command line: compare ways to choose who leaves early, at one budget, over several seeds."""

import re
from pathlib import Path

import click
from tfp_lcma.training.cli.options import (
    command_given,
    data_options,
    recipe_options,
    threads_option,
)
from tfp_lcma.training.studies.compare.comparisons import COMPARISONS


@click.command(context_settings={"show_default": True})
@recipe_options
@click.option(
    "--compare",
    type=click.Choice(list(COMPARISONS)),
    default="splits",
    help="Ways to choose who leaves early, or priors of what leaves.",
)
@click.option("--steps", type=int, help="Steps of every run.  [default: the recipe's]")
@click.option("--pretrain-steps", type=int, help="Steps of pre-training.  [default: half of that]")
@click.option("--seeds", default="3", help="How many (3 stands for 0, 1, 2), or which: 3-5.")
@click.option(
    "--arms",
    help='Names, separated by commas; "" for none.  [default: all that the model allows]',
)
@click.option("--finalists", default="", help="Arms to evaluate on the test images at the end.")
@data_options
@click.option(
    "--extractor",
    type=click.Path(path_type=Path),
    help="Keras file of your own network for FID and KID, from images in [0, 1] to features.  "
    "[default: a classifier that is trained on the training images]",
)
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    help="Where results, models and pictures go.  [default: runs/ablation/RECIPE]",
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
    compare,
    steps,
    pretrain_steps,
    seeds,
    arms,
    finalists,
    data_dir,
    limit,
    extractor,
    run_dir,
    report_dir,
    threads,
    quiet,
):
    """Trains one flow in many ways, all at the same budget, and reports which did best.

    Interrupted, the same command carries on after the last finished run; called again with more
    arms or seeds it runs what is missing. The report is written after every call.
    """
    import tensorflow as tf
    from tfp_lcma.training.runs.progress import Progress
    from tfp_lcma.training.runs.threads import use_threads
    from tfp_lcma.training.studies.compare.finalists import read_test
    from tfp_lcma.training.studies.compare.report import write_report
    from tfp_lcma.training.studies.compare.study import Study

    use_threads(threads)
    # Its warning about retracing means one model; here there are many.
    tf.get_logger().setLevel("ERROR")
    try:
        settings = recipe.replaced(steps=steps)
        settings = settings.replaced(pretrain_steps=pretrain_steps or max(settings.steps // 2, 1))
        comparison = COMPARISONS[compare]
        every = comparison.possible(settings)
        names = comparison.choose(every if arms is None else _names(arms), "arms")
        chosen = comparison.choose(_names(finalists), "finalists")
        dataset = settings.load_dataset(data_dir=data_dir, limit=limit)
        study = Study(
            comparison=compare,
            recipe=settings,
            dataset=dataset,
            folder=run_dir or Path("runs") / "ablation" / recipe.name,
            command=command_given(context),
            extractor_file=extractor,
            progress=Progress(quiet=quiet),
        )
        study.run(names, parse_seeds(seeds))
        read_test(
            study.folder,
            dataset.test,
            chosen,
            draws=settings.draws,
            command=study.command,
            say=study.progress.say,
        )
        path = write_report(study.folder, report_dir or study.folder / "report")
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"The report is {path}.")


def parse_seeds(text: str) -> list[int]:
    """Returns 0, 1, 2 for "3" and 3, 4, 5 for "3-5".

    Raises:
        ValueError: the text is neither.
    """
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)", text.strip())
    first, last = (int(found[1] or 0), int(found[2])) if found else (0, -1)
    seeds = range(first, last + 1 if found and found[1] else last)
    if not seeds:
        raise ValueError(f"seeds must be how many (3) or which (3-5); got {text!r}.")
    return list(seeds)


def _names(text):
    return [name.strip() for name in text.split(",") if name.strip()]


if __name__ == "__main__":
    main()
