"""A convolutional LSTM that is stepped by hand, one input at a time."""

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.networks.loop_convolution import loop_convolution
from tfp_lcma.serialization import register
from tfp_lcma.validation import check_count

# What a cell remembers between steps: its output h and its memory c.
State = tuple[tf.Tensor, tf.Tensor]


@register
class ConvLSTMCell(keras.layers.Layer):
    """One step of one layer of a convolutional LSTM.

    ```none
    i, f, o, g = conv([input, h]) + bias, of `channels` maps each
    c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h' = sigmoid(o) * tanh(c')
    ```

    One convolution computes all gates from input and state together. Keras'
    `ConvLSTM2D` does not serve here: its cell, which could be stepped, is not
    public, and its dilation spares the recurrent convolution.

    ```python
    import tfp_lcma as lcma

    cell = lcma.networks.ConvLSTMCell(channels=4)
    ```

    References:
        Shi et al.: Convolutional LSTM Network, equation 3, without peepholes.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 3,
        dilation: int = 1,
        forget_bias: float = 0.0,
        **kwargs,
    ):
        """Creates the cell.

        Args:
            channels: Number of channels of the state and of the output.
            kernel_size: Height and width of the kernel, an odd number.
            dilation: Distance between neighbours under the kernel, those in the state included.
            forget_bias: What the forget gate's bias starts at; 1 remembers more.
            **kwargs: Of `keras.layers.Layer`.

        Raises:
            ValueError: If a size is no whole number >= 1, or the kernel's is even.
        """
        super().__init__(**kwargs)
        self.channels = check_count(channels, "channels")
        self.kernel_size = check_odd(kernel_size, "kernel_size")
        self.dilation, self.forget_bias = check_count(dilation, "dilation"), forget_bias

    def build(self, input_shape, states_shape=None):
        self.kernel = self.add_weight(
            (
                self.kernel_size,
                self.kernel_size,
                input_shape[-1] + self.channels,
                4 * self.channels,
            ),
            initializer="glorot_uniform",
            name="kernel",
        )
        start = np.repeat([0.0, self.forget_bias, 0.0, 0.0], self.channels)
        self.bias = self.add_weight(
            (4 * self.channels,), initializer=keras.initializers.Constant(start), name="bias"
        )
        self.built = True

    def call(self, inputs, states):
        """Takes one step.

        Args:
            inputs: `[batch, height, width, any]`.
            states: The pair of h and c, `[batch, height, width, channels]` each.

        Returns:
            The output, which is the new h, and the new pair.
        """
        hidden, memory = states
        kernel = tf.convert_to_tensor(self.kernel)
        gates = loop_convolution(tf.concat([inputs, hidden], axis=-1), kernel, self.dilation)
        gates = tf.nn.bias_add(gates, tf.convert_to_tensor(self.bias))
        sigmoids, candidate = tf.split(gates, [3 * self.channels, self.channels], axis=-1)
        take, keep, show = tf.split(tf.sigmoid(sigmoids), 3, axis=-1)
        memory = keep * memory + take * tf.tanh(candidate)
        hidden = show * tf.tanh(memory)
        return hidden, (hidden, memory)

    def get_config(self):
        return {
            **super().get_config(),
            "channels": self.channels,
            "kernel_size": self.kernel_size,
            "dilation": self.dilation,
            "forget_bias": self.forget_bias,
        }


@register
class ConvLSTM(keras.layers.Layer):
    """Convolutional LSTM cells on top of each other, stepped together.

    The loop over steps is the caller's: in sampling an input is known only
    once the output before it is.

    ```python
    import tfp_lcma as lcma

    cells = lcma.networks.ConvLSTM(channels=4, depth=2)
    ```
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 3,
        dilation: int = 1,
        depth: int = 3,
        forget_bias: float = 0.0,
        **kwargs,
    ):
        """Creates the cells.

        Args:
            channels: Number of channels of every cell.
            kernel_size: Height and width of the kernels, an odd number.
            dilation: Distance between neighbours under the kernels.
            depth: Number of cells.
            forget_bias: What the forget gates' bias starts at.
            **kwargs: Of `keras.layers.Layer`.

        Raises:
            ValueError: If a size is no whole number >= 1, or the kernel's is even.
        """
        super().__init__(**kwargs)
        self.channels, self.kernel_size, self.dilation = channels, kernel_size, dilation
        self.depth, self.forget_bias = depth, forget_bias
        self.cells = [
            ConvLSTMCell(channels, kernel_size, dilation, forget_bias, dtype=self.dtype_policy)
            for _ in range(check_count(depth, "depth"))
        ]

    def build(self, input_shape, states_shape=None):
        for cell in self.cells:
            cell.build(input_shape)
            input_shape = (*input_shape[:-1], self.channels)
        self.built = True

    def start(self, like: tf.Tensor) -> tuple[State, ...]:
        """Returns the empty states before the first of inputs `[batch, height, width, any]`."""
        shape = tf.concat([tf.shape(like)[:-1], [self.channels]], axis=0)
        zeros = tf.zeros(shape, self.compute_dtype)
        zeros.set_shape((*like.shape[:-1], self.channels))
        return tuple((zeros, zeros) for _ in self.cells)

    def call(self, inputs, states):
        """Takes one step.

        Args:
            inputs: `[batch, height, width, any]`.
            states: A pair for every cell, as from `start` or the step before.

        Returns:
            The last cell's output `[batch, height, width, channels]` and the new states.
        """
        new_states = []
        for cell, state in zip(self.cells, states, strict=True):
            inputs, state = cell(inputs, state)
            new_states.append(state)
        return inputs, tuple(new_states)

    def get_config(self):
        return {
            **super().get_config(),
            "channels": self.channels,
            "kernel_size": self.kernel_size,
            "dilation": self.dilation,
            "depth": self.depth,
            "forget_bias": self.forget_bias,
        }


def check_odd(value, argument: str) -> int:
    """Returns a kernel's size, or raises a ValueError if it is not an odd whole number >= 1."""
    size = check_count(value, argument)
    if size % 2 == 0:
        raise ValueError(f"{argument} must be odd, so that the kernel has a middle; got {value!r}.")
    return size
