"""A convolutional network that is a contraction, with the products that its log-det needs."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf

from tfp_lcma.networks.condition import ConditionBias, Conditions, check_conditions
from tfp_lcma.networks.lipschitz_convolution import LipschitzConv, conv, conv_transpose
from tfp_lcma.serialization import register

# The slope of h * sigmoid(beta * h) is at most 1.0998, whatever beta.
SWISH_SLOPE = 1.1


class Linearization(NamedTuple):
    """A network at one batch of inputs: its value and its Jacobian J, ready to be multiplied by.

    Attributes:
        value: g(x), `[n, height, width, channels]`.
        kernels: The bounded kernels, first to last.
        slopes: The activations' derivatives between them, each `[n, ...]`.
    """

    value: tf.Tensor
    kernels: tuple[tf.Tensor, ...]
    slopes: tuple[tf.Tensor, ...]

    def pull(self, rows: tf.Tensor) -> tf.Tensor:
        """Returns `rows^T J` of every input, `[n, height, width, channels]`."""
        for kernel, slope in zip(self.kernels[:0:-1], self.slopes[::-1], strict=True):
            rows = conv_transpose(rows, kernel) * slope
        return conv_transpose(rows, self.kernels[0])

    def push(self, columns: tf.Tensor) -> tf.Tensor:
        """Returns `J columns` of every input, `[n, height, width, channels]`."""
        for kernel, slope in zip(self.kernels[:-1], self.slopes, strict=True):
            columns = conv(columns, kernel) * slope
        return conv(columns, self.kernels[-1])

    def repeated(self, times: int) -> "Linearization":
        """Returns the same with every input's row `times` over, copies side by side."""
        if times == 1:
            return self

        def copies(rows):
            # As `tf.repeat`, whose gradient XLA does not compile in a loop.
            return tf.reshape(tf.stack([rows] * times, axis=1), (-1, *rows.shape[1:]))

        slopes = tuple(copies(slope) for slope in self.slopes)
        return Linearization(copies(self.value), self.kernels, slopes)

    def frozen(self) -> "Linearization":
        """Returns the same without its gradients."""
        return tf.nest.map_structure(tf.stop_gradient, self)


class BoundedWeights(NamedTuple):
    """What a `LipschitzNetwork` computes with in one pass: tensors, computed once."""

    kernels: tuple[tf.Tensor, ...]
    biases: tuple[tf.Tensor, ...]
    sharpness: tuple[tf.Tensor, ...]

    def frozen(self) -> "BoundedWeights":
        """Returns the same without its gradients."""
        return tf.nest.map_structure(tf.stop_gradient, self)


@register
class LipschitzNetwork(keras.layers.Layer):
    """Three convolutions with LipSwish between them, together a contraction.

    ```none
    g(x) = conv3x3(s(conv1x1(s(conv3x3(x))))),  the last of which starts at zero
    s(h) = h * sigmoid(softplus(beta) * h) / 1.1,  beta learned, one number each
    |g(x) - g(y)| <= coefficient * |x - y|
    ```

    A log-det trains through derivatives of g, so the activation must have second derivatives that
    do not vanish where its slope is largest; ELU's do. It has slopes of at most 1, and each
    convolution a norm of at most `coefficient ** (1/3)`.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    network = lcma.networks.LipschitzNetwork(width=8)
    tuple(network(tf.zeros((2, 4, 4, 3))).shape)  # (2, 4, 4, 3)
    ```

    References:
        Chen, Behrmann, Duvenaud, Jacobsen: Residual flows, section 3.3 (LipSwish), appendix E.
    """

    def __init__(
        self,
        width: int,
        coefficient: float = 0.9,
        iterations: int = 10,
        conditions: Conditions = None,
        **kwargs,
    ):
        """Creates the network; it has as many output channels as its input.

        Args:
            width: Number of channels of the hidden layers.
            coefficient: The bound of the Lipschitz constant, in (0, 1).
            iterations: Rounds of every convolution's power iteration.
            conditions: Number of classes, or the shape of a vector, that it is conditioned on, by
                a bias of the first hidden channels; None if unconditional.
            **kwargs: Of `keras.layers.Layer`.

        Raises:
            ValueError: If `coefficient` is not in (0, 1).
        """
        super().__init__(**kwargs)
        if not 0 < coefficient < 1:
            raise ValueError(
                f"coefficient must lie between 0 and 1, ends excluded; got {coefficient!r}."
            )
        self.width, self.coefficient, self.iterations = width, coefficient, iterations
        self.conditions = check_conditions(conditions)

    def build(self, input_shape):
        share = self.coefficient ** (1 / 3)

        def layer(filters, size, start="he_normal"):
            return LipschitzConv(
                filters, size, share, self.iterations, start, dtype=self.dtype_policy
            )

        hidden = (*input_shape[:-1], self.width)
        self.convolutions = [
            layer(self.width, 3),
            layer(self.width, 1),
            layer(input_shape[-1], 3, "zeros"),
        ]
        for convolution, shape in zip(
            self.convolutions, (input_shape, hidden, hidden), strict=True
        ):
            convolution.build(shape)
        self.raw_sharpness = [
            self.add_weight((), initializer=keras.initializers.Constant(0.5), name=f"beta_{i}")
            for i in range(2)
        ]
        if self.conditions is not None:
            start = keras.initializers.RandomNormal(stddev=0.05)
            self.bias = ConditionBias(self.width, self.conditions, start, dtype=self.dtype_policy)
        self.built = True

    def bounded_weights(self, training: bool = False, condition=None) -> BoundedWeights:
        """Returns the weights of one pass; in training the power iterations are carried on."""
        biases = [tf.identity(layer.bias.value) for layer in self.convolutions]
        if self.conditions is not None:
            if condition is None:
                raise ValueError(
                    f"condition must be given to a flow with conditions={self.conditions}."
                )
            biases[0] += self.bias(condition)
        return BoundedWeights(
            tuple(layer.bounded_kernel(training) for layer in self.convolutions),
            tuple(biases),
            tuple(tf.nn.softplus(beta.value) for beta in self.raw_sharpness),
        )

    def call(self, inputs, condition=None, training=False):
        return network_value(inputs, self.bounded_weights(training, condition))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "width": self.width,
            "coefficient": self.coefficient,
            "iterations": self.iterations,
            "conditions": self.conditions,
        }


def network_value(x: tf.Tensor, weights: BoundedWeights) -> tf.Tensor:
    """Returns g(x), `[n, height, width, channels]`."""
    return _run(x, weights, lambda gate, beta, hidden: None)[0]


def linearize(x: tf.Tensor, weights: BoundedWeights) -> Linearization:
    """Returns g at `x` together with its Jacobian there."""

    def slope(gate, beta, hidden):
        return (gate + beta * hidden * gate * (1 - gate)) / SWISH_SLOPE

    value, slopes = _run(x, weights, slope)
    return Linearization(value, weights.kernels, tuple(slopes))


def _run(x: tf.Tensor, weights: BoundedWeights, keep: Callable):
    """Runs the network and keeps something of every activation."""
    kept, hidden = [], x
    layers = zip(weights.kernels[:-1], weights.biases[:-1], weights.sharpness, strict=True)
    for kernel, bias, beta in layers:
        hidden = conv(hidden, kernel) + bias
        gate = tf.sigmoid(beta * hidden)
        kept.append(keep(gate, beta, hidden))
        hidden = hidden * gate / SWISH_SLOPE
    return conv(hidden, weights.kernels[-1]) + weights.biases[-1], kept
