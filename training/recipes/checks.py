"""What a setting of a recipe must be, and the error that says so."""

from collections.abc import Iterable
from typing import Any

from tfp_lcma.registry import nearest_first


class SettingError(ValueError):
    """A setting of a recipe is unknown or out of range.

    Attributes:
        setting: its name, `table.key`.
        problem: what was expected and what came.
    """

    def __init__(self, setting: str, problem: str):
        super().__init__(f"{setting} {problem}")
        self.setting, self.problem = setting, problem


def check_kind(setting: str, value: Any, kind: type) -> None:
    """Raises a SettingError unless the value is of a type; whole numbers are numbers."""
    fits = isinstance(value, int | float) if kind is float else isinstance(value, kind)
    if not fits or (kind is not bool and isinstance(value, bool)):
        named = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
        raise SettingError(setting, f"must be {named[kind]}; got {value!r}.")


def check_at_least(setting: str, value: int, least: int) -> None:
    """Raises a SettingError if the value is too small."""
    if value < least:
        raise SettingError(setting, f"must be at least {least}; got {value}.")


def check_name(setting: str, name: Any, names: Iterable[str]) -> None:
    """Raises a SettingError that lists all names, nearest first, unless it is one of them."""
    names = list(names)
    if name not in names:
        listed = ", ".join(nearest_first(str(name), names))
        raise SettingError(setting, f"must be one of {listed}; got {name!r}.")
