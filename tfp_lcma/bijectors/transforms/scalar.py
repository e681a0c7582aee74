"""Any scalar bijector of TensorFlow Probability."""

from collections.abc import Callable

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_lcma.bijectors.transforms.transform import Transform, shaped_like
from tfp_lcma.serialization import register


@register
class Scalar(Transform):
    """A bijector of single numbers whose parameters a network gives.

    ```python
    import keras
    import tensorflow as tf
    from tensorflow_probability import bijectors as tfb

    import tfp_lcma as lcma


    @keras.saving.register_keras_serializable()
    def softsign(raw):  # raw: [..., channels, 2]
        return tfb.Chain([tfb.Shift(raw[..., 0]), tfb.Scale(tf.exp(tf.tanh(raw[..., 1])))])


    flow = lcma.models.glow((8, 8, 1), coupling=lcma.transforms.Scalar(softsign, 2))
    ```
    """

    def __init__(
        self,
        bijector: Callable[[tf.Tensor], tfp.bijectors.Bijector],
        parameters_per_dimension: int,
        towards_latent: bool = True,
    ):
        """Creates the transform.

        Args:
            bijector: From a network's output `[..., channels, parameters]` to a
                bijector whose event is one number and whose batch shape is
                `[..., channels]`; a function registered with Keras, to be saved.
            parameters_per_dimension: How many parameters.
            towards_latent: Whether the bijector's `forward` maps data to latents.
        """
        self._bijector, self._towards_latent = bijector, bool(towards_latent)
        self.parameters_per_dimension = int(parameters_per_dimension)

    def get_config(self) -> dict:
        return {
            "bijector": self._bijector,
            "parameters_per_dimension": self.parameters_per_dimension,
            "towards_latent": self._towards_latent,
        }

    @classmethod
    def from_config(cls, config):
        bijector = config["bijector"]
        if isinstance(bijector, dict):
            bijector = keras.saving.deserialize_keras_object(bijector)
        return cls(**{**config, "bijector": bijector})

    def __repr__(self) -> str:
        made_by = getattr(self._bijector, "__name__", self._bijector)
        return f"Scalar({made_by}, {self.parameters_per_dimension})"

    def inverse(self, x, parameters):
        return self._mapped(x, parameters, self._towards_latent)

    def forward(self, z, parameters):
        return self._mapped(z, parameters, not self._towards_latent)

    def _mapped(self, value, parameters, forward):
        bijector = self._bijector(parameters)
        # Fresh tensors: TFP's cache is keyed by their identity.
        value = tf.identity(value)
        if forward:
            mapped = bijector.forward(value), bijector.forward_log_det_jacobian(value, 0)
        else:
            mapped = bijector.inverse(value), bijector.inverse_log_det_jacobian(value, 0)
        return shaped_like(value, *mapped)
