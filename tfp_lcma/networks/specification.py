"""What makes the network of a coupling: a specification, a Keras layer, or its class."""

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
        dtype: Keras policy of a specified network that has none of its own.

    Raises:
        ValueError: If it returns another number of channels, or holds raw variables.
    """
    if isinstance(network, Specification):
        policy = getattr(network, "dtype", None) or dtype
        layer = network.layer(outputs, maps, conditions, keras.dtype_policies.get(policy))
    elif isinstance(network, keras.layers.Layer):
        layer = network
    elif callable(network):
        layer = network(outputs)
    else:
        raise ValueError(
            "network must be a specification, a Keras layer or its class; got "
            f"{type(network).__name__}."
        )
    if not isinstance(layer, keras.layers.Layer):
        raise ValueError(f"network must make a Keras layer; got {type(layer).__name__}.")
    batched = (None, *input_shape)
    if not layer.built:
        layer.build(batched)
    raw = sorted(
        f"{type(inner).__name__}.{name}"
        for inner in layer._flatten_layers()
        for name, value in vars(inner).items()
        if isinstance(value, tf.Variable)
    )
    if raw:
        raise ValueError(
            "network must hold its variables by add_weight(), which Keras saves and trains; got "
            f"raw tf.Variables {', '.join(raw)}."
        )
    got = layer.compute_output_shape(batched)[-1]
    if got != outputs:
        raise ValueError(
            f"network must return {outputs} channels, a number for every parameter of every "
            f"moved channel; got {got}."
        )
    return layer
