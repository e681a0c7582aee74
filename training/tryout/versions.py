"""Versions of an exported model; known before TensorFlow is imported."""

from pathlib import Path

from tfp_lcma.export_layout import version_number


def latest_version(directory: Path) -> Path:
    """Returns the folder of the largest version, as TensorFlow Serving chooses it.

    Args:
        directory: A model's folder, `<name>/`, whose numeric subfolders are its versions.

    Raises:
        ValueError: If there is no version in it.
    """
    versions = {}
    for path in directory.iterdir() if directory.is_dir() else ():
        number = version_number(path.name)
        if number is not None and path.is_dir():
            versions[number] = path
    if not versions:
        raise ValueError(
            f"{directory} must hold versions of an exported model, like {directory}/1; "
            f"{'it holds none' if directory.is_dir() else 'it is not a folder'}."
        )
    return versions[max(versions)]
