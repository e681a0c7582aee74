"""A flow's variables by the attributes that lead to them: their names, and that all are known."""

import collections
import re
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.networks.stack import Stack

# Keras' own lists of what a layer holds: everything in them has an attribute of its own too.
_KERAS_LISTS = {
    "_layers",
    "_losses",
    "_metrics",
    "_non_trainable_variables",
    "_seed_generators",
    "_self_unconditional_dependency_names",
    "_trainable_variables",
}


def named_variables(flow: FlowBijector) -> dict[str, keras.Variable]:
    """Returns all variables of a flow by names such as "coupling.network.conv_in.kernel".

    Names are the same for any two flows that are built alike, which Keras' own
    are not: those count layers.
    """
    names: dict[int, tuple[str, keras.Variable]] = {}
    for name, variable in _of_flow(flow, ""):
        names.setdefault(id(variable), (name, variable))
    for layer in flow.layers:
        for variable in layer.variables:
            names.setdefault(id(variable), (variable.path.replace("/", "."), variable))
    return {name: variable for name, variable in names.values()}


def check_variables_held(flow: FlowBijector, argument: str) -> None:
    """Raises a ValueError if a flow has variables that are in none of its layers.

    They would be neither trained nor saved.

    Args:
        flow: The flow.
        argument: What it was given as.
    """
    layers = [layer for part in flow.kinds for layer in part._own_layers]
    held = {id(one) for layer in layers for v in layer.variables for one in (v, v.value)}
    unknown = [
        f"{type(part).__name__}.{name.lstrip('_')}"
        for part in flow.kinds
        for name, value in vars(part).items()
        if any(id(variable) not in held for variable in _variables_in(value))
    ]
    if unknown:
        raise ValueError(
            f"{argument} must hold its variables in Keras layers, given to FlowBijector as "
            f"layers=[...]; got {', '.join(unknown)}."
        )


def _variables_in(value: Any) -> list[Any]:
    """Returns the variables that an attribute of a flow is or holds, but those of flows in it."""
    if isinstance(value, tf.Variable | keras.Variable):
        return [value]
    if isinstance(value, FlowBijector):
        return []
    if isinstance(value, keras.layers.Layer | tf.Module):
        return list(value.variables)
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [variable for one in value for variable in _variables_in(one)]
    return []


def _of_flow(flow: FlowBijector, prefix: str) -> Iterator[tuple[str, keras.Variable]]:
    own = {id(layer) for layer in flow._own_layers}
    for name, value in vars(flow).items():
        name = name.lstrip("_")
        if id(value) in own:
            # A flow's only layer needs no name.
            inner = "" if len(own) == 1 else name
            named = _of_layer(value, inner)
            yield from ((f"{prefix}{end}", variable) for end, variable in named)
        elif isinstance(value, list | tuple) and name != "own_layers":
            for index, layer in enumerate(value):
                if id(layer) in own:
                    named = _of_layer(layer, f"{name}.{index}")
                    yield from ((f"{prefix}{end}", variable) for end, variable in named)
    for name, value in vars(flow).items():
        if name.startswith("_"):
            continue
        if isinstance(value, FlowBijector):
            yield from _of_flow(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            keys = (
                _kinds(value) if name == "bijectors" else [f"{name}.{i}" for i in range(len(value))]
            )
            for key, child in zip(keys, value, strict=True):
                if isinstance(child, FlowBijector):
                    yield from _of_flow(child, f"{prefix}{key}.")


def _kinds(flows: Sequence[FlowBijector]) -> list[str]:
    """Names flows by their kind, and by their place among those of one kind."""
    kinds = [re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(flow).__name__).lower() for flow in flows]
    counts, seen = collections.Counter(kinds), collections.Counter[str]()
    named = []
    for kind in kinds:
        named.append(f"{kind}_{seen[kind]}" if counts[kind] > 1 else kind)
        seen[kind] += 1
    return named


def _of_layer(value: Any, name: str) -> Iterator[tuple[str, keras.Variable]]:
    """Walks the attributes of a Keras layer, and what is in its lists."""
    if isinstance(value, keras.Variable):
        yield name, value
    elif isinstance(value, Stack):
        yield from zip(value.names, value.stacked, strict=True)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _of_layer(inner, f"{name}.{index}")
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _of_layer(inner, f"{name}.{key}")
    elif isinstance(value, keras.layers.Layer | keras.random.SeedGenerator):
        for key, inner in vars(value).items():
            if key not in _KERAS_LISTS:
                yield from _of_layer(inner, f"{name}.{key.lstrip('_')}".lstrip("."))
