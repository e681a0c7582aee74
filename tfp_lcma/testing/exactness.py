"""The map, its way back, and its log-det."""

import contextlib

import numpy as np
import tensorflow as tf

from tfp_lcma.testing.compare import SINGLE, agree, equal, require, total
from tfp_lcma.testing.inputs import data, latents
from tfp_lcma.testing.passes import derivatives
from tfp_lcma.testing.state import moved


def check_round_trips(flow):
    """Data come back from their latents and latents from their data, on fresh tensors."""
    tolerance = SINGLE if flow.dtype == tf.float32 else 1e-8
    x, z = data(flow, 3), latents(flow, 3)
    there, log_det = flow.inverse_and_event_log_det(x)
    # The way back of the one is the way there of the other.
    images, log_dets = flow.forward_and_event_log_det(tf.concat([there, z], axis=0))
    agree(images[:3], x, tolerance, "x -> z -> x")
    agree(-total(log_dets[:3]), total(log_det), 5 * tolerance, "log-det of x -> z -> x")
    back, log_det_back = flow.inverse_and_event_log_det(images[3:])
    agree(back, z, tolerance, "z -> x -> z")
    agree(-total(log_det_back), total(log_dets[3:]), 5 * tolerance, "log-det of z -> x -> z")


def check_log_det(flow):
    """The event log-det has the output's shape and sums to log|det| of the Jacobian."""
    for at in derivatives(flow):
        shape, dtype = at.log_det.shape, at.log_det.dtype
        equal(shape, at.out.shape, f"{at.name}: shape of the log-det")
        equal(dtype, at.value.dtype, f"{at.name}: dtype of the log-det")
        equal(at.out.dtype, at.value.dtype, f"{at.name}: dtype of what comes out")
        expected = np.linalg.slogdet(at.matrix)[1]
        agree(total(at.log_det)[0], expected, 1e-8, f"{at.name}: log-det against autodiff")
        # Autodiff believes custom gradients; a difference of values does not.
        slope, what = at.matrix @ at.direction.ravel(), f"{at.name}: autodiff against differences"
        if at.value.dtype == tf.float64:
            agree(slope, at.difference, 1e-5, what)
        else:  # by steps that are long enough to cross a kink of a network here and there
            size = np.linalg.norm(at.difference)
            agree(np.linalg.norm(slope - at.difference) / size, 0.0, 0.1, what)


def check_finite(flow):
    """Ten-sigma latents give finite images, also after the weights have moved."""
    z = 10 * latents(flow, 8)
    for context in (contextlib.nullcontext(), moved(flow)):
        with context:
            x, log_det = flow.forward_and_event_log_det(z)
            require(np.isfinite(x).all(), "the image of ten-sigma latents is not finite")
            require(np.isfinite(log_det).all(), "its log-det is not finite")
