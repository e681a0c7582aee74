"""`tfp-lcma recipes`: what there is to train on what, and with which settings."""

import click

from tfp_lcma.registry import FACTORIZATIONS, FLOW, IMAGES, NOTHING, SEED, TRAINING
from tfp_lcma.training.cli.options import recipe_options, settings_options
from tfp_lcma.training.recipes.compose import data_names, description, model_names, paper_names
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.recipes.tables import to_tables, to_toml

_CHOSEN = {
    NOTHING: "Factorizations that look at no data",
    SEED: "Drawn by the seed",
    FLOW: "Chosen from a pre-trained flow",
    IMAGES: "Chosen from the images, without pre-training",
    TRAINING: "Chosen while training",
}


@click.group(
    invoke_without_command=True,
    epilog="Example: tfp-lcma recipes show --data digits --model glow",
)
@click.pass_context
def recipes(context):
    """List data sets, models and published settings, or show the settings of a pair."""
    if context.invoked_subcommand is None:
        _list("Data sets (--data)", [(n, description("data", n)) for n in data_names()])
        _list("Models (--model)", [(n, description("models", n)) for n in model_names()])
        papers: dict[str, list[str]] = {}
        for name in paper_names():
            papers.setdefault(name.split("-", maxsplit=1)[1], []).append(name)
        for model, names in papers.items():
            _list(
                f"Published settings (--paper) of {model}",
                [(", ".join(names), description("papers", model))],
            )
        click.echo("Ways to factor out: tfp-lcma recipes factorizations")


@recipes.command(epilog="Example: tfp-lcma recipes factorizations")
def factorizations():
    """List what --factorization takes."""
    for source, heading in _CHOSEN.items():
        named = [(n, f.phrase) for n, f in FACTORIZATIONS.items() if f.source == source]
        _list(heading, named)


@recipes.command(epilog="Example: tfp-lcma recipes show --paper cifar10-glow > mine.toml")
@recipe_options
@settings_options
def show(recipe: Recipe):
    """Show the settings of a model on a data set, as --config takes them."""
    click.echo(to_toml(recipe.name, to_tables(recipe)), nl=False)


def _list(heading: str, rows: list[tuple[str, str]]) -> None:
    formatter = click.HelpFormatter(max_width=100)
    with formatter.section(heading):
        formatter.write_dl(rows)
    click.echo(formatter.getvalue())
