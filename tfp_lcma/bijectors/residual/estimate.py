"""An estimated log-det of any flow, with its standard error."""

import math
from typing import NamedTuple

import tensorflow as tf

from tfp_lcma.bijectors.context import Context, ProbeSeeds
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.noise import seed_pair
from tfp_lcma.validation import check_count


class LogDetEstimate(NamedTuple):
    """An estimate of an event log-det and how far off it may be.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    flow = lcma.models.residual_flow((4, 4, 1), levels=1, steps=1, width=4)
    x = tf.random.normal((2, 4, 4, 1))
    estimate = lcma.bijectors.event_log_det_estimate(flow, x, draws=2)
    tuple(estimate.total_standard_error.shape)  # (2,)
    ```

    Attributes:
        z: The latents, `[batch, height, width, channels]`.
        log_det: The estimate per dimension, in nats, in the shape of `z`.
        standard_error: Of every entry of `log_det`, in its shape.
        total_standard_error: Of the sum over the event, `[batch]`.
    """

    z: tf.Tensor
    log_det: tf.Tensor
    standard_error: tf.Tensor
    total_standard_error: tf.Tensor


def event_log_det_estimate(
    flow: FlowBijector, x: tf.Tensor, draws: int, seed: int = 0
) -> LogDetEstimate:
    """Returns latents and log-det of any flow, with the standard error over repeated passes.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    flow = lcma.models.residual_flow((4, 4, 1), levels=1, steps=1, width=4)
    x = tf.random.normal((2, 4, 4, 1))
    estimate = lcma.bijectors.event_log_det_estimate(flow, x, draws=2, seed=1)
    tuple(estimate.log_det.shape)  # (2, 4, 4, 1)
    ```

    Args:
        flow: A flow with residual blocks anywhere in it.
        x: `[batch, height, width, channels]`, in the flow's data space.
        draws: Number of passes, each with probes of its own; at least 2.
        seed: Whole number; the same gives the same estimate.

    Returns:
        A `LogDetEstimate` of the mean over the passes, each of which averages over
        its blocks' `inference_probes`.

    Raises:
        ValueError: If there are fewer than 2 draws.
    """
    if check_count(draws, "draws") < 2:
        raise ValueError(f"draws must be at least 2 for a standard error; got {draws}.")
    log_dets = []
    for draw in range(draws):
        rows = (seed_pair(seed) + tf.constant([draw, 0]))[None]
        context = Context(probes=ProbeSeeds(rows, rows[0, 0]))
        z, log_det = flow.inverse_and_event_log_det(x, context=context)
        log_dets.append(log_det)
    log_dets = tf.stack(log_dets)
    totals = tf.reduce_sum(log_dets, axis=(2, 3, 4))
    share = math.sqrt(draws - 1)
    return LogDetEstimate(
        z,
        tf.reduce_mean(log_dets, axis=0),
        tf.math.reduce_std(log_dets, axis=0) / share,
        tf.math.reduce_std(totals, axis=0) / share,
    )
