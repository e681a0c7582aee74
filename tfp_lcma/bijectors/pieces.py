"""A pass over many images, some at a time."""

import tensorflow as tf

from tfp_lcma.bijectors.context import Context
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.log_det import LogDet

# A batch that fits a step of training, with what its gradient needs, fits four times without.
_LATER = 4


def carry_inverse_in_pieces(
    flow: FlowBijector, x: tf.Tensor, log_det: LogDet, context: Context
) -> tuple[tf.Tensor, LogDet]:
    """Does what `carry_inverse` does, on `context.rows_at_once` rows and then on the others.

    Normalisation starts from the first rows, and these go by in pieces of bounded size, so that
    memory does not grow with the images that a start is computed from. A flow whose own start asks
    for more than a batch gets all at once.
    """
    size = context.rows_at_once
    if size is None or flow.start_images:
        return flow.carry_inverse(x, log_det, context)
    ends, log_dets, start, stop = [], [], 0, size
    while start < x.shape[0]:
        rows = slice(start, stop)
        own = type(log_det)(None if log_det.values is None else log_det.values[rows])
        z, own = flow.carry_inverse(x[rows], own, context.at_rows(rows))
        ends.append(z)
        log_dets.append(own.values)
        context = context.replace(starting=False)
        start, stop = stop, stop + _LATER * size
    values = None if log_det.values is None else tf.concat(log_dets, axis=0)
    return tf.concat(ends, axis=0), type(log_det)(values)
