"""TensorFlow Probability's methods of a bijector, derived from one-pass methods."""

import tensorflow as tf
import tensorflow_probability as tfp

from tfp_lcma.bijectors.checks import check_rank


class OnePassBijector(tfp.bijectors.Bijector):
    """A bijector whose methods of TFP follow from `inverse_and_log_det` and `forward_and_log_det`.

    The cache that TFP keeps per bijector is keyed by the identity of the input tensor. In eager
    mode that yields stale values once a variable has changed and wrong gradients when a tensor is
    used twice, so it is bypassed there. While a function is traced it is kept, and given the
    log-det of the one pass, so that `log_prob` evaluates every network once.
    """

    def _one_pass(self, method, value, kwargs):
        """Runs a one-pass method with a summed log-det on `[..., height, width, channels]`."""
        check_rank(value, None, "value")
        lead = tf.shape(value)[:-3]
        static_lead = value.shape[:-3]
        flat = value if value.shape.rank == 4 else tf.reshape(value, (-1, *value.shape[-3:]))
        result, log_det = method(flat, **kwargs)
        if value.shape.rank != 4:
            result = tf.reshape(result, tf.concat([lead, result.shape[1:]], axis=0))
            log_det = tf.reshape(log_det, lead)
            result.set_shape(static_lead + result.shape[-3:])
        return result, log_det

    def _inverse(self, y, **kwargs):
        z, log_det = self._one_pass(self.inverse_and_log_det, y, kwargs)
        if not tf.executing_eagerly():
            self._cache.inverse_attributes(y, **kwargs)["ildj"] = log_det
        return z

    def _forward(self, x, **kwargs):
        data, log_det = self._one_pass(self.forward_and_log_det, x, kwargs)
        if not tf.executing_eagerly():
            self._cache.forward_attributes(x, **kwargs)["ildj"] = -log_det
        return data

    def _inverse_log_det_jacobian(self, y, **kwargs):
        return self._one_pass(self.inverse_and_log_det, y, kwargs)[1]

    def _forward_log_det_jacobian(self, x, **kwargs):
        return self._one_pass(self.forward_and_log_det, x, kwargs)[1]

    def _call_inverse(self, y, name, **kwargs):
        return super()._call_inverse(self._uncached(y), name, **kwargs)

    def _call_forward(self, x, name, **kwargs):
        return super()._call_forward(self._uncached(x), name, **kwargs)

    def _call_inverse_log_det_jacobian(self, y, event_ndims, name, **kwargs):
        return super()._call_inverse_log_det_jacobian(
            self._uncached(y), event_ndims, name, **kwargs
        )

    def _call_forward_log_det_jacobian(self, x, event_ndims, name, **kwargs):
        return super()._call_forward_log_det_jacobian(
            self._uncached(x), event_ndims, name, **kwargs
        )

    def _uncached(self, value):
        """In eager mode, a tensor the cache has never seen; arrays become one anyway."""
        if tf.is_tensor(value):
            check_rank(value, None, "value")
        return tf.identity(value) if tf.executing_eagerly() and tf.is_tensor(value) else value

    def _forward_event_shape(self, input_shape):
        return tf.TensorShape(self.event_shape)

    def _inverse_event_shape(self, output_shape):
        return tf.TensorShape(self.latent_shape)

    def _forward_event_shape_tensor(self, input_shape):
        return tf.constant(self.event_shape)

    def _inverse_event_shape_tensor(self, output_shape):
        return tf.constant(self.latent_shape)

    def __getitem__(self, slices):
        raise ValueError("A flow has no batch of parameters to take a slice of; got one.")

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {}
