"""The weight-normalised residual network of RealNVP's couplings."""

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.networks.condition import ConditionBias, Conditions, check_conditions
from tfp_lcma.networks.specification import Specification
from tfp_lcma.networks.weight_norm import (
    StackedWeightNormConv,
    WeightNormConv,
    convolved,
)
from tfp_lcma.serialization import register
from tfp_lcma.validation import check_count

# Inputs have variance one or so. Bounding them smoothly keeps a rare one from
# being amplified coupling by coupling until its likelihood is absurd.
INPUT_BOUND = 6.0
# The paper's eight blocks are quick to trace as they are, and faster so; beyond, graphs loop.
UNROLLED_BLOCKS = 8


@register
class ResidualNetwork(keras.layers.Layer):
    """RealNVP's coupling network: pre-activation residual blocks with summed skips.

    ```none
    x = 6 tanh(input / 6)
    h_0 = conv3x3(relu([x, -x, maps])) + bias(condition)
    h_k = h_{k-1} + conv3x3(relu(conv3x3(relu(h_{k-1}))))
    result = conv1x1(relu(sum of conv1x1(h_k) over k)), which starts at zero
    ```

    All convolutions are weight-normalised. The blocks' variables are stacked; in graphs many
    blocks are a loop, in which the skips are summed, and few are not: then the skips' sum is one
    convolution of all h_k, side by side. The paper's batch normalisation inside the network is
    left out, since it makes a likelihood depend on its batch; a smooth bound on the input keeps
    the network in range instead. The bias is this package's.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    network = lcma.networks.ResidualNetwork(filters=6, width=8, blocks=1)
    tuple(network(tf.zeros((2, 4, 4, 3))).shape)  # (2, 4, 4, 6)
    ```

    References:
        Dinh, Sohl-Dickstein, Bengio: Density estimation using Real NVP, sections 3.2 and 4.1.
    """

    def __init__(
        self,
        filters: int,
        width: int,
        blocks: int,
        maps: int = 0,
        conditions: Conditions = None,
        regularizer=None,
        **kwargs,
    ):
        """Creates the network.

        Args:
            filters: Number of output channels.
            width: Number of channels of the hidden layers.
            blocks: Number of residual blocks.
            maps: How many of its input channels, the last ones, are constant maps, such as a mask.
            conditions: Number of classes, or the shape of a vector or an image, that it is
                conditioned on; None if unconditional.
            regularizer: Keras regulariser of the convolutions' gains.
            **kwargs: Of `keras.layers.Layer`.
        """
        super().__init__(**kwargs)
        self.filters, self.width, self.blocks = filters, width, blocks
        self.maps = maps
        self.regularizer = keras.regularizers.get(regularizer)
        self.conditions = check_conditions(conditions, images=True)

        options = {"regularizer": self.regularizer, "dtype": self.dtype_policy}

        def conv(channels, kernel_size, gain):
            return WeightNormConv(channels, kernel_size, gain, **options)

        # He's gain keeps the scale through a ReLU; the residual branches share it.
        he = float(np.sqrt(2.0))
        share = float(np.sqrt(2.0 / max(blocks, 1)))
        self.conv_in = conv(width, 3, he)
        self.inner = StackedWeightNormConv(blocks, width, 3, he, **options)
        self.outer = StackedWeightNormConv(blocks, width, 3, share, **options)
        self.skip = conv(width, 1, 1.0)
        self.conv_out = conv(filters, 1, 0.0)
        if self.conditions is not None:
            start = keras.initializers.RandomNormal(stddev=0.05)
            self.bias = ConditionBias(width, self.conditions, start, dtype=self.dtype_policy)

    def build(self, input_shape):
        hidden = (*input_shape[:-1], self.width)
        self.conv_in.build((*input_shape[:-1], 2 * input_shape[-1] - self.maps))
        for layer in (self.inner, self.outer, self.conv_out):
            layer.build(hidden)
        self.skip.build((*input_shape[:-1], self.width * (self.blocks + 1)))
        self.built = True

    def call(self, inputs, condition=None):
        channels = inputs.shape[-1] - self.maps
        inputs, maps = tf.split(inputs, [channels, self.maps], axis=-1)
        inputs = INPUT_BOUND * tf.tanh(inputs / INPUT_BOUND)
        features = [inputs, -inputs] + ([maps] if self.maps else [])
        hidden = self.conv_in(tf.nn.relu(tf.concat(features, axis=-1)))
        if self.conditions is not None:
            hidden += self.bias(condition)
        looped = self.blocks > UNROLLED_BLOCKS and not tf.executing_eagerly()
        run = self._in_a_loop if looped else self._in_a_row
        return self.conv_out(tf.nn.relu(run(hidden) + self.skip.bias))

    def _in_a_row(self, hidden):
        """Runs the blocks; returns the sum of the skips."""
        stages, weights = [hidden], self._block_weights()
        for block in range(self.blocks):
            hidden = hidden + _branch(hidden, [tensor[block] for tensor in weights])
            stages.append(hidden)
        return convolved(tf.concat(stages, axis=-1), self.skip.kernel())

    def _in_a_loop(self, hidden):
        """Does the same, one block at a time, for a graph that does not grow with them."""
        skips = tf.split(self.skip.kernel(), self.blocks + 1, axis=2)
        weights = [*self._block_weights(), tf.stack(skips[1:])]
        arrays = [
            tf.TensorArray(
                w.dtype, self.blocks, element_shape=w.shape[1:], clear_after_read=False
            ).unstack(w)
            for w in weights
        ]

        def body(block, hidden, total):
            *own, skip = (array.read(block) for array in arrays)
            hidden = hidden + _branch(hidden, own)
            return block + 1, hidden, total + convolved(hidden, skip)

        start = (tf.constant(0), hidden, convolved(hidden, skips[0]))
        return tf.while_loop(
            lambda block, *_: block < self.blocks, body, start, maximum_iterations=self.blocks
        )[2]

    def _block_weights(self):
        """Returns kernels and biases of all blocks, stacked."""
        layers = (self.inner, self.outer)
        return [
            weight
            for layer in layers
            for weight in (layer.kernel(), tf.convert_to_tensor(layer.bias))
        ]

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "width": self.width,
            "blocks": self.blocks,
            "maps": self.maps,
            "conditions": self.conditions,
            "regularizer": keras.regularizers.serialize(self.regularizer),
        }


def _branch(hidden, weights):
    """Returns what a residual block adds, by kernel and bias of its two convolutions."""
    kernel_in, bias_in, kernel_out, bias_out = weights
    inner = tf.nn.relu(convolved(tf.nn.relu(hidden), kernel_in, bias_in))
    return convolved(inner, kernel_out, bias_out)


@register
class Residual(Specification):
    """A `ResidualNetwork`, RealNVP's.

    ```python
    import tfp_lcma as lcma

    network = lcma.networks.Residual(width=8, blocks=1)
    flow = lcma.models.glow((4, 4, 1), levels=1, steps=1, network=network)
    ```
    """

    def __init__(
        self, width: int = 32, blocks: int = 2, regularizer=None, dtype: str | None = None
    ):
        """Describes the network.

        Args:
            width: Number of channels of the hidden layers.
            blocks: Number of residual blocks.
            regularizer: Keras regulariser of the convolutions' gains.
            dtype: Keras dtype policy; None: the flow's type.

        Raises:
            ValueError: If a size is no whole number >= 1.
        """
        self.width, self.blocks = check_count(width, "width"), check_count(blocks, "blocks")
        self.regularizer, self.dtype = keras.regularizers.get(regularizer), dtype

    def get_config(self) -> dict:
        return {
            "width": self.width,
            "blocks": self.blocks,
            "regularizer": self.regularizer,
            "dtype": self.dtype,
        }

    def layer(self, outputs, maps, conditions, dtype):
        return ResidualNetwork(
            outputs,
            self.width,
            self.blocks,
            maps=maps,
            conditions=conditions,
            regularizer=self.regularizer,
            dtype=dtype,
        )
