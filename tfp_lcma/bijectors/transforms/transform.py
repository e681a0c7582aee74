"""The protocol of a transform."""

from typing import Any

import keras
import tensorflow as tf

from tfp_lcma.serialization import Configurable, register


class Transform(Configurable):
    """An invertible map of single numbers, immutable and serialisable.

    ```none
    inverse   z = t(x; parameters),      towards the latent
    forward   x = t^{-1}(z; parameters)
    log-det   log |dt/dx|, elementwise
    ```

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma


    class Scale(lcma.transforms.Transform):
        parameters_per_dimension = 1

        def inverse(self, x, parameters):
            log_scale = tf.tanh(parameters[..., 0])
            return x * tf.exp(log_scale), log_scale

        def forward(self, z, parameters):
            log_scale = tf.tanh(parameters[..., 0])
            return z * tf.exp(-log_scale), -log_scale

        def get_config(self):
            return {}


    flow = lcma.models.glow((4, 4, 1), levels=1, steps=1, width=4, coupling=Scale())
    ```

    Attributes:
        parameters_per_dimension: How many numbers a network must give for every
            number that is moved.
        searches: Whether the forward map is a search for a root.
    """

    parameters_per_dimension: int
    searches: bool = False

    def head(self, channels: int, dtype: str) -> keras.layers.Layer:
        """Returns the layer that turns a network's output into parameters.

        It holds what is learned beside the network.

        Args:
            channels: Number of channels that are moved.
            dtype: Type of the parameters.

        Returns:
            A built layer, from `[batch, height, width, channels * parameters]` to
            whatever `inverse` and `forward` take.
        """
        return Raw(channels, self.parameters_per_dimension, dtype=dtype)

    def inverse(self, x: tf.Tensor, parameters: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps numbers towards the latent.

        Args:
            x: `[batch, height, width, channels]`.
            parameters: What the head returned.

        Returns:
            The mapped numbers and the log-derivatives, in nats, in the shape of `x`.
        """
        raise NotImplementedError(f"{type(self).__name__} lacks inverse().")

    def forward(self, z: tf.Tensor, parameters: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Undoes `inverse`; returns the numbers and the log-derivatives of this direction."""
        raise NotImplementedError(f"{type(self).__name__} lacks forward().")

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


@register
class Raw(keras.layers.Layer):
    """Gives every moved number its parameters: `[..., channels, parameters]`."""

    def __init__(self, channels: int, parameters: int, **kwargs):
        super().__init__(**kwargs)
        self.channels, self.parameters = channels, parameters
        self.built = True

    def call(self, raw):
        return tf.reshape(raw, (-1, *raw.shape[1:-1], self.channels, self.parameters))


def shaped_like(value: tf.Tensor, *mapped: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Returns tensors with the shape of `value`, which some of TFP's bijectors lose in graphs."""
    for tensor in mapped:
        tensor.set_shape(value.shape)
    return mapped
