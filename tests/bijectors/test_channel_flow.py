"""Channel flows in a row: one map, the same as one after the other."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests.seeds import seed_initializers
from tfp_lcma.bijectors import ActNorm, Context, FlowChain, InvertibleConvolution, Permutation
from tfp_lcma.bijectors.channel_flow import ChannelMap
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data, latents, move_weights

SHAPE = (2, 3, 4)
ORDERS = list(itertools.product((ActNorm, InvertibleConvolution), repeat=3))


@pytest.mark.parametrize("kinds", ORDERS)
def test_a_run_is_the_same_as_its_members_one_by_one(kinds):
    seed_initializers(0)
    members = [kind(SHAPE, dtype="float64") for kind in kinds]
    for number, member in enumerate(members):
        move_weights(member, 0.3, seed=number)
    chain = FlowChain(members)
    x, z = data(chain, 3), latents(chain, 3)
    value, total = x, 0.0
    for member in members:
        value, log_det = member.inverse_and_event_log_det(value)
        total += log_det
    for got, expected in zip(chain.inverse_and_event_log_det(x), (value, total), strict=True):
        close(got, expected, 1e-12, "inverse")
    value, total = z, 0.0
    for member in reversed(members):
        value, log_det = member.forward_and_event_log_det(value)
        total += log_det
    for got, expected in zip(chain.forward_and_event_log_det(z), (value, total), strict=True):
        close(got, expected, 1e-12, "forward")


def test_a_run_is_one_product_of_matrices():
    chain = FlowChain([kind(SHAPE) for kind in (ActNorm, InvertibleConvolution, ActNorm)])
    graph = tf.function(chain.inverse).get_concrete_function(data(chain, 3)).graph
    of_batch = [
        op for op in graph.get_operations() if op.type == "MatMul" and op.inputs[0].shape[0] == 18
    ]
    assert len(of_batch) == 1


def test_what_stands_between_ends_a_run():
    order = np.arange(24).reshape(SHAPE)[..., ::-1]
    members = [ActNorm(SHAPE), Permutation(order), ActNorm(SHAPE)]
    move_weights(members[0], 1.0, seed=0)
    chain = FlowChain(members)
    x = data(chain, 2)
    close(chain.inverse(x), members[0].inverse(x)[..., ::-1], 1e-6, "the permutation counts")


def test_every_actnorm_of_a_run_starts_from_what_reaches_it():
    chain = FlowChain([ActNorm(SHAPE), InvertibleConvolution(SHAPE), ActNorm(SHAPE)])
    x = 5.0 + 3.0 * np.random.default_rng(0).normal(size=(64, *SHAPE)).astype(np.float32)
    x[..., 1] += x[..., 0]
    chain.inverse_and_log_det(x, context=Context(starting=True))
    middle = chain.bijectors[1].inverse(chain.bijectors[0].inverse(x))
    last = chain.inverse(x)
    assert np.std(middle, axis=(0, 1, 2)).max() > 1.1
    close(np.mean(last, axis=(0, 1, 2)), np.zeros(4), 1e-4, "mean")
    close(np.std(last, axis=(0, 1, 2)), np.ones(4), 1e-4, "standard deviation")


@pytest.mark.parametrize("ranks", itertools.product((1, 2), repeat=2))
def test_one_map_after_another(ranks):
    random = np.random.default_rng(1)
    first, second = (
        ChannelMap(*map(tf.constant, (random.normal(size=(4,) * rank), random.normal(size=4))))
        for rank in ranks
    )
    x = tf.constant(random.normal(size=(2, *SHAPE)))
    close(first.then(second).apply(x), second.apply(first.apply(x)), 1e-12, "composition")
