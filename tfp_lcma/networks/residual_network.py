"""The weight-normalised residual network of RealNVP's couplings."""

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.networks.condition import ConditionBias, Conditions, check_conditions
from tfp_lcma.serialization import register

# Inputs have variance one or so. Bounding them smoothly keeps a rare one from
# being amplified coupling by coupling until its likelihood is absurd.
INPUT_BOUND = 6.0


@register
class WeightNormConv(keras.layers.Layer):
    """A stride-1 "same" convolution whose kernel has a direction and a length of its own.

    `kernel = gain * direction / ||direction||`, one gain per output channel.

    References:
      Salimans, Kingma: Weight normalization, equation 2.
    """

    def __init__(self, filters: int, kernel_size: int, gain=1.0, regularizer=None, **kwargs):
        """Creates the layer.

        Args:
          filters: Number of output channels.
          kernel_size: Height and width of the kernel.
          gain: Initial gain; 0 makes the layer start at zero.
          regularizer: Keras regulariser of the gains.
          **kwargs: Of `keras.layers.Layer`.
        """
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.initial_gain = filters, kernel_size, gain
        self.regularizer = keras.regularizers.get(regularizer)

    def build(self, input_shape):
        self.direction = self.add_weight(
            (self.kernel_size, self.kernel_size, input_shape[-1], self.filters),
            initializer="he_normal",
            name="direction",
        )
        self.gain = self.add_weight(
            (self.filters,),
            initializer=keras.initializers.Constant(self.initial_gain),
            regularizer=self.regularizer,
            name="gain",
        )
        self.bias = self.add_weight((self.filters,), initializer="zeros", name="bias")
        self.built = True

    def call(self, inputs):
        direction = tf.convert_to_tensor(self.direction)
        # Summed in at least float32: a norm over bfloat16 squares loses a digit.
        sum_dtype = tf.float64 if direction.dtype == tf.float64 else tf.float32
        square_norm = tf.reduce_sum(tf.square(tf.cast(direction, sum_dtype)), axis=(0, 1, 2))
        length = tf.cast(tf.math.rsqrt(square_norm), direction.dtype)
        kernel = direction * (tf.convert_to_tensor(self.gain) * length)
        return tf.nn.conv2d(inputs, kernel, strides=1, padding="SAME") + self.bias

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "gain": self.initial_gain,
            "regularizer": keras.regularizers.serialize(self.regularizer),
        }


@register
class ResidualNetwork(keras.layers.Layer):
    """RealNVP's coupling network: pre-activation residual blocks with summed skips.

    ```none
    x = 6 tanh(input / 6)
    h_0 = conv3x3(relu([x, -x, context])) + bias(condition)
    h_k = h_{k-1} + conv3x3(relu(conv3x3(relu(h_{k-1}))))
    result = conv1x1(relu(sum of conv1x1(h_k) over k)), which starts at zero
    ```

    The skips' sum is computed as one convolution of all h_k, side by side. All
    convolutions are weight-normalised. The paper's batch normalisation
    inside the network is left out, since it makes a likelihood depend on its
    batch; a smooth bound on the input keeps the network in range instead.
    The bias is this package's. Called on `(input, condition)` if it has
    conditions, else on the input.

    References:
      Dinh, Sohl-Dickstein, Bengio: Density estimation using Real NVP, sections 3.2 and 4.1.
    """

    def __init__(
        self,
        filters: int,
        width: int,
        blocks: int,
        context: np.ndarray | None = None,
        conditions: Conditions = None,
        regularizer=None,
        **kwargs,
    ):
        """Creates the network.

        Args:
          filters: Number of output channels.
          width: Number of channels of the hidden layers.
          blocks: Number of residual blocks.
          context: Constant maps `[height, width, k]` shown to the network beside
            its input, such as the mask.
          conditions: Number of classes, or the shape of a vector, that it is
            told beside its input; None: nothing.
          regularizer: Keras regulariser of the convolutions' gains.
          **kwargs: Of `keras.layers.Layer`.
        """
        super().__init__(**kwargs)
        self.filters, self.width, self.blocks = filters, width, blocks
        self.context = None if context is None else np.asarray(context, np.float32)
        self.regularizer = keras.regularizers.get(regularizer)
        self.conditions = check_conditions(conditions)

        def conv(channels, kernel_size, gain):
            return WeightNormConv(
                channels, kernel_size, gain, self.regularizer, dtype=self.dtype_policy
            )

        # He's gain keeps the scale through a ReLU; the residual branches share it.
        he = float(np.sqrt(2.0))
        share = float(np.sqrt(2.0 / max(blocks, 1)))
        self.conv_in = conv(width, 3, he)
        self.inner = [conv(width, 3, he) for _ in range(blocks)]
        self.outer = [conv(width, 3, share) for _ in range(blocks)]
        self.skip = conv(width, 1, 1.0)
        self.conv_out = conv(filters, 1, 0.0)
        if self.conditions is not None:
            start = keras.initializers.RandomNormal(stddev=0.05)
            self.bias = ConditionBias(width, self.conditions, start, dtype=self.dtype_policy)

    def build(self, input_shape):
        context_channels = 0 if self.context is None else self.context.shape[-1]
        hidden = (*input_shape[:-1], self.width)
        self.conv_in.build((*input_shape[:-1], 2 * input_shape[-1] + context_channels))
        for layer in (*self.inner, *self.outer, self.conv_out):
            layer.build(hidden)
        self.skip.build((*input_shape[:-1], self.width * (self.blocks + 1)))
        self.built = True

    def call(self, inputs):
        inputs, condition = inputs if self.conditions is not None else (inputs, None)
        inputs = INPUT_BOUND * tf.tanh(inputs / INPUT_BOUND)
        features = [inputs, -inputs]
        if self.context is not None:
            context = tf.constant(self.context, dtype=inputs.dtype)
            batched = (tf.shape(inputs)[0], *self.context.shape)
            features.append(tf.broadcast_to(context, batched))
        hidden = self.conv_in(tf.nn.relu(tf.concat(features, axis=-1)))
        if condition is not None:
            hidden += self.bias(condition)
        stages = [hidden]
        for inner, outer in zip(self.inner, self.outer, strict=True):
            hidden = hidden + outer(tf.nn.relu(inner(tf.nn.relu(hidden))))
            stages.append(hidden)
        return self.conv_out(tf.nn.relu(self.skip(tf.concat(stages, axis=-1))))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "width": self.width,
            "blocks": self.blocks,
            "context": self.context,
            "conditions": self.conditions,
            "regularizer": keras.regularizers.serialize(self.regularizer),
        }

    @classmethod
    def from_config(cls, config):
        context = keras.saving.deserialize_keras_object(config["context"])
        return cls(**{**config, "context": context})
