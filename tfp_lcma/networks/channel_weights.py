"""The weights by which EIW-Flow's authors order channels, one vector for all images."""

import math

import keras
import tensorflow as tf

from tfp_lcma.batch_statistics import share_of_mean
from tfp_lcma.serialization import register
from tfp_lcma.validation import check_count

# The squeeze-and-excitation head has a sixteenth of the channels in its middle.
REDUCTION = 16


@register
class ChannelWeights(keras.layers.Layer):
    """Learns a weight for every channel, by a loss that compares the weights with the features.

    ```none
    w    = softmax(W2 relu(W1 C)),  C the number of channels: no input, so the same for all images
    s(z) = softmax(V2 relu(V1 mean of z over positions)), of the channels z in their new order
    loss = weight * dimensions * log 2 * mean over the batch of sum_i w_i (log w_i - s_i(z))
    ```

    The factors make it `weight` times the mean where the likelihood is in bits per dimension. The
    sum pairs the weight of channel i, as it came, with the feature in slot i. It looks like
    KL(w || s), but has s where that has its logarithm: it draws w to the uniform vector and to
    where s is large, and s to where w is largest, and passes a gradient into the features. The
    likelihood gives the weights none.

    References:
        The code of the authors of "Entropy-Informed Weighting Channel Normalizing Flow", from
        which these formulas are. Weights start there as PyTorch's linear layers do, and here too.
    """

    def __init__(self, channels: int, weight: float, **kwargs):
        """Creates the layer.

        Args:
            channels: Number of channels, at least 2.
            weight: Of the loss, in bits per dimension.
            **kwargs: Of `keras.layers.Layer`.
        """
        super().__init__(**{"dtype": "float32", **kwargs})
        self.channels, self.weight = check_count(channels, "channels"), float(weight)
        self.build()

    def build(self, input_shape=None):
        half, few = max(self.channels // 2, 1), max(self.channels // REDUCTION, 1)

        def kernel(name, rows, columns):
            # Uniform within 1 / sqrt(rows).
            start = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
            return self.add_weight((rows, columns), initializer=start, name=name)

        self.inner, self.outer = kernel("inner", 1, half), kernel("outer", half, self.channels)
        self.squeeze = kernel("squeeze", self.channels, few)
        self.excite = kernel("excite", few, self.channels)
        self.built = True

    def log_weights(self) -> tf.Tensor:
        """Returns log w, float64 `[channels]`.

        In float64, where no two programs, on whatever device, round two channels that have
        different weights into another order.
        """
        inner, outer = (tf.cast(kernel.value, tf.float64) for kernel in (self.inner, self.outer))
        hidden = tf.nn.relu(self.channels * inner[0])
        return tf.nn.log_softmax(tf.reduce_sum(hidden[:, None] * outer, axis=0))

    def call(self, ordered, dimensions, rows=None):
        """Adds the loss of a batch.

        Args:
            ordered: `[batch, height, width, channels]`, the channels in their new order.
            dimensions: Number of dimensions of the whole image.
            rows: How many rows count, as of `batch_mean`.
        """
        log_weights = tf.cast(self.log_weights(), ordered.dtype)
        pooled = tf.reduce_mean(ordered, axis=(1, 2))
        head = tf.nn.softmax(tf.nn.relu(pooled @ self.squeeze.value) @ self.excite.value)
        of_image = tf.reduce_sum(tf.exp(log_weights) * (log_weights - head), axis=-1)
        nats = self.weight * dimensions * math.log(2.0)
        self.add_loss(nats * share_of_mean(of_image, rows))
