"""Version numbers of a served model, safe to claim while others claim too."""

import errno
import os
from pathlib import Path

from tfp_lcma.export_layout import LARGEST_VERSION, version_number
from tfp_lcma.files import copy_out, names_in

# What a rename onto an earlier version fails with, as the system has it.
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}


def publish(folder: Path, directory: Path | str) -> Path | str:
    """Moves a finished folder to the next version under `directory`.

    On this machine that is a rename: one step, which fails where a version is already, so that a
    folder that holds something is never replaced, and whoever comes second takes the next number.
    To another file system the files are copied, the one without which nothing can be loaded last;
    of two who do so at the same moment, one may overwrite the other.

    Args:
        folder: Holds at least one file; on the file system of a local `directory`.
        directory: Folder of a model's versions, as `located` returns it.

    Returns:
        `directory/<integer>`, above every version that was there before.

    Raises:
        ValueError: If there is no number left.
        OSError: If the version cannot be written.
    """
    version = _largest_version(directory)
    while True:
        version += 1
        if version > LARGEST_VERSION:
            raise ValueError(
                f"directory must leave a version above its largest, and {LARGEST_VERSION} is the "
                f"last that a server reads; got {directory}."
            )
        if isinstance(directory, str):
            target = f"{directory}/{version}"
            copy_out(folder, target, last="saved_model.pb")
            return target
        try:
            os.rename(folder, directory / str(version))
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
        else:
            return directory / str(version)


def _largest_version(directory: Path | str) -> int:
    """Returns the largest version that something in `directory` is called; 0 without any."""
    return max((version_number(name) or 0 for name in names_in(directory)), default=0)
