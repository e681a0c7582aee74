"""Whether a folder holds a run or an export, seen without TensorFlow."""

from pathlib import Path

from tfp_lcma.training.tryout.versions import latest_version


def is_run(folder: Path) -> bool:
    """Says whether a folder is a run, not an export; looks at nothing but what is in it.

    Raises:
        ValueError: If it is neither.
    """
    if (folder / "config.json").is_file():
        return True
    try:
        exported_version(folder)
    except ValueError as error:
        raise ValueError(
            f"{str(folder)!r} must be the folder of a run, with a config.json, or of an export, "
            "with versions like 1/; it is neither."
        ) from error
    return False


def exported_version(folder: Path) -> Path:
    """Returns the folder itself if it is a version of an export, else the latest in it.

    Raises:
        ValueError: If there is none.
    """
    return folder if (folder / "saved_model.pb").is_file() else latest_version(folder)
