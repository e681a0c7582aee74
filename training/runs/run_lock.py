"""A folder belongs to one process at a time, or to several that share it."""

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
def run_lock(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Keeps other processes out of a folder while the block runs.

    The system itself holds the lock and drops it when the process ends, however it ends: the
    lock of a dead process is no lock. The file `.lock` says who has it.

    Args:
        folder: the folder; made if need be.
        shared: whether those who share it too are let in.

    Raises:
        InUseError: another process has it; the message says which.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a+", encoding="utf-8") as file:
        how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
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


@contextlib.contextmanager
def own_turn(folder: Path, task: str, shared: bool) -> Iterator[bool]:
    """Keeps others who share a folder from a task; yields whether it is ours.

    Args:
        folder: of which this process has the lock.
        task: of those who share it.
        shared: whether anybody does; else every task is ours.
    """
    with contextlib.ExitStack() as held:
        try:
            if shared:
                held.enter_context(run_lock(folder / "turns" / task))
            ours = True
        except InUseError:
            ours = False
        yield ours


@contextlib.contextmanager
def folder_turn(folder: Path) -> Iterator[None]:
    """Waits for its turn at a folder, which is made if need be; nothing is left in it."""
    folder.mkdir(parents=True, exist_ok=True)
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _holder(file) -> str:
    """Returns who has the lock, in words; nothing if it has not been written down yet."""
    file.seek(0)
    try:
        holder = json.load(file)
    except ValueError:
        return ""
    return " (process {pid} on {host}, since {since})".format(**holder)
