"""Recipes are put together: a data set's settings, a model's, and those of the pair.

`data/NAME.toml` holds what a data set asks for with any model, `models/NAME.toml` what a model asks
for with any data, under `[run]` what it factors out too; under `[with.MODEL.…]` a data set has what
holds for this pair only.
`papers/MODEL.toml` holds published settings, with the data sets that they were published for.
`like = "NAME"` takes everything over from another file of the folder.
"""

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfp_lcma.registry import check_name

FOLDER = Path(__file__).parent
# The settings of a data set that has no file of its own: the user's.
OWN = "own"
TABLES = ("data", "model", "training", "evaluation")
Tables = dict[str, dict[str, Any]]


@functools.cache
def data_names() -> list[str]:
    """Returns the data sets that have settings of their own."""
    return [name for name in _names("data") if "source" in _read("data", name).get("data", {})]


@functools.cache
def model_names() -> list[str]:
    """Returns the models that have settings for small data."""
    return _names("models")


@functools.cache
def paper_names() -> list[str]:
    """Returns the published settings, DATA-MODEL."""
    return [
        f"{data}-{model}" for model in _names("papers") for data in _read("papers", model)["data"]
    ]


def composed(data: str, model: str) -> Tables:
    """Returns the settings of a model on a data set.

    Args:
        data: one of `data_names()`, or anything else, which gets the settings of `OWN`.
        model: one of `model_names()`.
    """
    data_files = _with_ancestors("data", data if data in data_names() else OWN)
    tables: Tables = {}
    for _, file in data_files:
        _update(tables, file)
    for name, file in _with_ancestors("models", model):
        _update(tables, file)
        for _, data_file in data_files:
            _update(tables, data_file.get("with", {}).get(name, {}))
    if data not in data_names():
        tables["data"]["source"] = data
        if data.endswith(".npz"):
            # Arrays have their size.
            del tables["data"]["image_size"]
    return tables


def usual_factorization(model: str) -> str:
    """Returns the name of the factorization that a model's settings ask for, "lcma" if none.

    Args:
        model: one of `model_names()`.
    """
    runs = [file.get("run", {}) for _, file in _with_ancestors("models", model)]
    return next((run["factorization"] for run in reversed(runs) if run), "lcma")


def published(name: str) -> Tables:
    """Returns the settings of a publication.

    Args:
        name: one of `paper_names()`.
    """
    check_name("paper", name, paper_names())
    data, model = name.split("-", maxsplit=1)
    # Of the data set's own settings for small flows only which data it is.
    tables: Tables = {"data": dict(composed(data, model)["data"])}
    for _, file in _with_ancestors("papers", model):
        _update(tables, file)
        _update(tables, file.get("with", {}).get(data, {}))
    return tables


def description(kind: str, name: str) -> str:
    """Returns the comment at the top of a file, in one line.

    Args:
        kind: "data", "models" or "papers".
        name: of the file.
    """
    lines = (FOLDER / kind / f"{name}.toml").read_text(encoding="utf-8").splitlines()
    comment = []
    for line in lines:
        if not line.startswith("#"):
            break
        comment.append(line.lstrip("# "))
    return " ".join(comment)


def _names(kind: str) -> list[str]:
    names = sorted(path.stem for path in (FOLDER / kind).glob("*.toml"))
    return names if kind != "papers" else [name for name in names if "data" in _read(kind, name)]


@functools.cache
def _read(kind: str, name: str) -> Mapping[str, Any]:
    return tomllib.loads((FOLDER / kind / f"{name}.toml").read_text(encoding="utf-8"))


def _with_ancestors(kind: str, name: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Returns a file with its name, after those that it is like."""
    file = _read(kind, name)
    before = _with_ancestors(kind, file["like"]) if "like" in file else []
    return [*before, (name, file)]


def _update(tables: Tables, file: Mapping[str, Any]) -> None:
    """Writes the settings of a file over those that are there."""
    for table in TABLES:
        if isinstance(file.get(table), Mapping):
            tables.setdefault(table, {}).update(file[table])
