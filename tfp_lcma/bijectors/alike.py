"""What repeated steps have in common, and the constant arrays in which they differ."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.serialization import anew


def made(step):
    """Returns a step of its own."""
    if not isinstance(step, FlowBijector):
        step = step()
        if not isinstance(step, FlowBijector):
            raise ValueError(f"step must make a FlowBijector; got {type(step).__name__}.")
        return step
    return anew(step)


def constant_keys(step: FlowBijector) -> dict[str, tuple[int, str]]:
    """Returns, by names that any two alike steps share, where constant arrays are read."""
    return {
        f"{place}.{name}": (id(part), name)
        for place, part in enumerate(step.parts)
        for name in part.constants
    }


def differing_constants(steps: Sequence[FlowBijector]) -> dict[tuple[int, str], np.ndarray]:
    """Stacks the constant arrays in which steps differ.

    Raises:
        ValueError: If they differ in anything else.
    """
    differing = {}
    for place, part in enumerate(steps[0].parts):
        others = [step.parts[place] for step in steps]
        for name in part.constants:
            arrays = [np.asarray(other.constants[name]) for other in others]
            if any(not np.array_equal(array, arrays[0]) for array in arrays):
                differing[id(part), name] = np.stack(arrays)
        for other in others[1:]:
            check_alike(_settings(part), _settings(other), "settings")
    return differing


def _settings(part: FlowBijector) -> Any:
    """Returns a part's configuration without names, inner flows and what `constants` holds."""
    own = set(part.constants)

    def settings(value):
        if isinstance(value, FlowBijector):
            return type(value)
        if isinstance(value, dict):
            return {k: settings(v) for k, v in value.items() if k not in ("name", *own)}
        if isinstance(value, list | tuple):
            return [settings(v) for v in value]
        if hasattr(value, "get_config"):
            return type(value), settings(value.get_config())
        if isinstance(value, np.ndarray):
            return value.shape if own else value.tolist()
        return value

    return settings(part.get_config())


def check_alike(first: Any, other: Any, what: str) -> None:
    """Raises a ValueError unless what two steps have is the same."""
    if first != other:
        raise ValueError(
            f"step must make steps alike, but for their constant arrays; got {what} {first} and "
            f"{other}."
        )
