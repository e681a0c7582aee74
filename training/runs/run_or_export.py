"""Whether a folder holds a run or an export, and of what, seen without TensorFlow."""

import json
from pathlib import Path
from typing import Any, NamedTuple

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


class Card(NamedTuple):
    """What the model card of an export says of its images.

    Attributes:
        event_shape: `(height, width, channels)`.
        bins: Number of intensities.
        conditions: Number of classes, shape of a vector, or None if it is unconditional.
        seed: Of the noise of densities that are asked for without one.
        pixels: What is made of an image file; None if the card does not say.
    """

    event_shape: tuple[int, int, int]
    bins: int
    conditions: int | tuple[int, ...] | None
    seed: int
    pixels: dict[str, int] | None


def read_card(version: Path) -> Card:
    """Reads the model card of an exported version.

    Raises:
        ValueError: If it is not there, or damaged.
    """
    path = version / "assets.extra" / "model.json"
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        shape, bins, conditions = tuple(card["event_shape"]), card["bins"], card["conditions"]
        conditions = tuple(conditions) if isinstance(conditions, list) else conditions
        return Card(shape, bins, conditions, card["seed"], card.get("pixels"))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{path} must be the model card of an export; {error}.") from error


def read_config(run: Path) -> dict[str, Any]:
    """Returns the settings of a run.

    Raises:
        ValueError: If they cannot be read.
    """
    path = run / "config.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def conditions_of(folder: Path) -> int | tuple[int, ...] | None:
    """Returns what the model of a run or an export is conditioned on, as `Card.conditions`.

    Raises:
        ValueError: If the folder is neither, or what says so cannot be read.
    """
    if is_run(folder):
        return read_config(folder).get("classes")
    return read_card(exported_version(folder)).conditions


def exported_version(folder: Path) -> Path:
    """Returns the folder itself if it is a version of an export, else the latest in it.

    Raises:
        ValueError: If there is none.
    """
    return folder if (folder / "saved_model.pb").is_file() else latest_version(folder)
