"""The convolutional network of Glow's couplings."""

import keras
import tensorflow as tf

from tfp_lcma.networks.actnorm import ActNormLayer
from tfp_lcma.networks.condition import ConditionBias, Conditions, check_conditions
from tfp_lcma.networks.convolution import convolution
from tfp_lcma.networks.residual_network import INPUT_BOUND
from tfp_lcma.networks.specification import Specification
from tfp_lcma.serialization import register
from tfp_lcma.validation import check_count


@register
class ConvolutionalNetwork(keras.layers.Layer):
    """Three convolutions with actnorms between them.

    ```none
    h_1 = relu(actnorm(conv3x3(6 tanh(input / 6))) + bias(condition))
    h_2 = relu(actnorm(conv1x1(h_1)))
    result = conv3x3(h_2), which starts at zero
    ```

    The smooth bound on the input and the bias are this package's.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    network = lcma.networks.ConvolutionalNetwork(filters=6, width=8)
    tuple(network(tf.zeros((2, 4, 4, 3))).shape)  # (2, 4, 4, 6)
    ```

    References:
        Kingma, Dhariwal: Glow, section 5.
    """

    def __init__(self, filters: int, width: int, conditions: Conditions = None, **kwargs):
        """Creates the network.

        Args:
            filters: Number of output channels.
            width: Number of channels of the hidden layers.
            conditions: Number of classes, or the shape of a vector or an image, that it is
                conditioned on; None if unconditional.
            **kwargs: Of `keras.layers.Layer`.
        """
        super().__init__(**kwargs)
        self.filters, self.width = filters, width
        self.conditions = check_conditions(conditions, images=True)

        def conv(channels, size, start, use_bias):
            return convolution(
                channels,
                size,
                padding="same",
                use_bias=use_bias,
                kernel_initializer=start,
                dtype=self.dtype_policy,
            )

        start = keras.initializers.RandomNormal(stddev=0.05)
        # Where an actnorm follows, it is its shift that is the bias.
        self.conv_in = conv(width, 3, start, use_bias=False)
        self.conv_inner = conv(width, 1, start.clone(), use_bias=False)
        self.conv_out = conv(filters, 3, "zeros", use_bias=True)
        self.norm_in = ActNormLayer(width, dtype=self.dtype_policy)
        self.norm_inner = ActNormLayer(width, dtype=self.dtype_policy)
        if self.conditions is not None:
            self.bias = ConditionBias(
                width, self.conditions, start.clone(), dtype=self.dtype_policy
            )

    def build(self, input_shape):
        hidden = (*input_shape[:-1], self.width)
        self.conv_in.build(input_shape)
        self.conv_inner.build(hidden)
        self.conv_out.build(hidden)
        self.built = True

    def initialize(self, inputs: tf.Tensor, condition=None) -> None:
        """Chooses the actnorms' shift and scale by a batch of inputs."""
        self(inputs, condition, start=True)

    def call(self, inputs, condition=None, start=False):
        hidden = INPUT_BOUND * tf.tanh(inputs / INPUT_BOUND)
        hidden = _normalized(self.conv_in, self.norm_in, hidden, start)
        if self.conditions is not None:
            hidden += self.bias(condition)
        hidden = _normalized(self.conv_inner, self.norm_inner, tf.nn.relu(hidden), start)
        return self.conv_out(tf.nn.relu(hidden))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "width": self.width,
            "conditions": self.conditions,
        }


@register
class Convolutional(Specification):
    """A `ConvolutionalNetwork`, Glow's.

    ```python
    import tfp_lcma as lcma

    network = lcma.networks.Convolutional(width=8)
    flow = lcma.models.glow((4, 4, 1), levels=1, steps=1, network=network)
    ```
    """

    def __init__(self, width: int = 128, dtype: str | None = None):
        """Describes the network.

        Args:
            width: Number of channels of the hidden layers.
            dtype: Keras dtype policy; None: the flow's type.

        Raises:
            ValueError: If the width is no whole number >= 1.
        """
        self.width, self.dtype = check_count(width, "width"), dtype

    def get_config(self) -> dict:
        return {"width": self.width, "dtype": self.dtype}

    def layer(self, outputs, maps, conditions, dtype):
        return ConvolutionalNetwork(outputs, self.width, conditions, dtype=dtype)


def _normalized(conv, norm, x, start):
    """Runs a convolution and the actnorm behind it as one: scaled kernel, shifted bias."""
    if start:
        norm.initialize(conv(x))
    scale = tf.exp(norm.log_scale())
    kernel = tf.convert_to_tensor(conv.kernel) * tf.cast(scale, x.dtype)
    bias = tf.cast(norm.shift.value * scale, x.dtype)
    return tf.nn.bias_add(tf.nn.conv2d(x, kernel, strides=1, padding="SAME"), bias)
