"""The model card of an export, `assets.extra/model.json`, as far as the server reads it."""

import dataclasses
import json
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """What a model says of itself.

    Attributes:
        event_shape: height, width and channels of an image.
        bins: how many intensities there are.
        conditions: number of classes, length of a vector in a list, or None.
        contents: the whole file.
    """

    event_shape: tuple[int, int, int]
    bins: int
    conditions: int | list[int] | None
    contents: dict[str, Any]


def read_card(export: Path) -> ModelCard | None:
    """Reads the card of an export; None if the export has none.

    Args:
        export: folder of one version.

    Raises:
        ValueError: the file is not a model card.
    """
    path = export / "assets.extra" / "model.json"
    if not path.exists():
        return None
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
        height, width, channels = (int(size) for size in contents["event_shape"])
        return ModelCard(
            (height, width, channels), int(contents["bins"]), contents["conditions"], contents
        )
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} must be a model card with event_shape, bins and conditions; "
            f"got {type(error).__name__}: {error}."
        ) from error
