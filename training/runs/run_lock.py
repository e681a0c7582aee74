"""A folder belongs to one process at a time."""

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path


class InUseError(ValueError):
    """Another process has the folder."""


@contextlib.contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Keeps other processes out of a folder while the block runs.

    The system itself holds the lock and drops it when the process ends, however it ends: the
    lock of a dead process is no lock. The file `.lock` says who has it.

    Args:
        folder: the folder; made if need be.

    Raises:
        InUseError: another process has it; the message says which.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUseError(
                f"--run-dir {folder} is in use by another run{_holder(file)}. Wait for it, or "
                "choose another --run-dir."
            ) from error
        file.truncate(0)
        json.dump(
            {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "since": time.strftime("%Y-%m-%d %H:%M:%S"),
            },
            file,
        )
        file.flush()
        yield


def _holder(file) -> str:
    """Returns who has the lock, in words; nothing if it has not been written down yet."""
    file.seek(0)
    try:
        holder = json.load(file)
    except ValueError:
        return ""
    return " (process {pid} on {host}, since {since})".format(**holder)
