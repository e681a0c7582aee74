"""Whether a folder holds a run or an export, seen without TensorFlow."""

from pathlib import Path


def is_run(folder: Path) -> bool:
    """Says whether a folder is a run, not an export; looks at nothing but what is in it.

    Raises:
        ValueError: If it is neither.
    """
    if (folder / "config.json").is_file():
        return True
    versions = (folder, *folder.glob("[0-9]*"))
    if any((version / "saved_model.pb").is_file() for version in versions):
        return False
    raise ValueError(
        f"{str(folder)!r} must be the folder of a run, with a config.json, or of an export, with "
        "versions like 1/; it is neither."
    )
