"""What an image is conditioned on."""

import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors import Context
from tfp_lcma.testing.compare import SINGLE, agree, require, total
from tfp_lcma.testing.inputs import Given, distribution
from tfp_lcma.testing.passes import both_ways


def check_conditions(flow):
    """A conditional flow goes by its condition and asks for one; others take any."""
    x, expected_z, expected = both_ways(flow)[0]
    if not isinstance(flow, Given):
        z, log_det = flow.inverse_and_log_det(x, context=Context(tf.constant([7, 8, 9])))
        agree(log_det, total(expected), 1e-12, "log-det, a condition beside")
        agree(z, expected_z, 1e-12, "latents, a condition beside")
        return
    inner, condition = flow.flow, flow.rows(x)
    other = tf.concat([condition[:1], condition[1:] + 1 - 2 * (condition[1:] // 2)], axis=0)
    require(inner.conditions is not None, "a conditional flow has no `conditions`")
    z, log_det = inner.inverse_and_event_log_det(x, condition)
    agree(expected_z, z, 1e-12, "the condition that was given")
    changed = np.abs(inner.inverse(x, condition=other) - z).max(axis=(1, 2, 3))
    changed_back = np.abs(inner.forward(tf.identity(z), condition=other) - x).max(axis=(1, 2, 3))
    for change in (changed, changed_back):
        same = 1e-8 if x.dtype == tf.float64 else SINGLE
        require(change[0] < same, "a row changes with another row's condition")
        require(np.all(change[1:] > 1e-6), "the condition does not count")
    wrapped, kwargs = distribution(inner), {"condition": condition}
    expected = distribution(flow).log_prob(x)
    agree(wrapped.log_prob(x, bijector_kwargs=kwargs), expected, 1e-12, "log_prob by TFP's names")
    agree(inner.inverse(x, condition=condition), z, 1e-12, "inverse by TFP's names")
    agree(total(log_det), inner.inverse_log_det_jacobian(x, **kwargs), 1e-12, "log-det by TFP's")
    for method, value in ((inner.inverse, x), (inner.forward, z)):
        try:
            method(value)
        except ValueError as error:
            require("condition" in str(error), f"the error does not say condition: {error}")
        else:
            raise AssertionError("a conditional flow does without its condition")
