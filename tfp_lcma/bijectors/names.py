"""Names of a flow's variables by the attributes that lead to them."""

import collections
import re
from collections.abc import Iterator, Sequence
from typing import Any

import keras

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
