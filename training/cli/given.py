"""What the options of a command stand for: a recipe, a name, the data, the command itself."""

import os
import shlex
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tfp_lcma.registry import check_name, nearest_first
from tfp_lcma.training.data.file_report import FILES, UnreadableFilesError
from tfp_lcma.training.data.places import find_place, is_elsewhere
from tfp_lcma.training.data.sources import is_tfds
from tfp_lcma.training.recipes.checks import SettingError
from tfp_lcma.training.recipes.compose import (
    Tables,
    composed,
    data_names,
    model_names,
    paper_names,
    published,
)
from tfp_lcma.training.recipes.recipe import Recipe, flag_of, model_options
from tfp_lcma.training.recipes.tables import from_tables, overridden, read_toml, recipe_name
from tfp_lcma.training.runs.cluster import Cluster, given_cluster

if TYPE_CHECKING:
    from tfp_lcma.training.data import Dataset

DEFAULT_MODEL = "real_nvp"


def given_recipe(
    data: str | None,
    model: str | None,
    paper: str | None,
    config: Path | None,
    assignments: tuple[str, ...] = (),
    image_size: int | None = None,
) -> Recipe:
    """Returns the recipe that options stand for.

    Raises:
        click.UsageError: they stand for none.
    """
    given = {"--data": data or model, "--paper": paper, "--config": config}
    named = [flag for flag, value in given.items() if value is not None]
    if named != ["--data"] and len(named) != 1:
        raise click.UsageError(
            "Give --data (with --model, if you like), --paper or --config, one of them"
            + (f"; got {' and '.join(named)}." if named else ".")
        )
    overrides = _overrides(assignments)
    if image_size is not None:
        overrides["data.image_size"] = image_size
    try:
        if config is not None:
            name, tables = read_config(config)
            tables.pop("run", None)
        elif paper is not None:
            checked_name("--paper", paper, paper_names())
            # Not the name of the data set's own settings for small flows.
            name, tables = f"{paper}-paper", published(paper)
        else:
            if data is None:
                raise click.UsageError("--data is missing.")
            source = data_source(data)
            model = checked_name("--model", model or DEFAULT_MODEL, model_names())
            name, tables = recipe_name(source, model), composed(source, model)
        recipe = from_tables(name, overridden(tables, overrides))
    except SettingError as error:
        flag = flag_of(error.setting) if "." in error.setting else f"--set {error.setting}"
        if error.setting not in overrides:
            flag = f"{config or name}: {error.setting}"
        raise click.UsageError(f"{flag} {error.problem}") from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if config is not None:
        _check_source(recipe.source, config)
    return recipe


def _check_source(source: str, config: Path) -> None:
    """Refuses a file's path of images that leads nowhere from the working folder."""
    known = source in data_names() or is_tfds(source) or is_elsewhere(source)
    if not known and find_place(source, "data.source") is None:
        raise click.UsageError(
            f"{config}: data.source must be a data set's name, or lead from the working folder to "
            f"images; {source} does not exist. Go where the run was started, or give "
            "--set data.source=PATH."
        )


def data_source(value: str) -> str:
    """Returns the name of a data set, or the path of images, with a separator in it.

    Raises:
        click.UsageError: it is neither.
    """
    if value in data_names() or is_tfds(value):
        return value
    try:
        value.encode()
        path = find_place(value, "--data")
    except UnicodeEncodeError as error:
        raise click.UsageError(
            "--data must be a path in UTF-8, which recipe.toml can hold; rename the folder, or "
            f"link to it; got {value!r}."
        ) from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if path is not None:
        return str(path) if os.sep in str(path) else os.path.join(os.curdir, str(path))
    path = Path(value).expanduser()
    if os.sep in value or path.suffix:
        found = "is a file" if path.exists() else "does not exist"
        raise click.UsageError(
            f"--data must be a data set's name, a folder or a file.npz; {value} {found}."
        )
    listed = ", ".join(nearest_first(value, data_names()))
    raise click.UsageError(
        f"--data must be one of {listed}, a folder or a file.npz; got {value!r}."
    )


def checked_name(flag: str, name: str, names: Iterable[str]) -> str:
    """Returns a name that there is, or raises a click.UsageError that lists all, nearest first."""
    try:
        check_name(flag, name, names)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return name


def command_given(context: click.Context) -> str:
    """Returns the command as it was given, but for where the data lies on this machine."""
    words = [*context.command_path.split()]
    for option in context.command.params:
        name, value = option.name, context.params.get(option.name)
        if context.get_parameter_source(name) != click.core.ParameterSource.COMMANDLINE:
            continue
        if name == "data" and value not in data_names() and not is_tfds(value):
            value = "FOLDER"
        if name == "data_dir":
            value = "DIR"
        for one in (value or ()) if option.multiple else [value]:
            if isinstance(option, click.Option):
                words.append(option.opts[0])
            if not (isinstance(option, click.Option) and option.is_flag):
                words.append(str(one))
    return shlex.join(words)


def given_dataset(recipe: Recipe, folder: Path | None = None, **where: Any) -> "Dataset":
    """Returns the images of a recipe.

    Commands ask for them before they import what trains: what is missing is named at once.

    Args:
        recipe: names them.
        folder: where it is written what became of every file, if some cannot be read.
        **where: options of `data.load`.

    Raises:
        click.ClickException: they are not there, cannot be read, or do not fit the recipe.
    """
    try:
        if recipe.image_size is not None and recipe.source not in data_names():
            recipe.check_size(recipe.image_size, recipe.image_size)
        dataset = recipe.load_dataset(**where)
        recipe.check_size(*dataset.event_shape[:2])
        return dataset
    except UnreadableFilesError as error:
        if folder is None:
            raise click.ClickException(str(error)) from error
        error.report.write(folder / FILES)
        raise click.ClickException(
            f"{error}\nWhat became of every file is in {folder / FILES}."
        ) from error
    except (ValueError, OSError) as error:
        raise click.ClickException(in_flags(error, recipe)) from error


def cluster_of(strategy: str) -> Cluster | None:
    """Returns the processes that train together by a strategy, or raises a click.UsageError."""
    try:
        return given_cluster() if strategy == "multi-worker" else None
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def in_flags(error: Exception, recipe: Recipe) -> str:
    """Returns what an error says, the option named where it begins with a Python argument."""
    if isinstance(error, SettingError):
        return f"{flag_of(error.setting)} {error.problem}"
    if str(error).startswith("event_shape "):
        return f"{error} Change --image-size, or --set model.levels."
    name, space, rest = str(error).partition(" ")
    if not rest.startswith(("must ", "of ")):
        return str(error)
    if name in ("data", "data_dir", "factorization", "image_size", "labels", "limit"):
        name = flag_of(name)
    elif name in model_options(recipe.model):
        name = flag_of(f"model.{name}")
    return name + space + rest


def read_config(path: Path) -> tuple[str, Tables]:
    """Returns the name and the settings in a file, or raises a click.UsageError."""
    try:
        return read_toml(path)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _overrides(assignments) -> dict[str, Any]:
    """Returns the values of KEY=VALUE by their keys."""
    values: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key:
            raise click.UsageError(
                f"--set must be KEY=VALUE, such as training.learning_rate=1e-3; got {assignment!r}."
            )
        values[key.strip()] = _value(text.strip())
    return values


def _value(text: str) -> Any:
    """Returns a number, truth value, list or text, as TOML writes them; quotes may be left out."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except ValueError:
        return text
