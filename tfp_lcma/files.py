"""Writing files and folders whole or not at all, here or in any file system of TensorFlow's.

A file of this machine is named by text or a `Path`, one elsewhere by text with the scheme of its
file system, like `gs://bucket/name`; only for that is TensorFlow imported.
"""

import contextlib
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(/?)")
_LOCAL = "file://"


def located(path: str | os.PathLike, argument: str) -> Path | str:
    """Returns a local `Path`, or the text of a path in another file system.

    Args:
        path: Given by a user.
        argument: Its name, for the message.

    Raises:
        ValueError: If TensorFlow knows no such file system, or the path was once a `Path`, which
            takes a slash from `gs://`.
    """
    text = os.fspath(path)
    scheme = _SCHEME.match(text)
    if scheme is None:
        return Path(text)
    if text.startswith(_LOCAL):
        return Path(text.removeprefix(_LOCAL))
    name, second_slash = scheme.groups()
    if not second_slash:
        raise ValueError(
            f"{argument} must be text like {name}://bucket/folder for a path in another file "
            f"system; got {text!r}."
        )
    import tensorflow as tf

    known = sorted(filter(None, tf.io.gfile.get_registered_schemes()))
    if name not in known:
        raise ValueError(
            f"{argument} must be a local path or begin with one of "
            f"{', '.join(f'{each}://' for each in known)}; got {text!r}. The package "
            "tensorflow-io adds more."
        )
    return text.rstrip("/")


def within(folder: Path | str, name: str) -> Path | str:
    """Returns the path of what is called `name` in a folder that `located` returned."""
    return folder / name if isinstance(folder, Path) else f"{folder}/{name}"


@contextlib.contextmanager
def written_whole(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary local path for a file or a new folder; puts it in place at the end.

    Locally it is a sibling of `path`, renamed to it. To another file system it is copied, file by
    file. If the block raises, the temporary is removed and `path` is as it was.

    Raises:
        ValueError: If `path` is in a file system that TensorFlow does not know.
        OSError: If it cannot be written.
    """
    place = located(path, "path")
    with temporary_sibling(path) as temporary:
        yield temporary
        if isinstance(place, Path):
            os.replace(temporary, place)
        else:
            copy_out(temporary, place)


@contextlib.contextmanager
def temporary_sibling(path: str | os.PathLike) -> Iterator[Path]:
    """Yields an unused path for a file or a folder; at the end nothing is there.

    Beside `path`, so that renaming it is one step that nobody sees halfway; if `path` is in another
    file system, in a local folder for temporary files. Only a process that is killed leaves its
    temporary behind, under a name that begins with a dot and ends in `.tmp`.
    """
    place = located(path, "path")
    with contextlib.ExitStack() as stack:
        if isinstance(place, Path):
            place.parent.mkdir(parents=True, exist_ok=True)
        else:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            place = Path(folder) / place.rpartition("/")[2]
        temporary = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}.tmp")
        try:
            yield temporary
        finally:
            if temporary.is_dir():
                shutil.rmtree(temporary, ignore_errors=True)
            else:
                temporary.unlink(missing_ok=True)


def copy_out(source: Path, place: str, last: str | None = None) -> None:
    """Copies a local file, or all files of a folder, to another file system.

    Args:
        source: What to copy.
        place: Where it will be.
        last: Name of the file without which the folder is of no use, copied after all others.

    Raises:
        OSError: If it cannot be written.
    """
    import tensorflow as tf

    files = [source] if source.is_file() else [path for path in source.rglob("*") if path.is_file()]
    try:
        for path in sorted(files, key=lambda path: (path.name == last, path)):
            target = place if path == source else f"{place}/{path.relative_to(source).as_posix()}"
            tf.io.gfile.makedirs(target.rpartition("/")[0])
            # So that nobody sees a file halfway.
            temporary = f"{target}.{uuid.uuid4().hex[:8]}.tmp"
            tf.io.gfile.copy(os.fspath(path), temporary)
            tf.io.gfile.rename(temporary, target, overwrite=True)
    except tf.errors.OpError as error:
        raise OSError(f"{place} cannot be written: {error.message}") from error


def copy_in(place: str, folder: Path) -> None:
    """Copies all files of a folder in another file system into a local one, which need not exist.

    Raises:
        OSError: If something cannot be read or written.
    """
    import tensorflow as tf

    folder.mkdir(parents=True, exist_ok=True)
    try:
        for source, folders, files in tf.io.gfile.walk(place):
            # Object stores mark folders by a slash.
            folders[:] = [name.rstrip("/") for name in folders]
            target = folder / source.removeprefix(place).strip("/")
            target.mkdir(exist_ok=True)
            for name in files:
                tf.io.gfile.copy(f"{source.rstrip('/')}/{name}", os.fspath(target / name), True)
    except tf.errors.OpError as error:
        raise OSError(f"{place} cannot be read: {error.message}") from error


def read_bytes(path: str | os.PathLike) -> bytes:
    """Returns what a file holds, here or in another file system.

    Raises:
        ValueError: If it is in a file system that TensorFlow does not know.
        FileNotFoundError: If there is no such file.
        OSError: If it cannot be read.
    """
    place = located(path, "path")
    if isinstance(place, Path):
        return place.read_bytes()
    import tensorflow as tf

    try:
        with tf.io.gfile.GFile(place, "rb") as file:
            return file.read()
    except tf.errors.NotFoundError as error:
        raise FileNotFoundError(f"{place} does not exist.") from error
    except tf.errors.OpError as error:
        raise OSError(f"{place} cannot be read: {error.message}") from error


def names_in(folder: Path | str) -> list[str]:
    """Returns the names in a folder that `located` returned, sorted; none if it is no folder."""
    if isinstance(folder, Path):
        return sorted(os.listdir(folder)) if folder.is_dir() else []
    import tensorflow as tf

    try:
        # Object stores mark folders by a slash.
        return sorted(name.rstrip("/") for name in tf.io.gfile.listdir(folder))
    except (tf.errors.NotFoundError, tf.errors.FailedPreconditionError):
        return []
