"""Exports the model of a run, at its best, as a SavedModel.

python -m tfp_lcma.training.cli.export --run runs/digits
"""

from pathlib import Path

import click


@click.command(context_settings={"show_default": True})
@click.option(
    "--run",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder of the run, finished or still training.",
)
@click.option(
    "--export-dir",
    type=click.Path(path_type=Path),
    help="Where the SavedModel's versions go.  [default: saved_models/RECIPE]",
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
def main(folder, export_dir, network_dtype, jit_compile, warm_up_rows, serving_config):
    """Exports the model of a run as the next version of a SavedModel.

    Takes the weights of the best validation, and puts the run's recipe and
    results on the model card. `python -m tfp_lcma.training.tryout.check_export` checks the version.
    """
    from tfp_lcma.training.runs.load_run import load_run

    import tfp_lcma as lcma

    try:
        trained = load_run(folder)
        directory = export_dir or Path("saved_models") / trained.settings["name"]
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
            paths = lcma.serving.write_serving_config(directory.parent)
            click.echo(f"Written: {', '.join(map(str, paths))}.")
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
