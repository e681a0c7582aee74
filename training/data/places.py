"""Where a user's own images are: here, or in a file system that TensorFlow knows."""

import os
from pathlib import Path

from tfp_lcma.files import located


def find_place(path: str | os.PathLike[str], argument: str) -> Path | str | None:
    """Returns where a folder, or a .npz file, is; None if there is none.

    Args:
        path: A local one, or text like `gs://bucket/folder`.
        argument: What it was given as, for the message.

    Raises:
        ValueError: If TensorFlow knows no such file system.
    """
    place = located(path, argument)
    if isinstance(place, Path):
        place = place.expanduser()
        there = place.is_dir() or (place.suffix == ".npz" and place.is_file())
    else:
        import tensorflow as tf

        there = tf.io.gfile.isdir(place) or (place.endswith(".npz") and tf.io.gfile.exists(place))
    return place if there else None


def is_elsewhere(path: str | os.PathLike[str]) -> bool:
    """Says whether a path begins with the scheme of a file system, as gs://bucket/name does."""
    try:
        return not isinstance(located(path, "path"), Path)
    except ValueError:
        return True
