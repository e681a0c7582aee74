"""`tfp-lcma demo`: RealNVP's split and LCMA's on handwritten digits, at the same total budget."""

import dataclasses
import time
from pathlib import Path

import click

from tfp_lcma.training.cli.paths import check_folder
from tfp_lcma.training.recipes import load_recipe

_EXPORT = Path("saved_models/digits")


@click.command(epilog="Example: tfp-lcma demo --steps 100 --pretrain-steps 50")
@click.option(
    "--steps",
    type=click.IntRange(1),
    metavar="N",
    help="Most steps of LCMA's training.  [default: 600]",
)
@click.option(
    "--pretrain-steps",
    type=click.IntRange(1),
    metavar="N",
    help="Most steps of its pre-training.  [default: 300]",
)
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    help="Where the two runs go.",
)
@click.option("--seed", default=0, help="Of weights, batches and noise.")
def demo(steps, pretrain_steps, run_dir, seed):
    """Train two flows on digits, compare their splits, draw and export: a few minutes."""
    check_folder("--run-dir", run_dir)
    check_folder(str(_EXPORT), _EXPORT)
    from tfp_lcma.training.runs.run import Run
    from tfp_lcma.training.runs.training_failed import TrainingFailedError

    began = time.monotonic()
    recipe = load_recipe("digits", steps=steps, pretrain_steps=pretrain_steps)
    dataset = recipe.load_dataset()
    # The baseline gets the steps that LCMA spends on pre-training, too.
    total = dataclasses.replace(recipe, steps=recipe.steps + recipe.pretrain_steps)
    runs = {
        "checkerboard (RealNVP)": Run(total, "checkerboard", seed, run_dir / "digits-checkerboard"),
        "likelihood contribution (LCMA)": Run(recipe, "lcma", seed, run_dir / "digits", _EXPORT),
    }
    try:
        results = {name: run.execute(dataset) for name, run in runs.items()}
    except (ValueError, OSError, TrainingFailedError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"\n{'factorization':32}{'test bits/dim':>20}{'steps':>14}{'seconds':>10}")
    for name, result in results.items():
        phases = [phase for phase in (result["pretraining"], result["training"]) if phase]
        test = result["test"]
        click.echo(
            f"{name:32}{test['bits_per_dimension']:>11.4f} ± {test['standard_error']:.4f}"
            f"{' + '.join(str(phase['steps']) for phase in phases):>14}"
            f"{sum(phase['seconds'] for phase in phases):>10.0f}"
        )
    lcma = results["likelihood contribution (LCMA)"]
    click.echo(
        f"\nOne seed: a demonstration, not a comparison. {time.monotonic() - began:.0f} seconds.\n"
        f"Report:     {runs['likelihood contribution (LCMA)'].folder / 'report.html'}\n"
        f"SavedModel: {lcma['export']}"
    )
