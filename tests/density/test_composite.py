"""What holds a flow's distribution trains the flow, and graphs take, carry and return it."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.toys import tiny_flow
from tfp_lcma import FlowDistribution

tfd = tfp.distributions


class Holder(tf.Module):
    def __init__(self, held):
        super().__init__()
        self.held = held


class Mine(FlowDistribution):
    """A user's kind of it."""


HOLDERS = {
    "tf.Module": Holder,
    "a list in a tf.Module": lambda density: Holder([density]),
    "Independent": lambda density: tfd.Independent(density, 0),
    "Independent in a tf.Module": lambda density: Holder(tfd.Independent(density, 0)),
    "Sample": lambda density: tfd.Sample(density, 2),
    "JointDistributionSequential": lambda density: tfd.JointDistributionSequential([density]),
    "JointDistributionNamed": lambda density: tfd.JointDistributionNamed({"x": density}),
    "a user's kind": lambda density: Holder(Mine(density.bijector)),
}


@pytest.fixture(scope="module")
def density():
    return FlowDistribution(tiny_flow())


def ids(variables):
    return {id(variable) for variable in variables}


@pytest.mark.parametrize("name", HOLDERS)
def test_what_holds_a_distribution_has_the_variables_of_its_flow(name, density):
    holder = HOLDERS[name](density)
    assert density.bijector in holder.submodules
    assert ids(holder.trainable_variables) == ids(density.bijector.trainable_variables)
    assert ids(holder.variables) >= ids(density.bijector.variables)


def test_a_mixture_trains_all_its_flows(density):
    both = [density, FlowDistribution(tiny_flow(levels=1))]
    mixture = tfd.Mixture(tfd.Categorical(logits=tf.Variable([0.0, 0.0])), both)
    x = density.sample(3, seed=(1, 2))

    @tf.function(autograph=False)
    def gradients(mixture, x):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(mixture.log_prob(x))
        return tape.gradient(loss, mixture.trainable_variables)

    flows = [variable for one in both for variable in one.bijector.trainable_variables]
    assert ids(flows) < ids(mixture.trainable_variables)
    assert all(gradient is not None for gradient in gradients(mixture, x))


def test_a_graph_is_traced_once_a_flow_and_reads_its_variables(density):
    log_prob = tf.function(lambda density, x: density.log_prob(x), autograph=False)
    other = FlowDistribution(tiny_flow())
    x = density.sample(3, seed=(1, 2))
    for _ in range(2):
        for one in (density, FlowDistribution(density.bijector), other):
            np.testing.assert_allclose(log_prob(one, x), one.log_prob(x), rtol=1e-5)
        for variable in other.trainable_variables:
            variable.assign_add(0.1 * tf.ones_like(variable))
    assert log_prob.experimental_get_tracing_count() == 2


def test_a_function_returns_it_and_a_loop_and_a_branch_carry_it(density):
    @tf.function(autograph=False)
    def carried(x):
        def body(k, density, total):
            return k + 1, density, total + density.log_prob(x)

        start = (0, density, tf.zeros(3))
        total = tf.while_loop(lambda k, *_: k < 2, body, start)[-1]
        same = tf.cond(total[0] > 0, lambda: density, lambda: density)
        return total, same

    x = density.sample(3, seed=(1, 2))
    total, same = carried(x)
    np.testing.assert_allclose(total, 2 * density.log_prob(x), rtol=1e-5)
    assert isinstance(same, tfd.TransformedDistribution)
    np.testing.assert_allclose(same.sample(3, seed=(1, 2)), x, atol=1e-5)


def test_a_slice_is_refused_in_words(density):
    with pytest.raises(ValueError, match=r"no batch .* tfd.BatchBroadcast"):
        density[..., tf.newaxis]
    with pytest.raises(ValueError, match="no batch of parameters"):
        density.bijector[0]
