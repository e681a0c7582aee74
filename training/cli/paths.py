"""Paths given on the command line, looked at before anything is done with them."""

import os
from pathlib import Path

import click

from tfp_lcma.files import located


def check_export_dir(folder: str | Path) -> Path | str:
    """Returns a folder for exports, on this machine or, as text, in another file system.

    Raises:
        click.UsageError: It cannot be written, or TensorFlow knows no such file system.
    """
    try:
        place = located(folder, "--export-dir")
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return check_folder("--export-dir", place) if isinstance(place, Path) else place


def check_folder(flag: str, folder: Path) -> Path:
    """Returns the path of a folder that is there, or can be made.

    Raises:
        click.UsageError: it is a file, lies below one, or cannot be written.
    """
    for path in (folder, *folder.parents):
        if path.is_dir():
            if not os.access(path, os.W_OK):
                raise click.UsageError(f"{flag} must be a folder to write to; {path} is not.")
            return folder
        if path.exists():
            raise click.UsageError(f"{flag} must be a folder; {path} is a file.")
    return folder
