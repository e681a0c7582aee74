"""A folder belongs to one set of settings: what is compared there was made alike."""

import json
from pathlib import Path
from typing import Any

from tfp_lcma.files import written_whole


def claim(folder: Path, settings: dict[str, Any]) -> None:
    """Writes the settings into `config.json`, or checks them against those that are there.

    Args:
        folder: the folder to claim; made if need be.
        settings: what JSON can hold.

    Raises:
        ValueError: the folder was made with other settings, or its file is damaged.
        OSError: the folder cannot be written.
    """
    path = folder / "config.json"
    if not path.exists():
        with written_whole(path) as temporary:
            temporary.write_text(json.dumps(settings, indent=1), encoding="utf-8")
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not readable JSON: {error}") from error
    # A round trip through JSON, so that a tuple equals the list it is read back as.
    here = json.loads(json.dumps(settings))
    differing = [
        f"{name} is {found.get(name)!r} there, {here.get(name)!r} here"
        for name in dict.fromkeys([*here, *found])
        if found.get(name) != here.get(name)
    ]
    if differing:
        raise ValueError(
            f"{folder} was made with other settings ({'; '.join(differing)}). Choose another "
            "--run-dir, or delete it."
        )
