"""What the commands share that ask a trained flow: which one, and of which class."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tfp_lcma.training.cli.paths import FolderToRead
from tfp_lcma.training.runs.run_or_export import conditions_of, is_run

if TYPE_CHECKING:
    from tfp_lcma.training.runs.density import Density


def _check_kind(context, parameter, folder: Path) -> Path:
    try:
        is_run(folder)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return folder


density_argument = click.argument(
    "folder",
    metavar="RUN|EXPORT",
    type=FolderToRead(),
    callback=_check_kind,
)


def load(folder: Path, label: int | None, *, needed: bool = False) -> "Density":
    """Checks a class for the model of a run or an export, then loads it.

    Args:
        folder: The run or the export.
        label: The class that is given, if any.
        needed: Whether a model of classes must be given one.

    Raises:
        click.ClickException: If the folder cannot be loaded.
        click.UsageError: If the model has not this class, or none at all.
    """
    try:
        classes = conditions_of(folder)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if isinstance(classes, tuple):
        raise click.ClickException(
            f"{folder} is conditioned on vectors of {classes[0]} numbers; ask it from Python."
        )
    if label is not None and not 0 <= label < (classes or 0):
        has = "no classes" if classes is None else f"classes 0 to {classes - 1}"
        raise click.UsageError(f"--class must be one of the model's; it has {has}; got {label}.")
    if needed and label is None and classes is not None:
        raise click.UsageError(
            f"--class must be given, one of 0 to {classes - 1}: the model is conditioned on "
            "classes."
        )
    click.echo(f"Loading {folder} ...", err=True)
    from tfp_lcma.training.runs.density import load_density

    try:
        return load_density(folder)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
