"""A folder belongs to one set of settings: what is compared there was made alike."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfp_lcma.files import written_whole
from tfp_lcma.training.recipes.recipe import KINDS, Recipe, dotted, flag_of

_FILE = "config.json"
# What follows from the data, the machine or an option of another name.
_NAMES = {
    "bins": "number of intensities",
    "classes": "number of classes",
    "clusters": "number of clusters a side",
    "comparison": "--compare",
    "event_shape": "shape of an image",
    "images": "number of images a side",
    "pixels": "preparation of files",
    **{name: name for name in ("name", "processor", "processors", "python")},
}

_DEFAULTS = {
    field.name: field.default
    for field in dataclasses.fields(Recipe)
    if field.default is not dataclasses.MISSING
}


def keep_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Writes the settings into `config.json`, or checks them against those that are there.

    Args:
        folder: the folder; made if need be.
        settings: what JSON can hold.

    Raises:
        ValueError: the folder was made with other settings, or its file is damaged.
        OSError: the folder cannot be written.
    """
    found = _read(folder)
    if found is None:
        _write(folder, settings)
    else:
        _check(folder, found, settings)


def keep_or_extend(folder: Path, settings: Mapping[str, Any], finished: bool) -> dict[str, Any]:
    """Does as `keep_settings`, but a finished run may be given more steps.

    Its pre-training stays what it was, and so does its split: a rule that depends on the number
    of steps goes by those that the run began with.

    Args:
        folder: of the run.
        settings: of the run, `steps` and `pretrain_steps` among them.
        finished: whether all that it was asked for is there.

    Returns:
        The settings as they are in the folder now; `first_steps` are those that an extended run
        began with.

    Raises:
        ValueError: as `keep_settings`.
        OSError: as `keep_settings`.
    """
    found, here = _read(folder), dict(settings)
    if found is None:
        _write(folder, here)
        return here
    more = finished and here["steps"] > found.get("steps", 0)
    if more or "first_steps" in found:
        here["pretrain_steps"] = found["pretrain_steps"]
        here["first_steps"] = found.get("first_steps", found["steps"])
    _check(folder, found | ({n: here[n] for n in ("steps", "first_steps")} if more else {}), here)
    if more:
        _write(folder, here)
    return here


def flag(name: str) -> str:
    """Returns what the command line calls a setting."""
    if name.startswith("model."):
        return f"--set {name}"
    return _NAMES.get(name) or flag_of(dotted(name) if name in KINDS else name)


def _read(folder):
    path = folder / _FILE
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not readable JSON: {error}") from error


def _write(folder, settings):
    with written_whole(folder / _FILE) as temporary:
        temporary.write_text(json.dumps(settings, indent=1), encoding="utf-8")


def _check(folder, found, settings):
    # A folder from before a setting was there has what was done then, its default.
    there, here = _DEFAULTS | _flat(found), _flat(settings)
    differing = [
        f"{flag(name)} is {there.get(name)!r} there, {here.get(name)!r} here"
        for name in dict.fromkeys([*here, *_flat(found)])
        if there.get(name) != here.get(name)
    ]
    if differing:
        raise ValueError(
            f"{folder} was made with other settings ({'; '.join(differing)}). Choose another "
            "--run-dir, or delete it."
        )


def _flat(settings):
    """Returns the settings, those of the model too, as JSON gives them back."""
    settings = json.loads(json.dumps(settings))
    flow = settings.pop("flow", {})
    return settings | {f"model.{name}": value for name, value in flow.items()}
