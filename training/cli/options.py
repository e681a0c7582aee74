"""Options that commands share."""

import functools
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from tfp_lcma.registry import FACTORIZATIONS
from tfp_lcma.training.cli.given import DEFAULT_MODEL, checked_name, given_recipe, read_config
from tfp_lcma.training.recipes.compose import data_names, model_names, paper_names
from tfp_lcma.training.runs.cluster import STRATEGIES


def recipe_options(command: Callable) -> Callable:
    """Adds what to train on which data; the command gets all of it as one checked `recipe`.

    `settings_options` must stand among the command's other options.
    """

    @functools.wraps(command)
    def with_recipe(*arguments, data, model, paper, config, assignments, image_size, **others):
        recipe = given_recipe(data, model, paper, config, assignments, image_size)
        return command(*arguments, recipe=recipe, **others)

    return added(
        with_recipe,
        click.option(
            "--data",
            metavar="NAME|FOLDER|FILE.npz",
            help="Images: a data set's name (`tfp-lcma recipes`), tfds:NAME as tensorflow_datasets "
            "has prepared it, or a path, of TFRecord files too; ./NAME is a path.",
            shell_complete=complete_data,
        ),
        click.option(
            "--model",
            metavar="NAME",
            help=f"One of {', '.join(model_names())}.  [default: {DEFAULT_MODEL}]",
            shell_complete=completion(model_names),
        ),
        click.option(
            "--image-size",
            type=click.IntRange(1),
            metavar="N",
            help="Side that your own images are resized and cropped to.  [default: 32]",
        ),
    )


def settings_options(command: Callable) -> Callable:
    """Adds what changes or replaces the settings that `recipe_options` put together."""
    return added(
        command,
        click.option(
            "--paper",
            metavar="NAME",
            help="Published settings in place of --data and --model, such as cifar10-glow.",
            shell_complete=completion(paper_names),
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


def factorization_option(default: str | None) -> Callable[[Callable], Callable]:
    """Returns what adds `--factorization`; without a default it may be None, what is usual."""

    def check(context, option, value):
        return value and checked_name("--factorization", value, FACTORIZATIONS)

    return click.option(
        "--factorization",
        metavar="NAME",
        default=default,
        callback=check,
        help="What is factored out early; `tfp-lcma recipes factorizations` lists all."
        + ("" if default else "  [default: the one in the model's settings, else lcma]"),
        shell_complete=completion(lambda: list(FACTORIZATIONS)),
    )


def data_options(command: Callable) -> Callable:
    """Adds where the images come from, how many, and what to do about unreadable ones."""
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
            help="Where data that no package brings lie.  [default: ~/tensorflow_datasets; for "
            "emoji the current folder]",
        ),
        click.option(
            "--on-unreadable",
            type=click.Choice(["stop", "skip"]),
            default="stop",
            help="Of a folder, once all is read: stop and name the unreadable files, or skip them.",
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


def strategy_options(command: Callable) -> Callable:
    """Adds over which devices and processes is trained."""
    return added(
        command,
        click.option(
            "--strategy",
            type=click.Choice(STRATEGIES),
            default="none",
            help="Divide batches over all GPUs of this machine (mirrored), or over the processes "
            "that TF_CONFIG names, each started with this same command (multi-worker).",
        ),
        click.option(
            "--peer-timeout",
            type=click.FloatRange(1.0),
            metavar="SECONDS",
            default=60.0,
            help="Silence after which another worker is lost and this one ends; at the start ten "
            "times as long.",
        ),
    )


def added(command: Callable, *options: Callable) -> Callable:
    """Returns a command with options, which its help lists in this order."""
    # Decorators apply from the last to the first.
    for option in reversed(options):
        command = option(command)
    return command


def _take_defaults(context: click.Context, option: click.Parameter, path: Path | None):
    """Makes what a file says of a run the default of the options of the same names."""
    if path is not None:
        context.default_map = {**(context.default_map or {}), **read_config(path)[1].get("run", {})}
    return path


def completion(names: Callable[[], Iterable[str]]) -> Callable:
    """Returns what completes names for the shell, of several with commas between the last one."""

    def complete(context, option, text):
        before, comma, last = text.rpartition(",")
        return [before + comma + name for name in names() if name.startswith(last)]

    return complete


def complete_data(context, option, text) -> list[str]:
    """Completes a data set's name or, once a letter is there, a path."""
    return [
        *(name for name in data_names() if name.startswith(text)),
        *(_paths(text) if text else []),
    ]


def _paths(text: str) -> list[str]:
    return [str(path) for path in Path().glob(f"{text}*")]
