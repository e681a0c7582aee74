"""Options that commands share."""

import functools
import os
import re
import shlex
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from tfp_lcma.training.recipes.checks import SettingError
from tfp_lcma.training.recipes.compose import (
    composed,
    data_names,
    model_names,
    paper_names,
    published,
)
from tfp_lcma.training.recipes.recipe import Recipe, flag_of
from tfp_lcma.training.recipes.tables import from_tables, overridden, read_toml, recipe_name

from tfp_lcma.registry import FACTORIZATIONS, check_name, nearest_first

DEFAULT_MODEL = "real_nvp"


def recipe_options(command: Callable) -> Callable:
    """Adds what to train on which data; the command gets all of it as one checked `recipe`."""

    @functools.wraps(command)
    def with_recipe(*arguments, data, model, paper, config, assignments, image_size, **others):
        recipe = given_recipe(data, model, paper, config, assignments, image_size)
        return command(*arguments, recipe=recipe, **others)

    return added(
        with_recipe,
        click.option(
            "--data",
            metavar="NAME|FOLDER|FILE.npz",
            help="Images: a data set's name (`tfp-lcma recipes`), or a path; ./NAME is a path.",
            shell_complete=lambda context, option, text: [
                *(name for name in data_names() if name.startswith(text)),
                *(_paths(text) if text else []),
            ],
        ),
        click.option(
            "--model",
            metavar="NAME",
            help=f"One of {', '.join(model_names())}.  [default: {DEFAULT_MODEL}]",
            shell_complete=_completion(model_names),
        ),
        click.option(
            "--paper",
            metavar="NAME",
            help="Published settings in place of --data and --model, such as cifar10-glow.",
            shell_complete=_completion(paper_names),
        ),
        click.option(
            "--image-size",
            type=click.IntRange(1),
            metavar="N",
            help="Side that your own images are resized and cropped to.  [default: 32]",
        ),
        click.option(
            "--set",
            "assignments",
            metavar="KEY=VALUE",
            multiple=True,
            help="Overrides any setting, such as training.learning_rate=1e-3; repeatable.",
        ),
        click.option(
            "--config",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            is_eager=True,
            callback=_take_defaults,
            help="File of settings, such as a run's recipe.toml, in place of --data and --model.",
        ),
    )


def factorization_option(default: str) -> Callable[[Callable], Callable]:
    """Returns what adds `--factorization`."""

    def check(context, option, value):
        return checked_name("--factorization", value, FACTORIZATIONS)

    return click.option(
        "--factorization",
        metavar="NAME",
        default=default,
        callback=check,
        help="What is factored out early; `tfp-lcma recipes factorizations` lists all.",
        shell_complete=_completion(lambda: list(FACTORIZATIONS)),
    )


def data_options(command: Callable) -> Callable:
    """Adds where the images come from, and how many."""
    return added(
        command,
        click.option(
            "--limit",
            type=click.IntRange(1),
            metavar="N",
            help="Use at most so many images a split, for a quick try.",
        ),
        click.option(
            "--data-dir",
            type=click.Path(path_type=Path),
            help="Folder of prepared tensorflow_datasets.  [default: ~/tensorflow_datasets]",
        ),
    )


def threads_option(command: Callable) -> Callable:
    """Adds `--threads`."""
    return click.option(
        "--threads",
        type=click.IntRange(1),
        metavar="N",
        help="Threads of TensorFlow; 1 makes runs repeat exactly.",
    )(command)


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
            name, tables = _read(config)
            tables.pop("run", None)
        elif paper is not None:
            checked_name("--paper", paper, paper_names())
            name, tables = paper, published(paper)
        else:
            if data is None:
                raise click.UsageError("--data is missing.")
            source = data_source(data)
            model = checked_name("--model", model or DEFAULT_MODEL, model_names())
            name, tables = recipe_name(source, model), composed(source, model)
        return from_tables(name, overridden(tables, overrides))
    except SettingError as error:
        flag = flag_of(error.setting) if "." in error.setting else f"--set {error.setting}"
        if error.setting not in overrides:
            flag = f"{config or name}: {error.setting}"
        raise click.UsageError(f"{flag} {error.problem}") from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def data_source(value: str) -> str:
    """Returns the name of a data set, or the path of images, with a separator in it.

    Raises:
        click.UsageError: it is neither.
    """
    if value in data_names():
        return value
    path = Path(value).expanduser()
    if path.is_dir() or (path.suffix == ".npz" and path.is_file()):
        return str(path) if os.sep in str(path) else os.path.join(os.curdir, str(path))
    if os.sep in value or path.suffix:
        found = "is a file" if path.exists() else "does not exist"
        raise click.UsageError(
            f"--data must be a data set's name, a folder or a file.npz; {value} {found}."
        )
    listed = ", ".join(nearest_first(value, data_names()))
    raise click.UsageError(
        f"--data must be one of {listed}, a folder or a file.npz; got {value!r}."
    )


def checked_name(flag: str, name: str, names) -> str:
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
        if name == "data" and value not in data_names():
            value = "FOLDER"
        if name == "data_dir":
            value = "DIR"
        for one in value if option.multiple else [value]:
            words.append(option.opts[0])
            if not option.is_flag:
                words.append(str(one))
    return shlex.join(words)


def in_flags(error: Exception) -> str:
    """Returns what an error says, the option named where it begins with a Python argument."""
    return re.sub(
        r"^(data|image_size|labels|limit)\b", lambda m: f"--{m[0].replace('_', '-')}", str(error)
    )


def added(command: Callable, *options: Callable) -> Callable:
    """Returns a command with options, which its help lists in this order."""
    # Decorators apply from the last to the first.
    for option in reversed(options):
        command = option(command)
    return command


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


def _take_defaults(context: click.Context, option: click.Parameter, path: Path | None):
    """Makes what a file says of a run the default of the options of the same names."""
    if path is not None:
        context.default_map = {**(context.default_map or {}), **_read(path)[1].get("run", {})}
    return path


def _read(path):
    try:
        return read_toml(path)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _completion(names: Callable[[], Mapping | list]) -> Callable:
    return lambda context, option, text: [name for name in names() if name.startswith(text)]


def _paths(text: str) -> list[str]:
    return [str(path) for path in Path().glob(f"{text}*")]
