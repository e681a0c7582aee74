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
    for path in (folder, *folder.parents):
        if path.is_dir():
            if not os.access(path, os.W_OK):
                raise click.UsageError(f"{expected} to write to; {path} is not.")
            return
        if path.exists():
            raise click.UsageError(f"{expected}; {path} is a file.")
