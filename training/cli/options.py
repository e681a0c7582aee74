"""Options that the command lines share."""

import shlex
from collections.abc import Callable
from pathlib import Path

import click
from tfp_lcma.training.recipes.recipe import recipe_names


def recipe_option(command: Callable) -> Callable:
    """Adds `--recipe`."""
    return click.option(
        "--recipe", type=click.Choice(recipe_names()), required=True, help="What to train on."
    )(command)


def setting_options(command: Callable) -> Callable:
    """Adds the settings of a recipe that every command may override."""
    return _with(
        command,
        _override("--batch-size", int, "Images a step."),
        _override("--learning-rate", float, "Adam's, after warm-up."),
        _override("--warmup-steps", int, "Steps over which the learning rate rises from 0."),
        _override("--width", int, "Channels of the networks."),
        _override("--blocks", int, "Residual blocks a network."),
        _override("--levels", int, "Levels of the flow."),
        _override("--draws", int, "Dequantisation draws an image in evaluations."),
        _override("--validate-every", int, "Steps between looks at the validation split."),
    )


def data_options(command: Callable) -> Callable:
    """Adds where the images come from, and how many."""
    folder = click.Path(path_type=Path)
    return _with(
        command,
        click.option(
            "--data-dir",
            type=folder,
            help="Folder of prepared tensorflow_datasets.  [default: ~/tensorflow_datasets]",
        ),
        click.option(
            "--images",
            type=folder,
            help="Folder of your own images, any size, for --recipe folder.",
        ),
        click.option(
            "--image-size", type=int, help="Side that your images are resized and cropped to."
        ),
        click.option(
            "--limit", type=int, help="Use at most so many images a split, for a quick try."
        ),
    )


def threads_option(command: Callable) -> Callable:
    """Adds `--threads`."""
    return click.option(
        "--threads", type=int, help="Threads of TensorFlow; 1 makes runs repeat exactly."
    )(command)


def command_given(context: click.Context, module: str) -> str:
    """Returns a module's command as it was given, but for where the data lies on this machine."""
    words = ["python", "-m", module]
    for option in context.command.params:
        name, value = option.name, context.params.get(option.name)
        if context.get_parameter_source(name) != click.core.ParameterSource.COMMANDLINE:
            continue
        words.append(option.opts[0])
        if not option.is_flag:
            words.append("DIR" if name in ("data_dir", "images") else str(value))
    return shlex.join(words)


def _override(name, kind, text):
    return click.option(name, type=kind, help=f"{text}  [default: the recipe's]")


def _with(command, *options):
    # Decorators apply from the last to the first; help lists them in this order.
    for option in reversed(options):
        command = option(command)
    return command
