"""The transform of Flow++: the logit of a mixture of logistics, then an affine map."""

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.transforms.affine import AffineHead
from tfp_lcma.bijectors.transforms.mixture_cdf import LogisticMixture, logit_cdf, quantile
from tfp_lcma.bijectors.transforms.transform import Transform
from tfp_lcma.serialization import register
from tfp_lcma.validation import check_count

# exp(5) = 148: narrow enough for one intensity of 256 in data of variance one.
LOG_SCALE_BOUND = 5.0
# Components start at different places, or all would learn the same.
SPREAD = 1.0


@register
class MixtureHead(keras.layers.Layer):
    """Turns a network's output into one mixture of logistics per moved number.

    ```none
    log_weight = log_softmax(raw),  mean = raw + offset,  log_scale = 5 tanh(raw / 5)
    ```

    The offsets are learned, for every channel and component, and start evenly spaced within (-1,
    1). Behind a last layer of zeros all components would otherwise be equal, get equal gradients
    and stay equal. The logit of the starting mixture is off the identity by less than log(sinh 1)
    = 0.161, with a slope between 0.924 and 1; of a single component it is the identity.
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

    def get_config(self):
        own = {"channels": self.channels, "components": self.components}
        return {**super().get_config(), **own}


@register
class MixtureLogisticHead(keras.layers.Layer):
    """Turns a network's output into shift, log-scale and mixture of every moved number.

    First come the shifts of all channels, then their log-scales, then channel by
    channel the weights, means and log-scales of the components.
    """

    def __init__(self, channels: int, components: int, regularizer=None, **kwargs):
        super().__init__(**kwargs)
        self.affine = AffineHead(channels, regularizer, dtype=self.dtype_policy)
        self.mixture = MixtureHead(channels, components, dtype=self.dtype_policy)
        self.built = True

    def call(self, raw):
        numbers = 2 * self.affine.channels
        return *self.affine(raw[..., :numbers]), self.mixture(raw[..., numbers:])

    def get_config(self):
        affine = self.affine.get_config()
        return {
            **super().get_config(),
            "channels": self.mixture.channels,
            "components": self.mixture.components,
            "regularizer": affine["regularizer"],
        }


@register
class MixtureLogistic(Transform):
    r"""The logit of a mixture's distribution function, then an affine map.

    ```math
    F(x) &= \sum_{k=1}^K w_k \, \sigma((x - m_k) e^{-s_k}), \quad f = dF/dx \\
    \text{inverse} \quad z &= (\text{logit} \, F(x) + b) \, e^a \\
    \text{forward} \quad x &= F^{-1}(\sigma(z e^{-a} - b)) \\
    \text{log-det} \quad d &= \log f - \log F - \log(1 - F) + a
    ```

    A network gives shift b, log-scale a, and every component's weight, mean and log-scale.

    All log-scales are bounded smoothly: the components' to 5 in size, that of the affine map by a
    learned multiple of tanh. The forward map is a search for the root within a bracket that holds
    it; it always ends, at the precision of the type. Its gradient is the implicit one and has no
    second. The bounds keep the slope of the logit below exp(5); between components that part it
    may be as flat as the data leave it empty. The transform starts near the identity, see
    `MixtureHead`.

    ```python
    import tfp_lcma as lcma

    mixture = lcma.transforms.MixtureLogistic(components=4)
    flow = lcma.models.glow((4, 4, 1), levels=1, steps=1, width=4, coupling=mixture)
    ```

    References:
        Ho, Chen, Srinivas, Duan, Abbeel: Flow++. Bounds, start and the search
        are this package's.
    """

    searches = True

    def __init__(self, components: int = 32, regularizer=None):
        """Creates the transform.

        Args:
            components: Number of logistics in a mixture.
            regularizer: Keras regulariser of the bound of the affine log-scale.

        Raises:
            ValueError: If `components` is no whole number >= 1.
        """
        self._components = check_count(components, "components")
        self._regularizer = keras.regularizers.get(regularizer)
        self.parameters_per_dimension = 2 + 3 * self._components

    def get_config(self) -> dict:
        return {"components": self._components, "regularizer": self._regularizer}

    def head(self, channels, dtype):
        return MixtureLogisticHead(channels, self._components, self._regularizer, dtype=dtype)

    def inverse(self, x, parameters):
        shift, log_scale, mixture = parameters
        logit, log_slope = logit_cdf(x, mixture)
        return (logit + shift) * tf.exp(log_scale), log_slope + log_scale

    def forward(self, z, parameters):
        shift, log_scale, mixture = parameters
        x = quantile(z * tf.exp(-log_scale) - shift, mixture)
        return x, -logit_cdf(x, mixture)[1] - log_scale


def _evenly_spaced(shape, dtype=None):
    """The middles of as many equal parts of (-SPREAD, SPREAD) as there are components."""
    middles = (2 * np.arange(shape[-1]) + 1) / shape[-1] - 1
    return tf.cast(np.broadcast_to(SPREAD * middles, shape), dtype)
