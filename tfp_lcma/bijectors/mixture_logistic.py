"""The coupling of Flow++: the logit of a mixture of logistics, then an affine map."""

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.coupling import AffineHead, Coupling
from tfp_lcma.bijectors.mixture_cdf import LogisticMixture, logit_cdf, quantile
from tfp_lcma.serialization import register
from tfp_lcma.validation import check_count

# exp(5) = 148: narrow enough for one intensity of 256 in data of variance one.
LOG_SCALE_BOUND = 5.0
# Components start at different places, or all would learn the same.
SPREAD = 1.0


class MixtureHead(keras.layers.Layer):
    """Turns a network's output into one mixture of logistics per moved number.

    ```none
    log_weight = log_softmax(raw),  mean = raw + offset,  log_scale = 5 tanh(raw / 5)
    ```

    The offsets are learned, for every channel and component, and start evenly
    spaced within (-1, 1). Behind a last layer of zeros all components would
    otherwise be equal, get equal gradients and stay equal. The logit of the
    starting mixture is off the identity by less than log(sinh 1) = 0.161, with
    a slope between 0.924 and 1; of a single component it is the identity.
    """

    def __init__(self, channels: int, components: int, **kwargs):
        super().__init__(**kwargs)
        self.channels, self.components = channels, components
        self.build()

    def build(self, input_shape=None):
        self.offset = self.add_weight(
            (self.channels, self.components), initializer=_evenly_spaced, name="offset"
        )
        self.built = True

    def call(self, raw):
        raw = tf.reshape(raw, (-1, *raw.shape[1:-1], self.channels, 3 * self.components))
        weights, means, log_scales = tf.split(raw, 3, axis=-1)
        return LogisticMixture(
            tf.nn.log_softmax(weights),
            means + self.offset.value,
            LOG_SCALE_BOUND * tf.tanh(log_scales / LOG_SCALE_BOUND),
        )


@register
class MixtureLogisticCoupling(Coupling):
    """Maps one part of the image by the logit of a mixture's distribution function.

    ```none
    shift, log_scale, weight_k, mean_k, log_scale_k = network(kept),  k = 1 ... K
    F(x)      = sum_k weight_k sigmoid((x - mean_k) exp(-log_scale_k)),  f = dF/dx
    inverse   z = (logit F(x) + shift) * exp(log_scale)       where moved
    forward   x = F^{-1}(sigmoid(z * exp(-log_scale) - shift))  where moved
    log-det   log f - log F - log(1 - F) + log_scale          where moved, else 0
    ```

    All log-scales are bounded smoothly: the components' to 5 in size, that of
    the affine map by a learned multiple of tanh. The forward map is a search
    for the root within a bracket that holds it; it always ends, at the
    precision of the type. Its gradient is the implicit one and has no second.
    The bounds keep the slope of the logit below exp(5); between components that
    part it may be as flat as the data leave it empty. The coupling starts near
    the identity, see `MixtureHead`.

    References:
      Ho, Chen, Srinivas, Duan, Abbeel: Flow++. Bounds, start and the search
      are this package's.
    """

    parameters_per_channel = 2 + 3 * 32

    def __init__(
        self,
        mask: np.ndarray,
        network: keras.layers.Layer,
        *,
        components: int = 32,
        regularizer=None,
        dtype: str = "float32",
        name: str | None = None,
    ):
        """Creates the coupling; see `Coupling`.

        Args:
          mask: Boolean array, true where the input is kept.
          network: Keras layer to `2 + 3 * components` numbers for every moved
            channel: first the shifts of all channels, then their log-scales,
            then channel by channel the weights, means and log-scales of the
            components.
          components: Number of logistics in a mixture.
          regularizer: Keras regulariser of the bound of the affine log-scale.
          dtype: Type of activations and log-dets.
          name: Name of the bijector.

        Raises:
          ValueError: If `components` is no whole number >= 1, or as `Coupling`.
        """
        self.components = check_count(components, "components")
        self.parameters_per_channel = 2 + 3 * self.components
        self._regularizer = keras.regularizers.get(regularizer)
        super().__init__(mask, network, dtype=dtype, name=name)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "components": self.components,
            "regularizer": self._regularizer,
        }

    def _make_layers(self, channels, dtype):
        self._affine = AffineHead(channels, self._regularizer, dtype=dtype)
        self._mixture = MixtureHead(channels, self.components, dtype=dtype)
        return [self._affine, self._mixture]

    def move(self, moved, raw):
        shift, log_scale, mixture = self._read(raw)
        logit, log_slope = logit_cdf(moved, mixture)
        return (logit + shift) * tf.exp(log_scale), log_slope + log_scale

    def move_back(self, moved, raw):
        shift, log_scale, mixture = self._read(raw)
        moved = quantile(moved * tf.exp(-log_scale) - shift, mixture)
        return moved, -logit_cdf(moved, mixture)[1] - log_scale

    def _read(self, raw):
        """Returns shift, log-scale and mixture, as a network's output says."""
        affine = 2 * self._affine.channels
        return *self._affine(raw[..., :affine]), self._mixture(raw[..., affine:])


def _evenly_spaced(shape, dtype=None):
    """The middles of as many equal parts of (-SPREAD, SPREAD) as there are components."""
    middles = (2 * np.arange(shape[-1]) + 1) / shape[-1] - 1
    return tf.cast(np.broadcast_to(SPREAD * middles, shape), dtype)
