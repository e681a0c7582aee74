"""Convolutions whose kernels have a direction and a length of their own."""

import keras
import tensorflow as tf

from tfp_lcma.networks.stack import SliceWiseRegularizer
from tfp_lcma.serialization import register


@register
class WeightNormConv(keras.layers.Layer):
    """A stride-1 "same" convolution whose kernel has a direction and a length of its own.

    `kernel = gain * direction / ||direction||`, one gain per output channel.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    network = lcma.networks.WeightNormConv(filters=6, kernel_size=3)
    tuple(network(tf.zeros((2, 4, 4, 3))).shape)  # (2, 4, 4, 6)
    ```

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

    def kernel(self) -> tf.Tensor:
        """Returns the kernel, `[..., size, size, channels, filters]`."""
        direction = tf.convert_to_tensor(self.direction)
        # Summed in at least float32: a norm over bfloat16 squares loses a digit.
        sum_dtype = tf.float64 if direction.dtype == tf.float64 else tf.float32
        squares = tf.square(tf.cast(direction, sum_dtype))
        square_norm = tf.reduce_sum(squares, axis=(-4, -3, -2), keepdims=True)
        length = tf.cast(tf.math.rsqrt(square_norm), direction.dtype)
        gain = tf.convert_to_tensor(self.gain)
        return direction * (tf.reshape(gain, length.shape) * length)

    def call(self, inputs):
        return convolved(inputs, self.kernel(), self.bias)

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
class StackedWeightNormConv(WeightNormConv):
    """The variables of several alike `WeightNormConv`s, stacked along a leading axis.

    Never called: a network reads its kernels and biases.
    """

    def __init__(self, copies: int, filters: int, kernel_size: int, gain=1.0, **kwargs):
        """Stacks `copies` layers, see `WeightNormConv`."""
        super().__init__(filters, kernel_size, gain, **kwargs)
        self.copies = copies

    def build(self, input_shape):
        size, start = self.kernel_size, keras.initializers.get("he_normal")
        shape = (size, size, input_shape[-1], self.filters)

        def starts(_, dtype=None):
            # An initialiser goes by the shape of what it starts: of one copy.
            return tf.stack([start.clone()(shape, dtype=dtype) for _ in range(self.copies)])

        self.direction = self.add_weight(
            (self.copies, *shape), initializer=starts, name="direction"
        )
        self.gain = self.add_weight(
            (self.copies, self.filters),
            initializer=keras.initializers.Constant(self.initial_gain),
            regularizer=self.regularizer and SliceWiseRegularizer(self.regularizer),
            name="gain",
        )
        self.bias = self.add_weight((self.copies, self.filters), initializer="zeros", name="bias")
        self.built = True

    def get_config(self):
        return {**super().get_config(), "copies": self.copies}


def convolved(x: tf.Tensor, kernel: tf.Tensor, bias: keras.Variable | tf.Tensor | None = None):
    """Returns a stride-1 "same" convolution, with a bias or without."""
    result = tf.nn.conv2d(x, kernel, strides=1, padding="SAME")
    return result if bias is None else tf.nn.bias_add(result, tf.convert_to_tensor(bias))
