"""What makes the network of a coupling: a specification, a Keras layer, or its class."""

import inspect
from collections.abc import Callable
from typing import TypeAlias

import keras
import tensorflow as tf

from tfp_lcma.networks.condition import Conditions
from tfp_lcma.serialization import Configurable


class Specification(Configurable):
    """A small, immutable, serialisable description of a coupling's network.

    ```python
    import keras
    import tfp_lcma as lcma

    network = lcma.networks.Convolutional(width=16)
    flow = lcma.models.real_nvp((8, 8, 1), network=network)
    ```

    A subclass writes `layer` and `get_config`.
    """

    def layer(
        self, outputs: int, maps: int, conditions: Conditions, dtype: keras.DTypePolicy
    ) -> keras.layers.Layer:
        """Returns a Keras layer, called `layer(inputs[, condition], training=)`.

        Args:
            outputs: Number of its output channels.
            maps: How many of its input channels, the last ones, are constant maps.
            conditions: Number of classes, or the shape `(k,)` of a vector, that it
                is conditioned on; None if unconditional.
            dtype: Keras dtype policy.
        """
        raise NotImplementedError(f"{type(self).__name__} lacks layer().")

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


# A layer is a callable: its own name, which has no types, would let anything pass a check.
Network: TypeAlias = Specification | Callable[..., keras.layers.Layer]


def built_network(
    network: Network,
    outputs: int,
    input_shape: tuple[int, int, int],
    maps: int,
    conditions: Conditions,
    dtype: str | keras.DTypePolicy,
) -> keras.layers.Layer:
    """Returns the built layer that a network stands for.

    Args:
        network: A specification; a layer; or a class or function that makes one
            from the number of outputs.
        outputs: Number of channels that it must return.
        input_shape: `(height, width, channels)` of its input, maps included.
        maps: How many of its input channels, the last ones, are constant maps.
        conditions: What it is conditioned on; None if unconditional.
        dtype: Keras policy of a network that asks for none of its own; a layer that is there
            keeps what it has.

    Raises:
        ValueError: If it returns another number of channels or other sides, holds raw
            variables, or takes no condition where there is one.
    """
    if isinstance(network, Specification):
        policy = getattr(network, "dtype", None) or dtype
        layer = network.layer(outputs, maps, conditions, keras.dtype_policies.get(policy))
    elif isinstance(network, keras.layers.Layer):
        layer = network
    elif callable(network):
        layer = _made(network, outputs, dtype)
    else:
        raise ValueError(
            "network must be a specification, a Keras layer or its class; got "
            f"{type(network).__name__}."
        )
    if not isinstance(layer, keras.layers.Layer):
        raise ValueError(f"network must make a Keras layer; got {type(layer).__name__}.")
    if conditions is not None and not _takes_condition(layer):
        raise ValueError(
            "network must be called as network(inputs, condition, training=) in a flow with "
            f"conditions={conditions}; got {type(layer).__name__}.call"
            f"{inspect.signature(layer.call)}."
        )
    batched = (None, *input_shape)
    _build(layer, input_shape, conditions or getattr(layer, "conditions", None))
    raw = sorted(
        f"{type(inner).__name__}.{name}"
        for inner in layer._flatten_layers()
        for name, value in vars(inner).items()
        if not name.startswith("_self_") and _has_raw_variable(value)
    )
    if raw:
        raise ValueError(
            "network must hold its variables by add_weight(), which Keras saves and trains; got "
            f"raw tf.Variables {', '.join(raw)}."
        )
    *sides, got = layer.compute_output_shape(batched)[1:]
    if tuple(sides) != tuple(input_shape[:2]):
        raise ValueError(
            f"network must keep height and width, {input_shape[:2]}; got {tuple(sides)}"
            f"{_of_channels_first(layer)}."
        )
    if got != outputs:
        raise ValueError(
            f"network must return {outputs} channels, a number for every parameter of every "
            f"moved channel; got {got}{_of_channels_first(layer)}."
        )
    return layer


def _build(layer, input_shape, conditions) -> None:
    """Builds a layer and, as far as one call does, what it holds; a call may have to."""
    # Keras' own `build` does nothing but say that it was called.
    default = type(layer).build is keras.layers.Layer.build
    if not layer.built and not default:
        layer.build((None, *input_shape))
    if not layer.built or unbuilt(layer):
        given = []
        if conditions is not None:
            classes = isinstance(conditions, int)
            given = [tf.zeros((1,), tf.int32) if classes else tf.zeros((1, *conditions))]
        layer(tf.zeros((1, *input_shape), layer.compute_dtype), *given, training=False)


def unbuilt(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Returns the layers in a layer whose variables, if they will have any, are not there yet."""
    return [inner for inner in layer._flatten_layers() if not inner.built]


def _made(network, outputs, dtype) -> keras.layers.Layer:
    """Calls a class or function; what it makes has the policy `dtype` if it asks for no other."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(keras.dtype_policies.get(dtype))
    try:
        return network(outputs)
    finally:
        keras.config.set_dtype_policy(before)


def _takes_condition(layer: keras.layers.Layer) -> bool:
    """Whether a layer's second argument by position can be a condition."""
    parameters = list(inspect.signature(layer.call).parameters.values())
    by_position = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    any_number = any(p.kind == p.VAR_POSITIONAL for p in parameters)
    return any_number or (len(by_position) > 1 and by_position[1].name not in ("training", "mask"))


def _of_channels_first(layer) -> str:
    """Names a layer that takes channels for height, as all do that Keras is set so when made."""
    for inner in layer._flatten_layers():
        if getattr(inner, "data_format", None) == "channels_first":
            return f", from a {type(inner).__name__} of data_format='channels_first'"
    return ""


def _has_raw_variable(value) -> bool:
    """Whether an attribute of a layer is or holds a `tf.Variable` of which Keras does not know."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return any(map(_has_raw_variable, value))
    if isinstance(value, tf.Module):
        return bool(value.variables)
    return isinstance(value, tf.Variable)
