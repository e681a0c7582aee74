"""Per-dimension tensors go where dimensions go."""

import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors import Context, EventLogDet, NoLogDet, SummedLogDet
from tfp_lcma.testing.compare import SINGLE, agree, equal, require, total
from tfp_lcma.testing.passes import both_ways, derivatives


def move_matrix(move, value):
    """The matrix by which a move maps per-dimension tensors, at one event."""
    size = int(np.prod(value.shape[1:]))
    units = tf.reshape(tf.eye(size, dtype=value.dtype), (size, *value.shape[1:]))
    out = move(units, tf.repeat(value, size, axis=0))
    return tf.reshape(out, (size, size)).numpy().T


def check_moves(flow):
    """Per-dimension tensors go where dimensions go, none of them lost or counted twice.

    In terms of matrices: a move is doubly stochastic, and a share travels from
    one dimension to another only where the second depends on the first.
    """
    for move, at in zip((flow.move_inverse, flow.move_forward), derivatives(flow), strict=True):
        name = move.__name__
        t = tf.cast(np.random.default_rng(6).normal(size=at.value.shape), at.value.dtype)
        moved_t = move(t, at.value)
        equal(moved_t.shape, at.out.shape, f"{name}: shape")
        matrix = move_matrix(move, at.value)
        agree(matrix.sum(0), np.ones(len(matrix)), 1e-8, f"{name}: where a share goes")
        agree(matrix.sum(1), np.ones(len(matrix)), 1e-8, f"{name}: where a share comes from")
        least = 1e-8 if at.value.dtype == tf.float64 else SINGLE
        require(matrix.min() > -least, f"{name}: a share turned negative")
        lost = np.argwhere((matrix > least) & (np.abs(at.matrix) < 1e-12))
        require(
            not len(lost),
            f"{name}: a share travels between dimensions that have nothing to do with each other, "
            f"{lost[:1].tolist()} [to, from] among them",
        )


def check_carry(flow):
    """`carry` is the map, and the moved tensor plus the event log-det, for every accumulator."""
    for carry, move, (value, expected, log_det) in zip(
        (flow.carry_inverse, flow.carry_forward),
        (flow.move_inverse, flow.move_forward),
        both_ways(flow),
        strict=True,
    ):
        t = tf.cast(np.random.default_rng(7).normal(size=value.shape), value.dtype)
        out, carried = carry(value, EventLogDet(t), Context())
        agree(out, expected, 1e-10, f"{carry.__name__}: the value")
        moved_t = move(t, value)
        equal(moved_t.shape, log_det.shape, f"{carry.__name__}: shape after the move")
        agree(carried.values, moved_t + log_det, 1e-10, f"{carry.__name__}: the tensor")
        summed = carry(value, SummedLogDet(total(t)), Context())[1].values
        agree(summed, total(t) + total(log_det), 1e-10, f"{carry.__name__}: the sum")
        out, nothing = carry(value, NoLogDet(), Context())
        agree(out, expected, 1e-10, f"{carry.__name__}: the value without a log-det")
        equal(nothing.values, None, f"{carry.__name__}: a log-det nobody asked for")
