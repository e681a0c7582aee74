"""A flow is an ordinary TFP bijector, and its distribution an ordinary TFP distribution."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.toys import tiny_flow, trained, trained_split
from tfp_lcma import FlowDistribution

tfb, tfd = tfp.bijectors, tfp.distributions

SHAPE, DIMENSIONS = (4, 4, 1), 16


FLOWS = {"whole": trained, "split": trained_split}


@pytest.fixture(params=FLOWS)
def flow(request):
    return FLOWS[request.param]().flow


def noise():
    return tfd.Sample(tfd.Normal(0.0, 1.0), SHAPE)


def data(flow, count=5):
    return FlowDistribution(flow).sample(count, seed=(1, 2))


RUNS = {"eager": lambda function: function, "traced": tf.function}


@pytest.fixture(params=RUNS)
def run(request):
    return RUNS[request.param]


@pytest.fixture(params=["whole-eager", "split-eager", "split-traced"])
def flow_and_run(request):
    """A flow, and how it is run; the larger of them is traced."""
    flow, run = request.param.split("-")
    return FLOWS[flow]().flow, RUNS[run]


def close(actual, expected, rtol=1e-4, atol=1e-4):
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)


def test_a_plain_transformed_distribution_over_a_flow(flow_and_run):
    flow, run = flow_and_run
    x = data(flow)
    plain = tfd.TransformedDistribution(noise(), flow)
    assert plain.event_shape == SHAPE and plain.batch_shape == ()
    close(run(plain.log_prob)(x), FlowDistribution(flow).log_prob(x))
    close(run(lambda: plain.sample(5, seed=(1, 2)))(), x)
    sample, log_prob = run(lambda: plain.experimental_sample_and_log_prob(3, seed=(1, 2)))()
    close(log_prob, plain.log_prob(tf.identity(sample)))


def test_a_flow_inside_a_chain(flow_and_run):
    flow, run = flow_and_run
    x = data(flow)
    chain = tfb.Chain([tfb.Scale(2.0), flow])
    composed = tfd.TransformedDistribution(noise(), chain)
    expected = FlowDistribution(flow).log_prob(x) - DIMENSIONS * np.log(2)
    close(run(composed.log_prob)(2 * x), expected)
    close(run(lambda: composed.sample(5, seed=(1, 2)))(), 2 * x)
    close(chain.forward(chain.inverse(tf.identity(x))), x)


def test_an_inverted_flow_takes_data_to_noise(flow_and_run):
    flow, run = flow_and_run
    x = data(flow)
    inverted = tfb.Invert(flow)
    z, log_det = flow.inverse_and_event_log_det(x)
    close(run(inverted.forward)(x), z)
    close(run(inverted.forward_log_det_jacobian)(x), tf.reduce_sum(log_det, axis=(1, 2, 3)))
    # The distribution of latents of Gaussian "data", and back again.
    latents = tfd.TransformedDistribution(noise(), inverted)
    expected = noise().log_prob(x) - tf.reduce_sum(log_det, axis=(1, 2, 3))
    close(run(latents.log_prob)(z), expected)
    twice = tfd.TransformedDistribution(noise(), tfb.Invert(inverted))
    close(run(twice.log_prob)(x), FlowDistribution(flow).log_prob(x))


def test_a_joint_distribution_holding_a_flow(flow_and_run):
    flow, run = flow_and_run
    joint = tfd.JointDistributionSequential(
        [FlowDistribution(flow), lambda x: tfd.Normal(tf.reduce_mean(x, axis=(-3, -2, -1)), 0.1)]
    )
    assert joint.event_shape == [SHAPE, ()]
    x, y = run(lambda: joint.sample(5, seed=(1, 2)))()
    assert x.shape == (5, *SHAPE) and y.shape == (5,)
    mean = tf.reduce_mean(x, axis=(1, 2, 3))
    expected = FlowDistribution(flow).log_prob(x) + tfd.Normal(mean, 0.1).log_prob(y)
    close(run(lambda: joint.log_prob([x, y]))(), expected)


def test_a_mixture_of_two_flows(run):
    flows = [FlowDistribution(model().flow) for model in (trained, trained_split)]
    mixture = tfd.Mixture(tfd.Categorical(probs=[0.3, 0.7]), flows)
    x = flows[0].sample(5, seed=(1, 2))
    both = tf.stack([flow.log_prob(x) for flow in flows])
    expected = tf.reduce_logsumexp(both + np.log([[0.3], [0.7]]).astype(np.float32), axis=0)
    close(run(mixture.log_prob)(x), expected)
    sample = run(lambda: mixture.sample(200, seed=(1, 2)))()
    assert sample.shape == (200, *SHAPE)
    assert np.isfinite(mixture.log_prob(sample)).all()


def test_independent_images_of_a_flow(flow):
    pair = tfd.Sample(FlowDistribution(flow), 2)
    x = pair.sample(3, seed=1)
    assert x.shape == (3, 2, *SHAPE)
    close(pair.log_prob(x), tf.reduce_sum(FlowDistribution(flow).log_prob(x), axis=-1))


def test_distribution_of_pixels_chains_the_preprocessing_and_the_flow():
    model = trained()
    x = model.distribution.sample(5, seed=(1, 2))
    assert np.all((x > -15) & (x < 271))
    chain = tfb.Chain([model.preprocessing, model.flow])
    plain = tfd.TransformedDistribution(noise(), chain)
    close(plain.log_prob(x), model.distribution.log_prob(x))
    close(plain.sample(5, seed=(1, 2)), x)


def test_a_flow_distribution_trains_without_keras():
    distribution = FlowDistribution(tiny_flow())
    x = tf.random.stateless_normal((64, *SHAPE), (1, 2)) + 1.0
    losses = []
    for _ in range(5):
        with tf.GradientTape() as tape:
            losses.append(-tf.reduce_mean(distribution.log_prob(x)))
        gradients = tape.gradient(losses[-1], distribution.trainable_variables)
        for variable, gradient in zip(distribution.trainable_variables, gradients, strict=True):
            variable.assign_sub(1e-3 * gradient)
    assert losses[-1] < losses[0] - 0.5
