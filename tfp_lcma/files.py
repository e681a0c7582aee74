"""Writing files and folders whole or not at all."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written_whole(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary sibling of `path`, renamed to it when the block succeeds.

    Works for files and for folders that do not exist yet. If the block raises,
    the temporary is removed and `path` is as it was.
    """
    with temporary_sibling(path) as temporary:
        yield temporary
        os.replace(temporary, path)


@contextlib.contextmanager
def temporary_sibling(path: str | os.PathLike) -> Iterator[Path]:
    """Yields an unused path beside `path`, for a file or a folder; at the end nothing is there.

    On the same file system, so that renaming it is one step that nobody sees
    halfway. Only a process that is killed leaves its temporary behind, under a
    name that begins with a dot and ends in `.tmp`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield temporary
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
