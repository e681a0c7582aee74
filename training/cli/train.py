"""`tfp-lcma train`: pre-train, build the split, train, evaluate, draw and export in one call."""

from pathlib import Path

import click

from tfp_lcma.training.cli.given import given_dataset, in_flags
from tfp_lcma.training.cli.options import (
    data_options,
    factorization_option,
    recipe_options,
    settings_options,
    threads_option,
)
from tfp_lcma.training.cli.paths import FolderToRead, check_place
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
@factorization_option("lcma")
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
@click.option(
    "--checkpoint-every",
    type=click.IntRange(1),
    metavar="N",
    default=200,
    help="Steps between two checkpoints.",
)
@click.option("--jit", is_flag=True, help="Compile the steps with XLA.")
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
    checkpoint_every,
    jit,
    quiet,
):
    """Train a multi-scale flow whose split is chosen from data, and all that goes with it.

    Pre-trains, builds the split, trains with early stopping on the validation split, reads the
    test split once, draws and exports. Interrupted, the same command carries on from the last
    checkpoint. Results are in the run's folder: metrics.json, recipe.toml (to be given back with
    --config), pictures, model.keras and TensorBoard logs.
    """
    recipe = recipe.replaced(steps=steps, pretrain_steps=steps)
    place = check_place("--run-dir", run_dir or Path("runs") / recipe.name)
    export = None
    if not no_export:
        export = check_place("--export-dir", export_dir or Path("saved_models") / recipe.name)

    from tfp_lcma.training.runs.mirror import local_folder
    from tfp_lcma.training.runs.threads import use_threads

    use_threads(threads)
    folder = place
    try:
        with local_folder(place) as (folder, mirror):
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
                factorization=factorization,
                labels=labels,
                seed=seed,
                folder=folder,
                export=export,
                init_from=init_from,
                checkpoint_every=checkpoint_every,
                jit_compile=jit,
                progress=Progress(quiet=quiet),
                mirror=mirror,
            )
            try:
                metrics = run.execute(dataset)
            except TrainingFailedError as error:
                raise click.ClickException(str(error)) from error
    except (ValueError, OSError) as error:
        said = in_flags(error, recipe).replace(str(folder), str(place))
        raise click.ClickException(said) from error
    from tfp_lcma.training.reports.tables import error_text

    test = metrics["test"]
    if labels:
        right = metrics["classification"]
        click.echo(
            f"{100 * right['accuracy']:.1f}% of {right['images']} test images classified rightly."
        )
    click.echo(
        f"{recipe.name}, {factorization}: test {test['bits_per_dimension']:.4f} "
        f"± {error_text(test['standard_error'], 4)} bits/dim over {test['images']} images "
        f"({test['draws']} draws); round trip x-z-x {metrics['round_trip']['x_to_z_to_x']:.1e} "
        f"of the range. Everything is in {run.place}"
        + (f"; exported to {metrics['export']}." if "export" in metrics else ".")
    )
