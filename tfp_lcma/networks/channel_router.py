"""What decides which channels are factored out: their scores, and entropies."""

import keras
import tensorflow as tf

from tfp_lcma.batch_statistics import batch_mean, share_of_mean
from tfp_lcma.networks.convolution import convolution
from tfp_lcma.serialization import register
from tfp_lcma.validation import check_count

ENTROPIES = ("negentropy", "log_variance")
# Invariants are sums of whole multiples of 1/256 up to 128 in size: the same in any order.
_STEPS, _REACH = 256.0, 128.0


def channel_entropy(values: tf.Tensor, score: str, rows: tf.Tensor | None = None) -> tf.Tensor:
    """Returns how high each channel's entropy is, `[channels]`, over batch and positions.

    Where several replicas share a batch, over all of it.

    ```none
    negentropy     -(skewness^2 / 12 + excess kurtosis^2 / 48), 0 for a Gaussian
    log_variance   log of the variance
    ```

    Args:
        values: `[batch, height, width, channels]`.
        score: One of `ENTROPIES`.
        rows: How many rows count, as of `batch_mean`.

    Returns:
        float32.

    References:
        Hyvarinen, Karhunen, Oja: Independent Component Analysis, chapter 5.6
        (negentropy by cumulants).
    """
    # Two axes and products: reductions of four and powers take a CPU several times as long.
    pixels = tf.reshape(tf.cast(values, tf.float32), (-1, values.shape[-1]))
    if rows is not None:
        rows *= values.shape[1] * values.shape[2]

    def mean(of_pixels):
        return batch_mean(of_pixels, (0,), rows)

    centred = pixels - mean(pixels)
    squares = centred * centred
    variance = mean(squares) + 1e-6
    if score == "log_variance":
        return tf.math.log(variance)
    skewness = mean(squares * centred) / variance**1.5
    kurtosis = mean(squares * squares) / variance**2 - 3
    return -(skewness**2 / 12 + kurtosis**2 / 48)


@register
class ChannelRouter(keras.layers.Layer):
    """Gives every channel of one tensor a score, by maps of the same positions.

    ```none
    scores = offset + dense(mean over positions of relu(conv3x3(maps)))
    loss   = weight * mean (scores - z-scored entropies)^2, in training
    ```

    Orders have no gradients, so likelihood teaches a router nothing: the loss does.
    """

    def __init__(self, channels: int, maps: int, weight: float, entropy: str, **kwargs):
        """Creates the layer.

        Args:
            channels: Number of channels that get a score.
            maps: Number of maps it goes by.
            weight: Of the loss.
            entropy: One of `ENTROPIES`.
            **kwargs: Of `keras.layers.Layer`.
        """
        super().__init__(**{"dtype": "float32", **kwargs})
        self.channels, self.maps = check_count(channels, "channels"), check_count(maps, "maps")
        self.weight, self.entropy = float(weight), entropy
        self.conv = convolution(8, 3, strides=2, padding="same", dtype=self.dtype_policy)
        self.dense = keras.layers.Dense(
            channels, use_bias=False, kernel_initializer="zeros", dtype=self.dtype_policy
        )
        self.build()

    def build(self, input_shape=None):
        self.conv.build((None, None, None, self.maps))
        self.dense.build((None, 8))
        self.offset = self.add_weight((self.channels,), initializer="zeros", name="offset")
        self.built = True

    def call(self, inputs, training=False, rows=None):
        """Returns scores `[batch, channels]`.

        Args:
            inputs: The maps, and the channels that are scored, which only the loss looks at.
            training: Whether to add the loss.
            rows: How many rows count in it, as of `batch_mean`.
        """
        maps, values = inputs
        pooled = tf.reduce_mean(tf.nn.relu(self.conv(tf.stop_gradient(maps))), axis=(1, 2))
        scores = self.offset.value + self.dense(pooled)
        if training:
            entropies = channel_entropy(tf.stop_gradient(values), self.entropy, rows)
            target = entropies - tf.reduce_mean(entropies)
            target /= tf.math.reduce_std(entropies) + 1e-6
            self.add_loss(self.weight * share_of_mean(tf.square(scores - target), rows))
        return scores


@register
class EntropyAverages(keras.layers.Layer):
    """Keeps a moving average of every channel's entropy, up to a number of training steps."""

    def __init__(self, channels: int, steps: int, entropy: str, **kwargs):
        """Creates the layer.

        Args:
            channels: Number of channels.
            steps: Passes of training after which nothing moves any more.
            entropy: One of `ENTROPIES`.
            **kwargs: Of `keras.layers.Layer`.
        """
        super().__init__(**{"dtype": "float32", **kwargs})
        self.channels, self.steps = channels, check_count(steps, "steps")
        self.entropy = entropy
        self.build()

    def build(self, input_shape=None):
        def state(name, shape):
            return self.add_weight(shape, initializer="zeros", trainable=False, name=name)

        self.averages, self.passes = state("averages", (self.channels,)), state("passes", ())
        self.built = True

    def update(self, values: tf.Tensor, rows: tf.Tensor | None = None) -> None:
        """Moves the averages towards a batch's entropies, while there are steps left."""
        entropies = channel_entropy(tf.stop_gradient(values), self.entropy, rows)
        passes = self.passes.value + 1
        # The plain mean at first, then a moving one over a hundred batches.
        rate = tf.maximum(1 / passes, 0.01) * tf.cast(passes <= self.steps, passes.dtype)
        self.averages.assign_add(rate * (entropies - self.averages.value))
        self.passes.assign(passes)


def invariant_maps(values: tf.Tensor) -> tf.Tensor:
    """Returns three maps that no permutation of the channels changes, not even by rounding.

    Mean, mean absolute value and maximum over channels, in fixed point: sums of
    integers are the same in any order.

    Args:
        values: `[batch, height, width, channels]`.

    Returns:
        float32 `[batch, height, width, 3]`.
    """
    bounded = tf.clip_by_value(tf.stop_gradient(values), -_REACH, _REACH)
    whole = tf.cast(tf.round(_STEPS * bounded), tf.int32)
    sums = [tf.reduce_sum(whole, axis=-1), tf.reduce_sum(tf.abs(whole), axis=-1)]
    maps = [tf.cast(total, tf.float32) / values.shape[-1] for total in sums]
    maps.append(tf.cast(tf.reduce_max(whole, axis=-1), tf.float32))
    return tf.stack(maps, axis=-1) / _STEPS
