"""The rational-quadratic spline: its start, its bound, its ends."""

import numpy as np
import pytest
import tensorflow as tf

from tests.registry import SHAPE, built
from tfp_lcma.bijectors import ChannelHalf, Coupling
from tfp_lcma.bijectors.transforms import RationalQuadratic
from tfp_lcma.networks import Residual
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data


def spline(raw_scale=1.0, bins=5, bound=2.0, dtype="float64"):
    """A transform and parameters for a grid of numbers that reaches beyond its bound."""
    transform = RationalQuadratic(bins, bound)
    x = np.linspace(-1.5 * bound, 1.5 * bound, 301).reshape(1, 1, 301, 1)
    raw = raw_scale * np.random.default_rng(0).normal(size=transform.parameters_per_dimension)
    raw = np.broadcast_to(raw, (1, 1, 301, 1, raw.size))
    return transform, tf.constant(x, dtype), tf.constant(raw, dtype)


def test_it_starts_as_the_identity():
    flow = Coupling(ChannelHalf(SHAPE), Residual(4, 1), RationalQuadratic(), dtype="float64")
    x = 3 * data(flow, 4)
    z, log_det = flow.inverse_and_event_log_det(x)
    close(z, x, 1e-12, "latents")
    close(log_det, np.zeros_like(x), 1e-12, "log-det")


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_it_rises_everywhere_and_comes_back(scale):
    transform, x, raw = spline(scale)
    z, log_det = transform.inverse(x, raw)
    assert np.all(np.diff(z.numpy().ravel()) > 0)
    assert np.isfinite(log_det).all()
    back, back_log_det = transform.forward(z, raw)
    close(back, x, 1e-8, "round trip")
    close(-back_log_det, log_det, 1e-6, "log-det")


def test_it_is_the_identity_outside_its_bound_and_smooth_at_its_ends():
    transform, x, raw = spline()
    with tf.GradientTape() as tape:
        tape.watch(x)
        z, log_det = transform.inverse(x, raw)
    outside = np.abs(x) > 2
    assert np.array_equal(z.numpy()[outside], x.numpy()[outside])
    assert not log_det.numpy()[outside].any()
    close(np.exp(log_det), tape.gradient(z, x), 1e-8, "slope")
    ends = np.array([-2 + 1e-9, 2 - 1e-9]).reshape(1, 1, 2, 1)
    close(transform.inverse(ends, raw[:, :, :2])[1], np.zeros((1, 1, 2, 1)), 1e-6, "slope at ends")


def test_shape_is_kept_where_the_batch_is_unknown():
    flow = built("Coupling (rational quadratic)", "float64")
    shape = list(flow.event_shape)
    spec = tf.TensorSpec((None, *shape), tf.float64)
    graph = tf.function(flow.inverse_and_event_log_det, input_signature=[spec])
    assert [t.shape.as_list() for t in graph.get_concrete_function().structured_outputs] == 2 * [
        [None, *shape]
    ]


@pytest.mark.parametrize(("bins", "bound"), [(1, 4.0), (65, 4.0), (8, 0.0), (8, np.inf)])
def test_bins_and_bound_out_of_range_are_refused(bins, bound):
    with pytest.raises(ValueError, match=r"(bins|bound) must be"):
        RationalQuadratic(bins, bound)
