"""A run's folder in another file system: the run works in a local one, which is copied there."""

import contextlib
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from tfp_lcma.files import copy_in, copy_out, read_bytes

# Holds the name of the process that may write.
_OWNER = "owner.txt"


class Mirror:
    """Keeps a folder in another file system as a local one is.

    Only whole files and one file system's own order of writing are needed of it: what was written
    later is copied later, so that a copy that was cut short is one of an earlier moment. There are
    no locks; the process that came last may write, and an earlier one stops.

    Attributes:
        place: The folder in the other file system.
    """

    def __init__(self, folder: Path, place: str):
        """Fetches what is there, and takes it over.

        Args:
            folder: The local folder.
            place: Text like `gs://bucket/run`; need not exist.

        Raises:
            OSError: If something cannot be copied.
        """
        self._folder, self.place, self._name = folder, place, uuid.uuid4().hex
        copy_in(place, folder)
        self._copied = self._states()
        (folder / _OWNER).write_text(self._name)
        copy_out(folder / _OWNER, f"{place}/{_OWNER}")
        self._copied[_OWNER] = self._state(_OWNER)

    def push(self) -> None:
        """Copies what has changed, and removes what is gone.

        Raises:
            ValueError: If another process has taken the folder over.
            OSError: If something cannot be copied.
        """
        import tensorflow as tf

        if read_bytes(f"{self.place}/{_OWNER}").decode() != self._name:
            raise ValueError(
                f"--run-dir {self.place} was taken over by another process, which goes on from the "
                "last checkpoint; this one stops."
            )
        found = self._states()
        changed = [name for name, state in found.items() if self._copied.get(name) != state]
        for name in sorted(changed, key=lambda name: found[name]):
            copy_out(self._folder / name, f"{self.place}/{name}")
        for name in self._copied.keys() - found.keys():
            with contextlib.suppress(tf.errors.NotFoundError):
                tf.io.gfile.remove(f"{self.place}/{name}")
        self._copied = found

    def _states(self) -> dict[str, tuple[int, int]]:
        """Returns time and size of every file, but for locks and what is being written."""
        paths = (path.relative_to(self._folder) for path in self._folder.rglob("*"))
        names = (path.as_posix() for path in paths if not path.name.startswith("."))
        return {name: self._state(name) for name in names if (self._folder / name).is_file()}

    def _state(self, name: str) -> tuple[int, int]:
        found = (self._folder / name).stat()
        return found.st_mtime_ns, found.st_size


@contextlib.contextmanager
def local_folder(place: Path | str, chief: bool = True) -> Iterator[tuple[Path, Mirror | None]]:
    """Yields a folder to work in, and what keeps it alike elsewhere; None for a local one.

    At the end, however it comes, everything is copied; but what a process writes that is not the
    chief of its run is dropped.
    """
    if isinstance(place, Path) and chief:
        yield place, None
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / str(place).rpartition("/")[2]
        if not chief:
            yield folder, None
            return
        mirror = Mirror(folder, str(place))
        try:
            yield folder, mirror
        finally:
            mirror.push()
