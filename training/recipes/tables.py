"""Recipes as tables of settings, as they stand in files."""

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfp_lcma.files import written_whole
from tfp_lcma.registry import MODELS, check_name, nearest_first
from tfp_lcma.training.data.sources import TFDS, is_tfds
from tfp_lcma.training.recipes.checks import SettingError
from tfp_lcma.training.recipes.compose import TABLES, Tables, composed, model_names
from tfp_lcma.training.recipes.recipe import KINDS, TABLE_OF, Recipe, dotted, model_options


def load_recipe(data: str, model: str = "real_nvp", **changes) -> Recipe:
    """Returns the recipe of a model on a data set.

    Args:
        data: name of a data set, or the path of images.
        model: one of `tfp_lcma.registry.MODELS`.
        **changes: settings to override, by their short names, options of the model too; None
            leaves the recipe's.

    Raises:
        SettingError: there is no such setting, or one is out of range.
        ValueError: there is no such model.
    """
    check_name("model", model, model_names())
    return from_tables(recipe_name(data, model), composed(data, model)).replaced(**changes)


def recipe_name(data: str, model: str) -> str:
    """Returns what a recipe of a data set, or the path of images, and a model is called."""
    if is_tfds(data):
        return f"{data.removeprefix(TFDS).replace('/', '-')}-{model}"
    # The whole path, for "." has a name too.
    return f"{Path(data).resolve().name.removesuffix('.npz') or 'images'}-{model}"


def from_tables(name: str, tables: Mapping[str, Mapping[str, Any]]) -> Recipe:
    """Returns the recipe of settings as they stand in a file.

    Raises:
        SettingError: a setting is missing, unknown or out of range.
    """
    flow = dict(tables.get("model", {}))
    if "name" not in flow:
        raise SettingError("model.name", "must be given.")
    settings = {"model": flow.pop("name"), "flow": flow}
    for table, values in tables.items():
        if table == "model":
            continue
        known = [name for name in KINDS if TABLE_OF.get(name, "training") == table]
        if not known:
            listed = ", ".join(nearest_first(table, TABLES))
            raise SettingError(table, f"is no table of a recipe; it has {listed}.")
        for key, value in values.items():
            if key not in known:
                listed = ", ".join(nearest_first(key, known))
                raise SettingError(f"{table}.{key}", f"is no setting; {table} has {listed}.")
            settings[key] = value
    required = [f.name for f in dataclasses.fields(Recipe) if f.default is dataclasses.MISSING]
    for key in required[1:]:
        if key not in settings:
            raise SettingError(dotted(key), "must be given.")
    return Recipe(name=name, **settings)


def overridden(tables: Tables, assignments: Mapping[str, Any]) -> Tables:
    """Returns settings with some overridden.

    Args:
        tables: the settings as they stand in a file.
        assignments: values by `table.key`.

    Raises:
        SettingError: a name is not of the form `table.key`.
    """
    new = {table: dict(values) for table, values in tables.items()}
    for name, value in assignments.items():
        table, dot, key = name.partition(".")
        if not dot or table not in TABLES:
            names = setting_names(tables.get("model", {}).get("name"))
            listed = ", ".join(nearest_first(name, names))
            raise SettingError(name, f"is no setting; there are {listed}.")
        new.setdefault(table, {})[key] = value
    return new


def setting_names(model: str | None) -> list[str]:
    """Returns the names of all settings of a recipe with a model, if any, `table.key`."""
    options = model_options(model) if model in MODELS else []
    return [*map(dotted, KINDS), *(f"model.{name}" for name in options)]


def to_tables(recipe: Recipe) -> Tables:
    """Returns a recipe's settings as they stand in a file, None left out."""
    tables: Tables = {
        "data": {},
        "model": {"name": recipe.model, **recipe.flow},
        "training": {},
        "evaluation": {},
    }
    for name in KINDS:
        if getattr(recipe, name) is not None:
            tables[TABLE_OF.get(name, "training")][name] = getattr(recipe, name)
    return tables


def to_toml(name: str, tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns settings as the text of a file."""
    lines = [f"name = {_toml(name)}"]
    for table, values in tables.items():
        lines += ["", f"[{table}]", *(f"{key} = {_toml(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def write_recipe(path: Path, recipe: Recipe, **run: Any) -> None:
    """Writes a recipe to a file that `--config` reads.

    Args:
        path: the file.
        recipe: what is written.
        **run: what else defines the run: its factorization, seed, labels.
    """
    with written_whole(path) as temporary:
        text = to_toml(recipe.name, to_tables(recipe) | {"run": run})
        temporary.write_text(text, encoding="utf-8")


def read_toml(path: Path) -> tuple[str, Tables]:
    """Returns the name and the settings in a file.

    Raises:
        ValueError: the file cannot be read, or a setting stands in no table.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    name = str(tables.pop("name", path.stem))
    for key, value in tables.items():
        if not isinstance(value, dict):
            listed = ", ".join(f"[{table}]" for table in TABLES)
            raise ValueError(f"{path}: {key} must stand in one of the tables {listed}.")
    return name, tables


def _toml(value: Any) -> str:
    # What JSON writes of texts, numbers, truth values and lists is TOML too.
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
