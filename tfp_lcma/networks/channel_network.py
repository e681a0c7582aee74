"""The network of the channel-autoregressive prior: two maps a channel, from those before it."""

from collections.abc import Callable

import keras
import tensorflow as tf

from tfp_lcma.networks.condition import ConditionBias, Conditions, check_conditions
from tfp_lcma.networks.conv_lstm import ConvLSTM
from tfp_lcma.networks.convolution import convolution
from tfp_lcma.serialization import register

# What is computed from the tensor that stays: 4 maps, through 32 hidden channels, by 5x5 kernels.
MAPS, MAPS_HIDDEN, MAPS_KERNEL = 4, 32, 5


@register
class ChannelNetwork(keras.layers.Layer):
    """Goes through an image channel by channel and gives two maps of each before it sees it.

    ```none
    maps     = conv5x5(relu(conv5x5(kept))), four of them, where something stays
    e_j      = conv([channel j - 1, maps]) + bias(condition); zeros before the first channel
    h_j      = three layers of a convolutional LSTM at e_j
    result_j = conv3x3(h_j), which starts at zero
    ```

    The weights are the same for all channels. The convolution of channel and
    maps side by side is computed as the sum of one of each: what does not change
    from step to step is computed once. The bias is this package's.

    ```python
    import tfp_lcma as lcma

    network = lcma.networks.ChannelNetwork(kept_channels=2, hidden=4)
    ```

    References:
        Mahajan et al.: Normalizing Flows With Multi-Scale Autoregressive Priors;
        visinf/mar-scf, mar_prior/corr_prior.py and lstm.py.
    """

    def __init__(
        self,
        kept_channels: int | None,
        hidden: int = 8,
        kernel: int = 3,
        dilation: int = 1,
        forget_bias: float = 0.0,
        conditions: Conditions = None,
        **kwargs,
    ):
        """Creates the network, fully built.

        Args:
            kept_channels: Number of channels of what stays; None: nothing does.
            hidden: Number of channels of the embedding and of the LSTM.
            kernel: Height and width of their kernels.
            dilation: Dilation of the LSTM's convolutions.
            forget_bias: What the LSTM's forget gates' bias starts at.
            conditions: Number of classes, or the shape of a vector, that it is
                conditioned on; None if unconditional.
            **kwargs: Of `keras.layers.Layer`.
        """
        super().__init__(**kwargs)
        self.kept_channels, self.hidden, self.kernel = kept_channels, hidden, kernel
        self.dilation, self.forget_bias = dilation, forget_bias
        self.conditions = check_conditions(conditions)

        def conv(channels, size, **options):
            return convolution(channels, size, padding="same", dtype=self.dtype_policy, **options)

        self.embed = conv(hidden, kernel)
        self.lstm = ConvLSTM(
            hidden, kernel, dilation, forget_bias=forget_bias, dtype=self.dtype_policy
        )
        self.head = conv(2, 3, kernel_initializer="zeros")
        if kept_channels is not None:
            self.conv_in = conv(MAPS_HIDDEN, MAPS_KERNEL, activation="relu")
            self.conv_maps = conv(MAPS, MAPS_KERNEL)
            self.embed_maps = conv(hidden, kernel, use_bias=False)
        if self.conditions is not None:
            start = keras.initializers.RandomNormal(stddev=0.05)
            self.bias = ConditionBias(hidden, self.conditions, start, dtype=self.dtype_policy)
        self.build()

    def build(self, input_shape=None):
        plane = (None, None, None)
        self.embed.build((*plane, 1))
        self.lstm.build((*plane, self.hidden))
        self.head.build((*plane, self.hidden))
        if self.kept_channels is not None:
            self.conv_in.build((*plane, self.kept_channels))
            self.conv_maps.build((*plane, MAPS_HIDDEN))
            self.embed_maps.build((*plane, MAPS))
        self.built = True

    def call(self, x, kept=None, condition=None):
        """Gives the maps of all channels of a known image; only the LSTM goes step by step.

        Args:
            x: `[batch, height, width, channels]`.
            kept: `[batch, height, width, kept_channels]`; None: nothing stays.
            condition: Classes `[batch]` or vectors `[batch, k]`; None if unconditional.

        Returns:
            `[batch, height, width, channels, 2]`; those of channel j depend on
            the channels before it.
        """
        channels = _channels_first(x)
        steps = channels.shape[0]
        before = tf.concat([tf.zeros_like(channels[:1]), channels[:-1]], axis=0)
        embedded = _batched(self.embed, before) + self._context(kept, condition)
        inputs = _array(embedded).unstack(embedded)

        def step(j, states, outputs):
            output, states = self.lstm(inputs.read(j), states)
            return j + 1, states, outputs.write(j, output)

        start = (0, self.lstm.start(channels[0]), _array(embedded))
        outputs = _loop(steps, step, start)[-1].stack()
        return tf.transpose(_batched(self.head, outputs), (1, 2, 3, 0, 4))

    def sequential(
        self,
        z: tf.Tensor,
        place: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
        kept: tf.Tensor | None = None,
        condition=None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Makes an image channel by channel, each by means of its maps, in one loop.

        Args:
            z: `[batch, height, width, channels]`, what the image is made of.
            place: Makes a channel `[batch, height, width, 1]` of that of `z` and
                of its maps `[batch, height, width, 1, 2]`.
            kept: As for `call`.
            condition: As for `call`.

        Returns:
            The image, in the shape of `z`, and what `call` gives for it.
        """
        channels = _channels_first(z)
        context = self._context(kept, condition)
        noise = _array(channels).unstack(channels)

        def step(j, previous, states, image, all_maps):
            output, states = self.lstm(self.embed(previous) + context, states)
            maps = self.head(output)
            channel = place(noise.read(j), maps[..., None, :])
            return j + 1, channel, states, image.write(j, channel), all_maps.write(j, maps)

        nothing = tf.zeros_like(channels[0])
        all_maps = tf.TensorArray(
            self.compute_dtype, channels.shape[0], element_shape=(*nothing.shape[:-1], 2)
        )
        start = (0, nothing, self.lstm.start(nothing), _array(channels), all_maps)
        *_, image, all_maps = _loop(channels.shape[0], step, start)
        image = tf.transpose(image.stack()[..., 0], (1, 2, 3, 0))
        return image, tf.transpose(all_maps.stack(), (1, 2, 3, 0, 4))

    def _context(self, kept, condition):
        """Returns what is added to every step's embedding; 0 if there is nothing to add."""
        parts = []
        if self.kept_channels is not None:
            parts.append(self.embed_maps(self.conv_maps(self.conv_in(kept))))
        if self.conditions is not None:
            parts.append(self.bias(condition))
        return sum(parts)

    def get_config(self):
        return {
            **super().get_config(),
            "kept_channels": self.kept_channels,
            "hidden": self.hidden,
            "kernel": self.kernel,
            "dilation": self.dilation,
            "forget_bias": self.forget_bias,
            "conditions": self.conditions,
        }


def _channels_first(x):
    """[batch, height, width, channels] -> [channels, batch, height, width, 1]."""
    return tf.transpose(x, (3, 0, 1, 2))[..., None]


def _batched(layer, x):
    """Runs a layer on `[channels, batch, ...]` with the channels folded into the batch."""
    y = layer(tf.reshape(x, (-1, *x.shape[2:])))
    return tf.reshape(y, (x.shape[0], -1, *y.shape[1:]))


def _array(like):
    """Returns an empty array for tensors like the rows of `like`."""
    return tf.TensorArray(like.dtype, like.shape[0], element_shape=like.shape[1:])


def _loop(steps, step, start):
    """Runs `step`, which counts in its first argument; XLA's gradient must know how often."""
    return tf.while_loop(lambda j, *_: j < steps, step, start, maximum_iterations=steps)
