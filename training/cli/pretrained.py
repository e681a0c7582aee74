"""`tfp-lcma pretrained`: the models that come with the package, measured and made."""

import json
from pathlib import Path

import click

from tfp_lcma import pretrained as models
from tfp_lcma.training.cli.density_options import checked_model
from tfp_lcma.training.cli.given import given_dataset
from tfp_lcma.training.cli.options import completion
from tfp_lcma.training.cli.paths import FolderToRead, check_folder
from tfp_lcma.training.recipes import load_recipe

# Bits per dimension that a measured figure may be off by from the card's.
_TOLERANCE = 0.001

_data_dir = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Where data that no package brings lie.",
)


_name = click.argument("name", callback=checked_model, shell_complete=completion(models.names))


@click.group(
    invoke_without_command=True,
    epilog="Examples: tfp-lcma pretrained; tfp-lcma sample --pretrained digits-lcma",
)
@click.pass_context
def pretrained(context):
    """List the trained models that come with the package, show a card, or measure one again."""
    if context.invoked_subcommand is None:
        formatter = click.HelpFormatter(max_width=100)
        formatter.write_dl([(name, _line(models.card(name))) for name in models.names()])
        click.echo(formatter.getvalue(), nl=False)


@pretrained.command(epilog="Example: tfp-lcma pretrained show digits-lcma")
@_name
def show(name):
    """Show the card of a model."""
    click.echo(json.dumps(models.card(name), indent=1))


@pretrained.command(epilog="Example: tfp-lcma pretrained evaluate digits-lcma")
@_name
@_data_dir
def evaluate(name, data_dir):
    """Measure the bits per dimension of test images again.

    Fails if they are off by more than 0.001 from those on the card.
    """
    card = models.card(name)
    expected = card["bits_per_dimension"]
    dataset = given_dataset(load_recipe(card["data"]), data_dir=data_dir)

    from tfp_lcma.training.runs.pack import measured
    from tfp_lcma.training.runs.progress import Progress

    with Progress().doing(f"evaluating {len(dataset.test):,} test images"):
        found = measured(models.load(name), dataset, expected["draws"], expected["seed"])
    said = (
        f"{name}: {_bits(found)} bits/dim over {found['images']} test images; its card has "
        f"{_bits(expected)}."
    )
    if abs(found["mean"] - expected["mean"]) > _TOLERANCE:
        raise click.ClickException(said)
    click.echo(said)


@pretrained.command(epilog="Example: tfp-lcma pretrained pack runs/digits --name digits-lcma ...")
@click.argument("folder", metavar="RUN", type=FolderToRead())
@click.option("--name", required=True, help="What the model will be called.")
@click.option("--about", required=True, help="What it is, in a sentence.")
@click.option(
    "--temperature",
    type=click.FloatRange(0),
    default=1.0,
    help="Of the samples in the picture, and on the card.",
)
@_data_dir
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the model.  [default: in the package, by its name]",
)
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="PNG file of samples, each beside the nearest training image.  [default: in RUN]",
)
def pack(folder, name, about, temperature, data_dir, output, picture):
    """Pack a finished run's model: rounded, measured, with a card and a picture."""
    from tfp_lcma.pretrained.cards import MODELS
    from tfp_lcma.training.runs.load_run import load_run

    output = check_folder("--output", output or MODELS / name)
    try:
        run = load_run(folder)
        dataset = given_dataset(load_recipe(run.settings["source"]), data_dir=data_dir)

        from tfp_lcma.training.runs import pack as packing

        card = packing.pack(
            run,
            dataset,
            output,
            name=name,
            about=about,
            temperature=temperature,
            picture=picture or folder / "neighbours.png",
        )
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{name} is packed in {output}: {_line(card)}")


def _line(card) -> str:
    return (
        f"{card['about']} {_bits(card['bits_per_dimension'])} bits/dim, "
        f"{card['parameters']:,} parameters."
    )


def _bits(bits) -> str:
    low, high = bits["interval"]
    return f"{bits['mean']:.4f} (95%: {low:.3f} to {high:.3f})"
