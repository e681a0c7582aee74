"""Paths given on the command line, looked at before anything is done with them."""

import os
import tempfile
from pathlib import Path

import click

from tfp_lcma.files import copy_in, located
from tfp_lcma.training.data.places import is_elsewhere


def check_place(flag: str, folder: str | Path) -> Path | str:
    """Returns a folder to write to, on this machine or, as text, in another file system.

    Raises:
        click.UsageError: It cannot be written, or TensorFlow knows no such file system.
    """
    try:
        place = located(folder, flag)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return check_folder(flag, place) if isinstance(place, Path) else place


class PathHere(click.Path):
    """A file or folder that is there, on this machine."""

    def __init__(self):
        super().__init__(exists=True, path_type=Path)

    def convert(self, value, param, ctx):
        """Returns a path."""
        if is_elsewhere(value):
            self.fail(f"it must be on this machine; got {str(value)!r}.", param, ctx)
        return super().convert(value, param, ctx)


class FolderToRead(click.Path):
    """A folder that is there; what is in another file system is fetched while the command runs."""

    def __init__(self):
        super().__init__(exists=True, file_okay=False, path_type=Path)

    def convert(self, value, param, ctx):
        """Returns a local path."""
        try:
            place = located(value, param.human_readable_name)
            if not isinstance(place, Path):
                temporary = Path(ctx.with_resource(tempfile.TemporaryDirectory()))
                value = temporary / place.rpartition("/")[2]
                copy_in(place, value)
                if not any(value.iterdir()):
                    self.fail(f"Directory {place!r} does not exist.", param, ctx)
        except (ValueError, OSError) as error:
            self.fail(str(error), param, ctx)
        return super().convert(value, param, ctx)


def check_folder(flag: str, folder: Path) -> Path:
    """Returns the path of a folder that is there, or can be made.

    Raises:
        click.UsageError: it is a file, lies below one, or cannot be written.
    """
    _check(f"{flag} must be a folder", folder)
    return folder


def check_file(flag: str, file: Path) -> Path:
    """Returns the path of a file that can be written, its folder made if need be.

    Raises:
        click.UsageError: it is a folder, lies below a file, or cannot be written.
    """
    if file.is_dir():
        raise click.UsageError(f"{flag} must be a file; {file} is a folder.")
    _check(f"{flag} must lie in a folder", file.parent)
    return file


def _check(expected: str, folder: Path) -> None:
    if is_elsewhere(folder):
        raise click.UsageError(f"{expected} of this machine; got {str(folder)!r}.")
    for path in (folder, *folder.parents):
        if path.is_dir():
            if not os.access(path, os.W_OK):
                raise click.UsageError(f"{expected} to write to; {path} is not.")
            return
        if path.exists():
            raise click.UsageError(f"{expected}; {path} is a file.")
