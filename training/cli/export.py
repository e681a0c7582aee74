"""`tfp-lcma export`: the model of a run, at its best, as a SavedModel."""

import os
from pathlib import Path

import click

from tfp_lcma.training.cli.paths import FolderToRead, check_place


@click.command(epilog="Example: tfp-lcma export runs/digits --warm-up-rows 1 --warm-up-rows 16")
@click.argument("folder", metavar="RUN", type=FolderToRead())
@click.option(
    "--export-dir",
    metavar="DIRECTORY",
    help="Where the SavedModel's versions go; gs://BUCKET/NAME too.  [default: saved_models/NAME, "
    "of the run]",
)
@click.option(
    "--network-dtype",
    type=click.Choice(["float32", "bfloat16"]),
    help="What the couplings' networks compute in.  [default: as trained]",
)
@click.option("--jit-compile", is_flag=True, help="Compile the signatures with XLA.")
@click.option(
    "--warm-up-rows",
    type=click.IntRange(1),
    multiple=True,
    default=[1],
    help="Rows of the warm-up requests; several times for several numbers.",
)
@click.option(
    "--serving-config",
    is_flag=True,
    help="Also write models.config and batching_params.pbtxt beside the models.",
)
def export(folder, export_dir, network_dtype, jit_compile, warm_up_rows, serving_config):
    """Export the model of a run, finished or still training, as a SavedModel's next version.

    Takes the weights of the best validation, and puts the run's recipe and results on the model
    card. `tfp-lcma check` checks the version.
    """
    if not (folder / "config.json").exists():
        raise click.UsageError(f"RUN must be the folder of a run; {folder} has no config.json.")
    name = folder.resolve().name
    directory = check_place("--export-dir", export_dir or Path("saved_models") / name)
    import tfp_lcma as lcma
    from tfp_lcma.training.runs.load_run import load_run
    from tfp_lcma.training.runs.progress import Progress

    try:
        with Progress().doing("loading the run"):
            trained = load_run(folder)
        with Progress().doing("exporting"):
            version = lcma.export_saved_model(
                trained.model,
                directory,
                network_dtype=network_dtype,
                jit_compile=jit_compile,
                warm_up_rows=warm_up_rows,
                recipe=trained.settings,
                metrics=trained.metrics,
                pixels=trained.settings.get("pixels"),
            )
        click.echo(f"{folder} is exported to {version}.")
        if serving_config:
            models = os.path.dirname(directory)
            paths = lcma.serving.write_serving_config(models or ".")
            click.echo(f"Written: {', '.join(map(str, paths))}.")
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
