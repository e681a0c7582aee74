"""`tfp-lcma train`: pre-train, build the split, train, evaluate, draw and export in one call."""

import contextlib
from pathlib import Path

import click

from tfp_lcma.training.cli.given import cluster_of, given_dataset, in_flags
from tfp_lcma.training.cli.options import (
    data_options,
    factorization_option,
    recipe_options,
    settings_options,
    strategy_options,
    threads_option,
)
from tfp_lcma.training.cli.paths import FolderToRead, check_place
from tfp_lcma.training.recipes.compose import usual_factorization
from tfp_lcma.training.recipes.recipe import Recipe


@click.command(
    epilog="""\b
Examples:
  tfp-lcma train --data digits --factorization checkerboard
  tfp-lcma train --data ~/pictures --image-size 32 --model glow --steps 2000
  tfp-lcma train --data fashion_mnist --model glow --labels --set model.width=64
"""
)
@recipe_options
@factorization_option(None)
@click.option("--labels", is_flag=True, help="Condition the flow on the classes of the images.")
@click.option(
    "--steps",
    type=click.IntRange(1),
    metavar="N",
    help="Most steps of each phase.  [default: the recipe's]",
)
@click.option(
    "--run-dir",
    metavar="DIRECTORY",
    help="Where checkpoints, numbers and pictures go; gs://BUCKET/NAME too.  [default: "
    "runs/DATA-MODEL]",
)
@click.option(
    "--export-dir",
    metavar="DIRECTORY",
    help="Where the SavedModel's versions go; gs://BUCKET/NAME too.  [default: "
    "saved_models/DATA-MODEL]",
)
@click.option("--no-export", is_flag=True, help="Write no SavedModel.")
@click.option("--seed", default=0, help="Of weights, batches and noise.")
@settings_options
@click.option(
    "--init-from",
    metavar="RUN",
    type=FolderToRead(),
    help="Start from the weights, and the split, of another run of the same flow.",
)
@data_options
@threads_option
@strategy_options
@click.option(
    "--checkpoint-every",
    type=click.IntRange(1),
    metavar="N",
    default=200,
    help="Steps between two checkpoints.",
)
@click.option(
    "--jit/--no-jit",
    default=None,
    help="Compile the steps with XLA.  [default: where there is a GPU]",
)
@click.option("--quiet", is_flag=True, help="Show the result only.")
def train(
    recipe: Recipe,
    factorization,
    labels,
    steps,
    run_dir,
    export_dir,
    no_export,
    init_from,
    seed,
    limit,
    data_dir,
    on_unreadable,
    threads,
    strategy,
    peer_timeout,
    checkpoint_every,
    jit,
    quiet,
):
    """Train a multi-scale flow whose split is chosen from data, and all that goes with it.

    Pre-trains, builds the split, trains with early stopping on the validation split, reads the
    test split once, draws and exports. Interrupted, the same command carries on from the last
    checkpoint. Results are in the run's folder: report.html, which shows all of it on one page,
    metrics.json, recipe.toml (to be given back with --config), pictures, model.keras and
    TensorBoard logs.
    """
    cluster = cluster_of(strategy)
    recipe = recipe.replaced(steps=steps, pretrain_steps=steps)
    place = check_place("--run-dir", run_dir or Path("runs") / recipe.name)
    export = None
    if not no_export:
        export = check_place("--export-dir", export_dir or Path("saved_models") / recipe.name)

    from tfp_lcma.training.runs.lost_peers import ends_at_once
    from tfp_lcma.training.runs.mirror import local_folder
    from tfp_lcma.training.runs.run import is_complete
    from tfp_lcma.training.runs.strategies import make_workers
    from tfp_lcma.training.runs.threads import use_threads

    what = {
        "factorization": factorization or usual_factorization(recipe.model),
        "labels": labels,
        "seed": seed,
        "init_from": init_from,
    }
    # A worker that was started again when the others had finished would wait for them.
    if cluster is not None and is_complete(place, recipe, **what):
        click.echo(f"{place} is complete; delete it to run again.")
        return
    use_threads(threads)
    folder = place
    with ends_at_once() if cluster else contextlib.nullcontext():
        try:
            workers = make_workers(strategy, cluster, peer_timeout)
            with local_folder(place, workers.chief) as (folder, mirror):
                dataset = given_dataset(
                    recipe,
                    data_dir=data_dir,
                    limit=limit,
                    labels=labels,
                    on_unreadable=on_unreadable,
                    folder=folder,
                )

                from tfp_lcma.training.runs.progress import Progress
                from tfp_lcma.training.runs.run import Run
                from tfp_lcma.training.runs.training_failed import TrainingFailedError

                run = Run(
                    recipe=recipe,
                    **what,
                    folder=folder,
                    export=export,
                    checkpoint_every=checkpoint_every,
                    jit_compile="auto" if jit is None else jit,
                    progress=Progress(quiet=quiet or not workers.chief),
                    mirror=mirror,
                    workers=workers,
                )
                try:
                    metrics = run.execute(dataset)
                except TrainingFailedError as error:
                    raise click.ClickException(str(error)) from error
        except (ValueError, OSError) as error:
            said = in_flags(error, recipe).replace(str(folder), str(place))
            raise click.ClickException(said) from error
    if workers.chief:
        _say_results(run, metrics)


def _say_results(run, metrics):
    from tfp_lcma.training.reports.tables import error_text

    test = metrics["test"]
    if run.labels:
        right = metrics["classification"]
        click.echo(
            f"{100 * right['accuracy']:.1f}% of {right['images']} test images classified rightly."
        )
    click.echo(
        f"{run.recipe.name}, {run.factorization}: test {test['bits_per_dimension']:.4f} "
        f"± {error_text(test['standard_error'], 4)} bits/dim over {test['images']} images "
        f"({test['draws']} draws, an upper bound); round trip x-z-x "
        f"{metrics['round_trip']['x_to_z_to_x']:.1e} of the range. Everything is in {run.place} "
        "(see report.html)"
        + (f"; exported to {metrics['export']}." if "export" in metrics else ".")
    )
