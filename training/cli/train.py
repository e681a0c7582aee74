"""Command line: pre-train, build the split, train, evaluate, draw and export in one call."""

from pathlib import Path

import click
from tfp_lcma.training.cli.options import (
    data_options,
    recipe_option,
    setting_options,
    threads_option,
)
from tfp_lcma.training.recipes.recipe import load_recipe


@click.command(context_settings={"show_default": True})
@recipe_option
@click.option(
    "--factorization",
    default="lcma",
    help="Which dimensions leave early. Chosen from a pre-trained flow: lcma, lcma-low, "
    "lcma-raster, lcma-level, lcma-view and lcma-view-position (for Glow), likelihood-gain, "
    "exit-price, exit-price-level, karhunen-loeve, karhunen-loeve-across. Chosen from the "
    "images, without pre-training: karhunen-loeve-images. Chosen while "
    "training: online-lcma, online-exit-price-level. Looking at no data: checkerboard "
    "(RealNVP), complement, channel (Glow), random, random-in-block, haar, "
    "learned-convolution, none (nobody leaves).",
)
@click.option("--steps", type=int, help="Most steps of each phase.  [default: the recipe's]")
@click.option(
    "--pretrain-steps", type=int, help="Most steps of pre-training, if other than --steps."
)
@click.option("--patience", type=int, help="Looks without improvement before training stops.")
@setting_options
@data_options
@click.option("--labels", is_flag=True, help="Condition the flow on the classes of the images.")
@click.option("--seed", default=0, help="Of weights, batches and noise.")
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    help="Where checkpoints, numbers and pictures go.  [default: runs/RECIPE]",
)
@click.option(
    "--export-dir",
    type=click.Path(path_type=Path),
    help="Where the SavedModel's versions go.  [default: saved_models/RECIPE]",
)
@click.option("--export/--no-export", default=True, help="Whether to write a SavedModel.")
@click.option("--checkpoint-every", default=200, help="Steps between two checkpoints.")
@threads_option
@click.option("--jit/--no-jit", default=False, help="Compile the steps with XLA.")
@click.option("--quiet", is_flag=True, help="Show the result only.")
def main(
    recipe,
    factorization,
    data_dir,
    images,
    limit,
    labels,
    seed,
    run_dir,
    export_dir,
    export,
    checkpoint_every,
    threads,
    jit,
    quiet,
    steps,
    pretrain_steps,
    **changes,
):
    """Trains a multi-scale flow whose split is chosen from data, and all that goes with it.

    Interrupted, the same command carries on from the last checkpoint. Results
    are in the run's folder: metrics.json, pictures, model.keras, TensorBoard
    logs; the SavedModel is in the export folder.
    """
    from tfp_lcma.training import registry as factorizations
    from tfp_lcma.training.runs.progress import Progress
    from tfp_lcma.training.runs.run import Run
    from tfp_lcma.training.runs.threads import use_threads
    from tfp_lcma.training.runs.trainer import TrainingFailedError

    use_threads(threads)
    try:
        if factorization not in factorizations.NAMES:
            raise ValueError(
                f"factorization must be one of {', '.join(factorizations.NAMES)}; "
                f"got {factorization!r}."
            )
        if checkpoint_every < 1:
            raise ValueError(f"checkpoint_every must be at least 1; got {checkpoint_every}.")
        settings = load_recipe(
            recipe, steps=steps, pretrain_steps=pretrain_steps or steps, **changes
        )
        dataset = settings.load_dataset(data_dir=data_dir, images=images, limit=limit)
        run = Run(
            recipe=settings,
            factorization=factorization,
            labels=labels,
            seed=seed,
            folder=run_dir or Path("runs") / recipe,
            export=(export_dir or Path("saved_models") / recipe) if export else None,
            checkpoint_every=checkpoint_every,
            jit_compile=jit,
            progress=Progress(quiet=quiet),
        )
        metrics = run.execute(dataset)
    except (ValueError, OSError, TrainingFailedError) as error:
        raise click.ClickException(str(error)) from error
    test = metrics["test"]
    if labels:
        right = metrics["classification"]
        click.echo(
            f"{100 * right['accuracy']:.1f}% of {right['images']} test images classified rightly."
        )
    click.echo(
        f"{recipe}, {factorization}: test {test['bits_per_dimension']:.4f} "
        f"± {test['standard_error']:.4f} bits/dim over {test['images']} images "
        f"({test['draws']} draws); round trip x-z-x {metrics['round_trip']['x_to_z_to_x']:.1e} "
        f"of the range. Everything is in {run.folder}"
        + (f"; exported to {metrics['export']}." if "export" in metrics else ".")
    )


if __name__ == "__main__":
    main()
