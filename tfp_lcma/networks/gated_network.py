"""The gated network of Flow++'s couplings: convolutions and self-attention."""

import keras
import tensorflow as tf

from tfp_lcma.networks.condition import ConditionBias, Conditions, check_conditions
from tfp_lcma.networks.convolution import convolution
from tfp_lcma.networks.residual_network import INPUT_BOUND
from tfp_lcma.networks.specification import Specification
from tfp_lcma.serialization import register
from tfp_lcma.validation import check_count


@register
class GatedBlock(keras.layers.Layer):
    """A gated convolution and gated self-attention over positions, each with a layer norm.

    ```none
    h   <- norm(h + gate(conv1x1(celu(conv3x3(celu(h))))))
    h   <- norm(h + gate(attention(h + positions)))
    celu(h) = elu([h, -h]),  gate([a, b]) = a * sigmoid(b)
    ```

    Called on `(h, positions)`. The attention's projections have no biases: that
    of the keys would change nothing, and layer norms have the others.

    References:
        Ho, Chen, Srinivas, Duan, Abbeel: Flow++.
    """

    def __init__(self, width: int, heads: int, **kwargs):
        """Creates the layer.

        Args:
            width: Number of channels.
            heads: Number of heads; must divide the width.
            **kwargs: Of `keras.layers.Layer`.

        Raises:
            ValueError: If the heads cannot share the channels evenly.
        """
        super().__init__(**kwargs)
        self.width, self.heads = check_count(width, "width"), check_count(heads, "heads")
        if width % heads:
            raise ValueError(f"width must be divisible by heads={heads}; got {width}.")
        policy = self.dtype_policy
        self.conv = convolution(width, 3, padding="same", dtype=policy)
        self.conv_gate = convolution(2 * width, 1, dtype=policy)
        self.norm_conv = keras.layers.LayerNormalization(epsilon=1e-5, dtype=policy)
        self.attention = keras.layers.MultiHeadAttention(
            heads, width // heads, output_shape=2 * width, use_bias=False, dtype=policy
        )
        self.norm_attention = keras.layers.LayerNormalization(epsilon=1e-5, dtype=policy)

    def build(self, input_shape):
        pixels, sides = input_shape[0], input_shape[0][:-1]
        tokens = (pixels[0], pixels[1] * pixels[2], self.width)
        self.conv.build((*sides, 2 * self.width))
        self.conv_gate.build((*sides, 2 * self.width))
        self.norm_conv.build(pixels)
        self.attention.build(tokens, tokens)
        self.norm_attention.build(pixels)
        self.built = True

    def call(self, inputs):
        hidden, positions = inputs
        sides = hidden.shape[1:3]
        gated = _gate(self.conv_gate(concat_elu(self.conv(concat_elu(hidden)))))
        hidden = self.norm_conv(hidden + gated)
        tokens = tf.reshape(hidden + positions, (-1, sides[0] * sides[1], self.width))
        gated = _gate(self.attention(tokens, tokens))
        return self.norm_attention(hidden + tf.reshape(gated, (-1, *sides, self.width)))

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {**super().get_config(), "width": self.width, "heads": self.heads}


@register
class GatedNetwork(keras.layers.Layer):
    """A convolution, gated blocks with self-attention, and a convolution that starts at zero.

    ```none
    h      = conv3x3(6 tanh(input / 6)) + bias(condition)
    h      <- block(h, positions), for every block
    result = conv3x3(celu(h)), which starts at zero
    ```

    One vector is learned for every position and shared by the blocks, so the network is for images
    of one size. Memory of the attention grows with the square of the number of positions. There is
    no dropout: a likelihood is a function of its image. The smooth bound on the input and the bias
    are this package's.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    network = lcma.networks.GatedNetwork(filters=6, width=8, blocks=1, heads=2)
    tuple(network(tf.zeros((2, 4, 4, 3))).shape)  # (2, 4, 4, 6)
    ```

    References:
        Ho, Chen, Srinivas, Duan, Abbeel: Flow++ (weight-normalised
        there, with dropout).
    """

    def __init__(
        self,
        filters: int,
        width: int,
        blocks: int,
        heads: int = 4,
        conditions: Conditions = None,
        **kwargs,
    ):
        """Creates the network.

        Args:
            filters: Number of output channels.
            width: Number of channels of the hidden layers.
            blocks: Number of gated blocks.
            heads: Number of heads of the attention; must divide the width.
            conditions: Number of classes, or the shape of a vector or an image, that the
                network is conditioned on; None if unconditional.
            **kwargs: Of `keras.layers.Layer`.

        Raises:
            ValueError: If the heads cannot share the width evenly.
        """
        super().__init__(**kwargs)
        self.filters, self.width, self.heads = filters, check_count(width, "width"), heads
        self.conditions = check_conditions(conditions, images=True)
        policy = self.dtype_policy
        self.conv_in = convolution(width, 3, padding="same", dtype=policy)
        self.blocks = [
            GatedBlock(width, heads, dtype=policy) for _ in range(check_count(blocks, "blocks"))
        ]
        self.conv_out = convolution(
            filters, 3, padding="same", kernel_initializer="zeros", dtype=policy
        )
        if self.conditions is not None:
            start = keras.initializers.RandomNormal(stddev=0.05)
            self.bias = ConditionBias(width, self.conditions, start, dtype=policy)

    def build(self, input_shape):
        hidden = (*input_shape[:-1], self.width)
        self.positions = self.add_weight(
            hidden[1:], initializer=keras.initializers.RandomNormal(stddev=0.01), name="positions"
        )
        self.conv_in.build(input_shape)
        for block in self.blocks:
            block.build((hidden, hidden[1:]))
        self.conv_out.build((*hidden[:-1], 2 * self.width))
        self.built = True

    def call(self, inputs, condition=None):
        hidden = self.conv_in(INPUT_BOUND * tf.tanh(inputs / INPUT_BOUND))
        if self.conditions is not None:
            hidden += self.bias(condition)
        positions = tf.convert_to_tensor(self.positions)
        for block in self.blocks:
            hidden = block((hidden, positions))
        return self.conv_out(concat_elu(hidden))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "width": self.width,
            "blocks": len(self.blocks),
            "heads": self.heads,
            "conditions": self.conditions,
        }


@register
class Gated(Specification):
    """A `GatedNetwork`, that of Flow++.

    ```python
    import tfp_lcma as lcma

    network = lcma.networks.Gated(width=8, blocks=1, heads=2)
    flow = lcma.models.glow((4, 4, 1), levels=1, steps=1, network=network)
    ```
    """

    def __init__(self, width: int = 96, blocks: int = 2, heads: int = 4, dtype: str | None = None):
        """Describes the network.

        Args:
            width: Number of channels of the hidden layers, a multiple of `heads`.
            blocks: Number of gated blocks.
            heads: Number of heads of the attention.
            dtype: Keras dtype policy; None: the flow's type.

        Raises:
            ValueError: If a size is no whole number >= 1.
        """
        self.width, self.blocks = check_count(width, "width"), check_count(blocks, "blocks")
        self.heads, self.dtype = check_count(heads, "heads"), dtype

    def get_config(self) -> dict:
        return {
            "width": self.width,
            "blocks": self.blocks,
            "heads": self.heads,
            "dtype": self.dtype,
        }

    def layer(self, outputs, maps, conditions, dtype):
        return GatedNetwork(
            outputs, self.width, self.blocks, self.heads, conditions=conditions, dtype=dtype
        )


def concat_elu(x: tf.Tensor) -> tf.Tensor:
    """Returns elu([x, -x]), twice as many channels."""
    return tf.nn.elu(tf.concat([x, -x], axis=-1))


def _gate(x):
    """Lets one half of the channels through as far as the other half says."""
    value, gate = tf.split(x, 2, axis=-1)
    return value * tf.sigmoid(gate)
