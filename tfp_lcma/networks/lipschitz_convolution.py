"""A convolution whose operator norm is bounded."""

import math

import keras
import tensorflow as tf

from tfp_lcma.serialization import register
from tfp_lcma.validation import check_count


@register
class LipschitzConv(keras.layers.Layer):
    """A stride-1 "same" convolution whose operator norm is at most `bound`.

    ```none
    kernel = raw / max(1, norm / bound)
    norm   = u . conv(v, raw),  u, v: power iteration through conv and its transpose
    ```

    The norm is that of the zero-padded convolution on maps of the size that the
    layer was built for; a reshaped kernel's says little about it.

    It is found anew at every call, by `iterations` rounds that start from a stored direction: a
    function of the weights and of that direction alone. So density and sampling use one kernel,
    saved and loaded models too, and weights that came from elsewhere (a file, an average, noise)
    are bounded as well. Training keeps the direction up to date, which is what makes few rounds
    enough. The iteration approaches the norm from below: leave room between the bound and what
    must not be reached.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    network = lcma.networks.LipschitzConv(filters=6, kernel_size=3)
    tuple(network(tf.zeros((2, 4, 4, 3))).shape)  # (2, 4, 4, 6)
    ```

    References:
        Gouk, Frank, Pfahringer, Cree: Regularisation of neural networks by enforcing
        Lipschitz continuity, section 4.2 (the iteration through the convolution).
        Behrmann et al.: Invertible residual networks, section 2.1 (the cap).
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        bound: float = 1.0,
        iterations: int = 10,
        kernel_initializer="he_normal",
        **kwargs,
    ):
        """Creates the layer.

        Args:
            filters: Number of output channels.
            kernel_size: Height and width of the kernel.
            bound: The most that the operator norm may be.
            iterations: Rounds of the power iteration at a call.
            kernel_initializer: Of the kernel before it is bounded.
            **kwargs: Of `keras.layers.Layer`.

        Raises:
            ValueError: If a number is out of range.
        """
        super().__init__(**kwargs)
        if not 0 < bound < math.inf:
            raise ValueError(f"bound must be positive and finite; got {bound!r}.")
        self.filters = check_count(filters, "filters")
        self.kernel_size, self.bound = check_count(kernel_size, "kernel_size"), bound
        self.iterations = check_count(iterations, "iterations")
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        channels, size = input_shape[-1], self.kernel_size
        self.kernel = self.add_weight(
            (size, size, channels, self.filters), initializer=self.kernel_initializer, name="kernel"
        )
        self.bias = self.add_weight((self.filters,), initializer="zeros", name="bias")
        # A 1x1 convolution has the same norm on one pixel as on a map.
        sides = (1, 1) if size == 1 else input_shape[1:3]
        self.direction = self.add_weight(
            (1, *sides, channels),
            initializer="random_normal",
            trainable=False,
            # All replicas have the same weights, so they find the same direction.
            aggregation="only_first_replica",
            name="direction",
        )
        self.built = True

    def bounded_kernel(self, training: bool = False) -> tf.Tensor:
        """Returns the kernel of the convolution; in training the direction is kept for next time.

        The gradient goes through the norm, at fixed `u` and `v`.
        """
        raw = self.kernel.value
        fixed = tf.stop_gradient(raw)

        def one_round(direction):
            return (_unit(conv_transpose(conv(direction, fixed), fixed)),)

        stored = _unit(self.direction.value)
        (direction,) = tf.while_loop(
            lambda direction: True, one_round, (stored,), maximum_iterations=self.iterations
        )
        # A kernel of zeros, which networks end with at first, points nowhere.
        direction = tf.stop_gradient(tf.where(tf.reduce_any(direction != 0), direction, stored))
        if training:
            self.direction.assign(direction)
        image = conv(direction, raw)
        norm = tf.reduce_sum(tf.stop_gradient(_unit(image)) * image)
        return raw / tf.maximum(tf.ones((), raw.dtype), norm / self.bound)

    def call(self, inputs, training=False):
        return conv(inputs, self.bounded_kernel(training)) + self.bias.value

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "bound": self.bound,
            "iterations": self.iterations,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def conv(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """A stride-1 convolution that keeps the size of a map."""
    return tf.nn.conv2d(x, kernel, strides=1, padding="SAME")


def conv_transpose(y: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """The transpose of `conv` as a linear map."""
    shape = (*y.shape[:3], kernel.shape[2])
    if None in shape:
        sizes = tf.concat([tf.shape(y)[:3], kernel.shape[2:3]], axis=0)
        x = tf.nn.conv2d_transpose(y, kernel, sizes, strides=1, padding="SAME")
        return tf.ensure_shape(x, shape)
    return tf.nn.conv2d_transpose(y, kernel, shape, strides=1, padding="SAME")


def _unit(vector: tf.Tensor) -> tf.Tensor:
    """Returns `vector` at length one, or zeros if it has none."""
    return tf.math.divide_no_nan(vector, tf.norm(vector))
