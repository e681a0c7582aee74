"""Versions of an exported model; known before TensorFlow is imported."""

from pathlib import Path


def latest_version(directory: Path) -> Path:
    """Returns the folder of the largest version, as TensorFlow Serving chooses it.

    Args:
        directory: A model's folder, `<name>/`, whose numeric subfolders are its versions.

    Raises:
        ValueError: If there is no version in it.
    """
    versions = []
    if directory.is_dir():
        versions = [path for path in directory.iterdir() if path.name.isdecimal() and path.is_dir()]
    if not versions:
        raise ValueError(
            f"{directory} must hold versions of an exported model, like {directory}/1; "
            f"{'it holds none' if directory.is_dir() else 'it is not a folder'}."
        )
    return max(versions, key=lambda path: int(path.name))
