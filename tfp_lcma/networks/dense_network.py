"""The densely connected network of DenseFlow's couplings, with attention beside it."""

import keras
import tensorflow as tf

from tfp_lcma.networks.actnorm import ActNormLayer
from tfp_lcma.networks.condition import ConditionBias, Conditions, check_conditions
from tfp_lcma.networks.convolution import convolution
from tfp_lcma.networks.nystrom_attention import NystromAttention
from tfp_lcma.networks.residual_network import INPUT_BOUND
from tfp_lcma.networks.specification import Specification
from tfp_lcma.serialization import register
from tfp_lcma.validation import check_count


@register
class DenseBlock(keras.layers.Layer):
    """Layers that each see all layers before them, closed by a gate.

    ```none
    h      <- [h, relu(conv3x3(relu(conv1x1(h))))], the 1x1 keeping its channels, for every layer
    result =  a + b sigmoid(c),  [a, b, c] = conv1x1(h)
    ```

    References:
        Grcic, Grubisic, Segvic: Densely connected normalizing flows, by its authors' code.
    """

    def __init__(self, width: int, depth: int, growth: int, **kwargs):
        """Creates the layer.

        Args:
            width: Number of channels that come in and go out.
            depth: Number of layers.
            growth: Channels that each adds.
            **kwargs: Of `keras.layers.Layer`.
        """
        super().__init__(**kwargs)
        self.width, self.depth = width, check_count(depth, "depth")
        self.growth = check_count(growth, "growth")
        policy = self.dtype_policy
        self.inner = [convolution(width + k * growth, 1, dtype=policy) for k in range(depth)]
        self.outer = [convolution(growth, 3, padding="same", dtype=policy) for _ in range(depth)]
        self.gate = convolution(3 * width, 1, dtype=policy)

    def build(self, input_shape):
        *sides, channels = input_shape
        for inner, outer in zip(self.inner, self.outer, strict=True):
            inner.build((*sides, channels))
            outer.build((*sides, channels))
            channels += self.growth
        self.gate.build((*sides, channels))
        self.built = True

    def call(self, hidden):
        for inner, outer in zip(self.inner, self.outer, strict=True):
            added = tf.nn.relu(outer(tf.nn.relu(inner(hidden))))
            hidden = tf.concat([hidden, added], axis=-1)
        a, b, c = tf.split(self.gate(hidden), 3, axis=-1)
        return a + b * tf.sigmoid(c)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "width": self.width,
            "depth": self.depth,
            "growth": self.growth,
        }


@register
class DenseNetwork(keras.layers.Layer):
    """A dense block and, beside it, attention over positions; the last layer starts at zero.

    ```none
    h      = conv1x1(6 tanh(input / 6)) + bias(condition)
    mixed  = conv1x1(relu(actnorm([attention(h), block(h)])))
    result = conv1x1(mixed), which starts at zero
    ```

    The parts and their sizes are those of DenseFlow's code, which EIW-Flow's authors use too.
    This package's own: the actnorm, where they have a batch normalisation, which makes a
    likelihood depend on its batch; the smooth bound on the input; the bias; and attention as
    Nystromformer has it (see `NystromAttention`), which theirs is not in every detail.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    network = lcma.networks.DenseNetwork(filters=6, width=8, depth=2)
    tuple(network(tf.zeros((2, 4, 4, 3))).shape)  # (2, 4, 4, 6)
    ```

    References:
        Grcic, Grubisic, Segvic: Densely connected normalizing flows.
    """

    def __init__(
        self,
        filters: int,
        width: int,
        depth: int = 7,
        growth: int | None = None,
        landmarks: int = 4,
        conditions: Conditions = None,
        **kwargs,
    ):
        """Creates the network.

        Args:
            filters: Number of output channels.
            width: Number of channels outside the dense block, a multiple of 2.
            depth: Layers of the dense block.
            growth: Channels that each of them adds; None: the width.
            landmarks: Of the attention.
            conditions: Number of classes, or the shape of a vector or an image, that the
                network is conditioned on; None if unconditional.
            **kwargs: Of `keras.layers.Layer`.

        Raises:
            ValueError: If the width is odd.
        """
        super().__init__(**kwargs)
        self.filters, self.width = filters, check_count(width, "width")
        if width % 2:
            raise ValueError(f"width must be a multiple of 2; got {width}.")
        self.depth, self.growth, self.landmarks = depth, growth, landmarks
        self.conditions = check_conditions(conditions, images=True)
        policy = self.dtype_policy
        self.conv_in = convolution(width, 1, dtype=policy)
        self.attention = NystromAttention(width, width // 2, landmarks, dtype=policy)
        self.block = DenseBlock(width, depth, width if growth is None else growth, dtype=policy)
        self.norm = ActNormLayer(2 * width, dtype=policy)
        self.conv_mix = convolution(width, 1, use_bias=False, dtype=policy)
        self.conv_out = convolution(filters, 1, kernel_initializer="zeros", dtype=policy)
        if self.conditions is not None:
            start = keras.initializers.RandomNormal(stddev=0.05)
            self.bias = ConditionBias(width, self.conditions, start, dtype=policy)

    def build(self, input_shape):
        hidden = (*input_shape[:-1], self.width)
        self.conv_in.build(input_shape)
        self.attention.build(hidden)
        self.block.build(hidden)
        self.conv_mix.build((*hidden[:-1], 2 * self.width))
        self.conv_out.build(hidden)
        self.built = True

    def initialize(self, inputs: tf.Tensor, condition=None) -> None:
        """Chooses the actnorm's shift and scale by a batch of inputs."""
        self.norm.initialize(self._parts(inputs, condition))

    def call(self, inputs, condition=None):
        mixed = self.conv_mix(tf.nn.relu(self.norm(self._parts(inputs, condition))))
        return self.conv_out(mixed)

    def _parts(self, inputs, condition):
        """Returns attention and dense block, side by side."""
        hidden = self.conv_in(INPUT_BOUND * tf.tanh(inputs / INPUT_BOUND))
        if self.conditions is not None:
            hidden += self.bias(condition)
        return tf.concat([self.attention(hidden), self.block(hidden)], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "width": self.width,
            "depth": self.depth,
            "growth": self.growth,
            "landmarks": self.landmarks,
            "conditions": self.conditions,
        }


@register
class DenseNet(Specification):
    """A `DenseNetwork`, that of DenseFlow and EIW-Flow.

    ```python
    import tfp_lcma as lcma

    network = lcma.networks.DenseNet(width=8, depth=2)
    flow = lcma.models.glow((8, 8, 1), levels=1, steps=1, network=network)
    ```
    """

    def __init__(
        self,
        width: int = 64,
        depth: int = 7,
        growth: int | None = None,
        landmarks: int = 4,
        dtype: str | None = None,
    ):
        """Describes the network.

        Args:
            width: Number of channels outside the dense block, a multiple of 2.
            depth: Layers of the dense block.
            growth: Channels that each of them adds, published as 64; None: the width.
            landmarks: Of the attention.
            dtype: Keras dtype policy; None: the flow's type.

        Raises:
            ValueError: If a size is no whole number >= 1.
        """
        self.width, self.depth = check_count(width, "width"), check_count(depth, "depth")
        self.growth = None if growth is None else check_count(growth, "growth")
        self.landmarks, self.dtype = check_count(landmarks, "landmarks"), dtype

    def get_config(self) -> dict:
        return {
            "width": self.width,
            "depth": self.depth,
            "growth": self.growth,
            "landmarks": self.landmarks,
            "dtype": self.dtype,
        }

    def layer(self, outputs, maps, conditions, dtype):
        return DenseNetwork(
            outputs,
            self.width,
            self.depth,
            self.growth,
            self.landmarks,
            conditions=conditions,
            dtype=dtype,
        )
