"""What a flow is asked with: images, latents, one condition for all, moved weights."""

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_lcma.bijectors import Context, FlowBijector

tfd = tfp.distributions


def data(flow: FlowBijector, batch: int, seed: int = 0) -> tf.Tensor:
    """A batch from the space that `flow` maps from: pixels where it preprocesses them.

    ```python
    import tfp_lcma as lcma

    flow = lcma.models.glow((4, 4, 1), levels=1, steps=1, width=4)
    tuple(lcma.testing.data(flow, batch=2).shape)  # (2, 4, 4, 1)
    ```

    Args:
        flow: Any `FlowBijector`.
        batch: Number of rows.
        seed: Whole number; the same gives the same numbers.
    """
    random = np.random.default_rng(seed)
    shape = (batch, *flow.event_shape)
    bins = getattr(flow, "bins", None)
    x = random.normal(size=shape) if bins is None else bins * random.random(shape)
    return tf.constant(x, flow.dtype or tf.float64)


def latents(flow: FlowBijector, batch: int, seed: int = 0) -> tf.Tensor:
    """A batch of standard normal noise in the shape of the latents of `flow`.

    ```python
    import tfp_lcma as lcma

    flow = lcma.models.glow((4, 4, 1), levels=1, steps=1, width=4)
    tuple(lcma.testing.latents(flow, batch=2).shape)  # (2, 4, 4, 1)
    ```

    Args:
        flow: Any `FlowBijector`.
        batch: Number of rows.
        seed: Whole number; the same gives the same numbers.
    """
    z = np.random.default_rng(100 + seed).normal(size=(batch, *flow.latent_shape))
    return tf.constant(z, flow.dtype or tf.float64)


def move_weights(flow: FlowBijector, scale: float, seed: int) -> None:
    """Adds noise to everything a flow learns."""
    random = np.random.default_rng(seed)
    for variable in flow.trainable_variables:
        variable.assign_add(tf.cast(scale * random.normal(size=variable.shape), variable.dtype))


@keras.saving.register_keras_serializable("tfp_lcma.testing")
class Given(FlowBijector):
    """A conditional flow under one condition, the same for all images."""

    def __init__(self, flow, condition):
        super().__init__(flow.event_shape, dtype=flow.dtype)
        self.flow, self._condition = flow, tf.constant(condition)
        self.iterates, self.searches = flow.iterates, flow.searches

    def rows(self, x):
        """Returns the condition, once for every row of `x`."""
        condition = self._condition
        if condition.dtype.is_floating:
            condition = tf.cast(condition, x.dtype)
        return tf.repeat(condition[None], tf.shape(x)[0], axis=0)

    def carry_inverse(self, x, log_det, context):
        return self.flow.carry_inverse(x, log_det, context.replace(condition=self.rows(x)))

    def carry_forward(self, z, log_det, context):
        return self.flow.carry_forward(z, log_det, context.replace(condition=self.rows(z)))

    def get_config(self):
        return {"flow": self.flow, "condition": self._condition.numpy()}


def given_a_condition(flow):
    """A conditional flow under a condition that is drawn: class 0, or standard normal numbers."""
    if flow.conditions is None or isinstance(flow, Given):
        return flow
    shape = flow.conditions
    condition = 0 if isinstance(shape, int) else np.random.default_rng(3).normal(size=shape)
    return Given(flow, condition)


def unwrapped(flow, rows):
    """The flow that a condition was given to, if it is one, and a context with that condition."""
    if isinstance(flow, Given):
        return flow.flow, Context(condition=flow.rows(rows))
    return flow, Context()


def distribution(flow, bijector=None):
    """A plain TFP distribution over `flow`, or over what was built around it."""
    dtype = flow.dtype or tf.float64
    noise = tfd.Normal(tf.zeros((), dtype), tf.ones((), dtype))
    return tfd.TransformedDistribution(tfd.Sample(noise, flow.latent_shape), bijector or flow)
