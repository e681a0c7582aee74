"""EIW-Flow: the architecture, and how training decides what is factored out."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfp_lcma as lcma
from tests.seeds import seed_initializers
from tests.toys import SHAPE, fitted, pictures
from tfp_lcma.bijectors import ActNorm, Coupling, InvertibleConvolution, Repeated, Squeeze
from tfp_lcma.bijectors.transforms import Affine, MixtureLogistic
from tfp_lcma.factorizations import Channel, EntropyInformed
from tfp_lcma.factorizations.published_shuffle import PublishedShuffle
from tfp_lcma.models import eiw_flow, glow
from tfp_lcma.priors import ConditionalGaussian, StandardNormal
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data, move_weights
from tfp_lcma.testing.variables import of_routers


def tiny(**changes):
    seed_initializers(0)
    return eiw_flow(SHAPE, **({"levels": 2, "steps": 1, "width": 4, "blocks": 1} | changes))


def test_every_split_has_a_shuffle_before_it():
    flow = eiw_flow((8, 8, 3), levels=3, steps=2, width=4)
    assert [part.event_shape for part in flow.flows] == [(8, 8, 3), (4, 4, 6), (2, 2, 12)]
    for level in flow.flows:
        assert [type(part) for part in level.bijectors] == [Squeeze, Repeated]
        steps = level.bijectors[1]
        assert steps.times == 2
        kinds = [type(part) for part in steps.step.bijectors]
        assert kinds == [ActNorm, InvertibleConvolution, Coupling]
        assert isinstance(steps.step.bijectors[-1].transform, Affine)
    assert [type(shuffle) for shuffle in flow.splits] == [PublishedShuffle] * 2
    assert [shuffle.event_shape for shuffle in flow.splits] == [(4, 4, 12), (2, 2, 24)]
    assert flow.factorization == EntropyInformed()
    assert isinstance(flow.exit_prior, ConditionalGaussian)


def test_couplings_may_be_mixtures():
    couplings = [
        part for part in tiny(coupling="mixture_logistic").kinds if isinstance(part, Coupling)
    ]
    assert couplings
    assert all(isinstance(part.transform, MixtureLogistic) for part in couplings)


def test_untrained_it_is_glow_but_for_the_published_order():
    seed_initializers(0)
    plain = glow(SHAPE, levels=2, steps=1, width=4, dtype="float64", factorization=Channel())
    flow = tiny(dtype="float64", factorization=EntropyInformed("invariant"))
    routers = {id(variable) for variable in of_routers(flow)}
    assert routers
    rest = [variable for variable in flow.variables if id(variable) not in routers]
    for variable, of_glow in zip(rest, plain.variables, strict=True):
        variable.assign(of_glow)
    x = data(flow, 3)
    close(
        flow.split(flow.inverse(x))[0],
        plain.split(plain.inverse(x))[0],
        1e-12,
        "what is factored out",
    )
    log_probs = [lcma.FlowDistribution(one).log_prob(x) for one in (flow, plain)]
    close(*log_probs, 1e-12, "log_prob")
    published = tiny(dtype="float64").splits[0]
    published.layers[0].outer.assign(tf.zeros_like(published.layers[0].outer))
    assert np.array_equal(published.route(np.arange(4)), np.arange(4)), "equal weights: as it was"


@pytest.mark.parametrize("factorization", [EntropyInformed("coupling"), Channel(), None], ids=repr)
def test_any_factorization_and_prior_will_do(factorization):
    flow = tiny(factorization=factorization, exit_prior=StandardNormal(), dtype="float64")
    move_weights(flow, 0.1, seed=1)
    x = data(flow, 2)
    close(flow.forward(flow.inverse(x)), x, 1e-9, "round trip")


def test_training_learns_and_samples_are_images():
    model = lcma.FlowModel(tiny())
    model.compile(optimizer=keras.optimizers.Adam(0.02), run_eagerly=True)
    (shuffle,) = model.flow.splits
    before = [kernel.numpy() for kernel in shuffle.layers[0].variables]
    history = fitted(model, pictures(128), epochs=3)["bits_per_dimension"]
    assert history[-1] < history[0] - 0.05
    after = [kernel.numpy() for kernel in shuffle.layers[0].variables]
    assert any(np.any(one != other) for one, other in zip(before, after, strict=True))
    samples = model.sample(8, seed=1)
    back = model.decode(model.encode(samples))
    np.testing.assert_allclose(back, samples, atol=0.05)


def test_likelihood_gives_a_gradient_to_all_but_the_routers():
    flow = tiny(dtype="float64")
    move_weights(flow, 0.1, seed=1)
    x, variables = data(flow, 4), flow.trainable_variables
    with tf.GradientTape() as tape:
        log_prob = tf.reduce_sum(lcma.FlowDistribution(flow).log_prob(x))
    gradients = tape.gradient(log_prob, variables)
    without = [v for v, g in zip(variables, gradients, strict=True) if g is None]
    assert [id(v) for v in without] == [id(v) for v in of_routers(flow)]
    assert len(without) == 4, "two matrices of the weights, two of the head"


def test_xla_compiles_densities_and_samples_to_the_same_numbers():
    flow = tiny(dtype="float64")
    move_weights(flow, 0.1, seed=1)
    distribution, x = lcma.FlowDistribution(flow), data(flow, 6)
    z = tf.random.stateless_normal((6, *SHAPE), (1, 2), dtype=tf.float64)
    for function, value in ((distribution.event_log_prob, x), (distribution.decode, z)):
        compiled = tf.function(function, jit_compile=True, autograph=False)(value)
        close(compiled, function(value), 1e-9, "compiled")


def test_arguments_out_of_range_are_refused_by_name():
    for name in ("levels", "steps", "width", "blocks"):
        with pytest.raises(ValueError, match=f"{name} must be a whole number >= 1; got 0"):
            eiw_flow((8, 8, 1), **{name: 0})
