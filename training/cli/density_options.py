"""What the commands share that ask a trained flow: which one, and of which class."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tfp_lcma import pretrained
from tfp_lcma.registry import check_name
from tfp_lcma.training.cli.options import completion
from tfp_lcma.training.cli.paths import FolderToRead
from tfp_lcma.training.runs.run_or_export import conditions_of, is_run

if TYPE_CHECKING:
    from tfp_lcma.training.runs.density import Density


def density_argument(required: bool = True) -> Callable[[Callable], Callable]:
    """Returns what adds the argument RUN|EXPORT, `folder`."""

    def check(context, parameter, folder: Path | None) -> Path | None:
        if folder is not None:
            try:
                is_run(folder)
            except ValueError as error:
                raise click.BadParameter(str(error)) from error
        return folder

    return click.argument(
        "folder",
        metavar="RUN|EXPORT" if required else "[RUN|EXPORT]",
        type=FolderToRead(),
        required=required,
        callback=check,
    )


def checked_model(context, parameter, name: str | None) -> str | None:
    """Returns the name of a model that comes with the package, or raises a click.BadParameter."""
    if name is not None:
        try:
            check_name("it", name, pretrained.names())
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
    return name


pretrained_option = click.option(
    "--pretrained",
    metavar="NAME",
    callback=checked_model,
    shell_complete=completion(pretrained.names),
    help="A model that comes with the package, in place of RUN|EXPORT; `tfp-lcma pretrained` "
    "lists them.",
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
    _check_class(label, classes, needed)
    click.echo(f"Loading {folder} ...", err=True)
    from tfp_lcma.training.runs.density import load_density

    try:
        return load_density(folder)
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def load_model(name: str, label: int | None) -> "Density":
    """Checks a class for a model that comes with the package, then loads it.

    Raises:
        click.ClickException: If its files cannot be read.
        click.UsageError: If it has not this class, or none at all.
    """
    try:
        _check_class(label, pretrained.card(name)["conditions"], needed=False)
        click.echo(f"Loading {name} ...", err=True)
        from tfp_lcma.training.runs.density import load_pretrained

        return load_pretrained(name)
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def _check_class(label: int | None, classes: int | None, needed: bool) -> None:
    """Raises a click.UsageError unless a model has the class that is given, or needs none."""
    if label is not None and not 0 <= label < (classes or 0):
        has = "no classes" if classes is None else f"classes 0 to {classes - 1}"
        raise click.UsageError(f"--class must be one of the model's; it has {has}; got {label}.")
    if needed and label is None and classes is not None:
        raise click.UsageError(
            f"--class must be given, one of 0 to {classes - 1}: the model is conditioned on "
            "classes."
        )
