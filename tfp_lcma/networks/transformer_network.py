"""A transformer over patches, as a coupling's network."""

import keras
import tensorflow as tf

from tfp_lcma.networks.condition import ConditionBias, Conditions, check_conditions
from tfp_lcma.networks.residual_network import INPUT_BOUND
from tfp_lcma.networks.specification import Specification
from tfp_lcma.serialization import register
from tfp_lcma.validation import check_count


@register
class TransformerBlock(keras.layers.Layer):
    """Self-attention and a small dense network, each behind a layer norm and beside a skip.

    ```none
    h <- h + attention(norm(h))
    h <- h + dense(gelu(dense(norm(h))))
    ```

    References:
        Vaswani et al.: Attention is all you need; Dosovitskiy et al.: An image is
        worth 16x16 words, section 3.1 (pre-norm).
    """

    def __init__(self, width: int, heads: int, **kwargs):
        """Creates the layer.

        Args:
            width: Number of channels of a token.
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
        self.norm_attention = keras.layers.LayerNormalization(epsilon=1e-6, dtype=policy)
        self.attention = keras.layers.MultiHeadAttention(heads, width // heads, dtype=policy)
        self.norm_dense = keras.layers.LayerNormalization(epsilon=1e-6, dtype=policy)
        self.dense_in = keras.layers.Dense(4 * width, dtype=policy)
        self.dense_out = keras.layers.Dense(width, dtype=policy)

    def build(self, input_shape):
        self.norm_attention.build(input_shape)
        self.attention.build(input_shape, input_shape)
        self.norm_dense.build(input_shape)
        self.dense_in.build(input_shape)
        self.dense_out.build((*input_shape[:-1], 4 * self.width))
        self.built = True

    def call(self, tokens):
        normed = self.norm_attention(tokens)
        tokens = tokens + self.attention(normed, normed)
        hidden = keras.activations.gelu(self.dense_in(self.norm_dense(tokens)))
        return tokens + self.dense_out(hidden)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "width": self.width, "heads": self.heads}


@register
class TransformerNetwork(keras.layers.Layer):
    """Patches as tokens, transformer blocks, and a dense layer that starts at zero.

    ```none
    tokens = dense(patches of 6 tanh(input / 6)) + positions + bias(condition)
    tokens <- block(tokens), for every block
    result = patches of dense(norm(tokens)), which starts at zero
    ```

    One vector is learned for every position, so the network is for images of one
    size. Memory of the attention grows with the square of the number of patches.
    The smooth bound on the input is this package's.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    network = lcma.networks.TransformerNetwork(filters=6, width=8, blocks=1, heads=2)
    tuple(network(tf.zeros((2, 4, 4, 3))).shape)  # (2, 4, 4, 6)
    ```

    References:
        Dosovitskiy et al.: An image is worth 16x16 words, section 3.1; Kolesnikov,
        Pinto, Tschannen: Jet (as a coupling's network).
    """

    def __init__(
        self,
        filters: int,
        width: int,
        blocks: int,
        heads: int = 4,
        patch: int = 1,
        conditions: Conditions = None,
        **kwargs,
    ):
        """Creates the network.

        Args:
            filters: Number of output channels.
            width: Number of channels of a token.
            blocks: Number of blocks.
            heads: Number of heads of the attention; must divide the width.
            patch: Side of the square of positions that is a token.
            conditions: Number of classes, or the shape of a vector, that it is
                conditioned on; None if unconditional.
            **kwargs: Of `keras.layers.Layer`.

        Raises:
            ValueError: If the heads cannot share the width evenly.
        """
        super().__init__(**kwargs)
        self.filters, self.width, self.heads = filters, check_count(width, "width"), heads
        self.patch, self.conditions = check_count(patch, "patch"), check_conditions(conditions)
        policy = self.dtype_policy
        self.dense_in = keras.layers.Dense(width, dtype=policy)
        self.blocks = [
            TransformerBlock(width, heads, dtype=policy)
            for _ in range(check_count(blocks, "blocks"))
        ]
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype=policy)
        self.dense_out = keras.layers.Dense(
            patch * patch * filters, kernel_initializer="zeros", dtype=policy
        )
        if self.conditions is not None:
            start = keras.initializers.RandomNormal(stddev=0.05)
            self.bias = ConditionBias(width, self.conditions, start, dtype=policy)

    def build(self, input_shape):
        _, height, width, channels = input_shape
        if height % self.patch or width % self.patch:
            raise ValueError(
                f"patch must divide the sides of the input, {height} and {width}; got {self.patch}."
            )
        count = (height // self.patch) * (width // self.patch)
        tokens = (None, count, self.width)
        self.positions = self.add_weight(
            tokens[1:], initializer=keras.initializers.RandomNormal(stddev=0.02), name="positions"
        )
        self.dense_in.build((None, count, self.patch**2 * channels))
        for block in self.blocks:
            block.build(tokens)
        self.norm.build(tokens)
        self.dense_out.build(tokens)
        self.built = True

    def call(self, inputs, condition=None):
        height, width, channels = inputs.shape[1:]
        rows, columns, patch = height // self.patch, width // self.patch, self.patch
        bounded = INPUT_BOUND * tf.tanh(inputs / INPUT_BOUND)
        tokens = tf.reshape(bounded, (-1, rows, patch, columns, patch, channels))
        tokens = tf.transpose(tokens, (0, 1, 3, 2, 4, 5))
        tokens = tf.reshape(tokens, (-1, rows * columns, patch * patch * channels))
        tokens = self.dense_in(tokens) + tf.convert_to_tensor(self.positions)
        if self.conditions is not None:
            tokens += self.bias(condition)[:, 0]
        for block in self.blocks:
            tokens = block(tokens)
        patches = self.dense_out(self.norm(tokens))
        patches = tf.reshape(patches, (-1, rows, columns, patch, patch, self.filters))
        patches = tf.transpose(patches, (0, 1, 3, 2, 4, 5))
        return tf.reshape(patches, (-1, height, width, self.filters))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "width": self.width,
            "blocks": len(self.blocks),
            "heads": self.heads,
            "patch": self.patch,
            "conditions": self.conditions,
        }


@register
class Transformer(Specification):
    """A `TransformerNetwork` over positions or patches.

    ```python
    import tfp_lcma as lcma

    network = lcma.networks.Transformer(width=8, blocks=1, heads=2)
    flow = lcma.models.glow((4, 4, 1), levels=1, steps=1, network=network)
    ```
    """

    def __init__(
        self,
        width: int = 64,
        blocks: int = 2,
        heads: int = 4,
        patch: int = 1,
        dtype: str | None = None,
    ):
        """Describes the network.

        Args:
            width: Number of channels of a token, a multiple of `heads`.
            blocks: Number of blocks.
            heads: Number of heads of the attention.
            patch: Side of the square of positions that is a token.
            dtype: Keras dtype policy; None: the flow's type.

        Raises:
            ValueError: If a size is no whole number >= 1.
        """
        self.width, self.blocks = check_count(width, "width"), check_count(blocks, "blocks")
        self.heads, self.patch = check_count(heads, "heads"), check_count(patch, "patch")
        self.dtype = dtype

    def get_config(self) -> dict:
        return {
            "width": self.width,
            "blocks": self.blocks,
            "heads": self.heads,
            "patch": self.patch,
            "dtype": self.dtype,
        }

    def layer(self, outputs, maps, conditions, dtype):
        return TransformerNetwork(
            outputs,
            self.width,
            self.blocks,
            self.heads,
            self.patch,
            conditions=conditions,
            dtype=dtype,
        )
