"""Version numbers of a served model, safe to claim while others claim too."""

import errno
import os
from pathlib import Path

# What a rename onto an earlier version fails with, as the system has it.
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}


def publish(folder: Path, directory: Path) -> Path:
    """Renames a finished folder to the next version under `directory`.

    The rename is one step, and it fails where a version is already: a folder that holds something
    is never replaced. Whoever comes second takes the next number.

    Args:
        folder: Holds at least one file; on the file system of `directory`.
        directory: Folder of a model's versions.

    Returns:
        `directory/<integer>`, above every version that was there before.
    """
    version = _largest_version(directory)
    while True:
        version += 1
        target = directory / str(version)
        try:
            os.rename(folder, target)
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
        else:
            return target


def _largest_version(directory: Path) -> int:
    """Returns the largest whole number that something in `directory` is called; 0 without any."""
    names = (path.name for path in directory.iterdir())
    return max((int(name) for name in names if name.isdecimal()), default=0)
