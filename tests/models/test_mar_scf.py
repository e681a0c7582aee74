"""mAR-SCF: the architecture, sampling against density, training and export."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfp_lcma as lcma
from tests.seeds import seed_initializers
from tests.toys import SHAPE, fitted, pictures
from tfp_lcma.bijectors import ActNorm, Coupling, InvertibleConvolution, Repeated, Squeeze
from tfp_lcma.bijectors.transforms import Affine, MixtureLogistic
from tfp_lcma.factorizations import Channel, Checkerboard, Haar
from tfp_lcma.models import mar_scf
from tfp_lcma.networks import ConvolutionalNetwork, GatedNetwork
from tfp_lcma.priors import ChannelAutoregressive, ConditionalGaussian
from tfp_lcma.priors.channel_autoregressive import ChannelAutoregressiveExit
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data, move_weights


def tiny(**changes):
    seed_initializers(0)
    settings = {"levels": 2, "steps": 1, "width": 4, "blocks": 1, "hidden": 2, "coupling": "affine"}
    return mar_scf(SHAPE, **(settings | changes))


def exits(flow):
    return [part for part in flow.submodules if isinstance(part, ChannelAutoregressiveExit)]


@pytest.mark.parametrize(
    ("coupling", "transform", "network"),
    [
        ("affine", Affine, ConvolutionalNetwork),
        ("mixture_logistic", MixtureLogistic, GatedNetwork),
    ],
)
def test_steps_are_actnorm_convolution_and_a_coupling_with_its_network(
    coupling, transform, network
):
    flow = mar_scf((8, 8, 3), levels=2, steps=2, width=4, blocks=1, hidden=2, coupling=coupling)
    assert [part.event_shape for part in flow.flows] == [(8, 8, 3), (4, 4, 6)]
    for level in flow.flows:
        assert [type(part) for part in level.bijectors] == [Squeeze, Repeated]
        steps = level.bijectors[1]
        assert steps.times == 2
        kinds = [type(part) for part in steps.step.bijectors]
        assert kinds == [ActNorm, InvertibleConvolution, Coupling]
        assert isinstance(steps.step.bijectors[-1].transform, transform)
        assert isinstance(steps.step.bijectors[-1].network, network)
    assert flow.factorization == Channel()
    assert isinstance(flow.exit_prior, ChannelAutoregressive)


def test_prior_has_the_sizes_of_its_level():
    flow = tiny(hidden=(3, 2), kernel=(5, 3), dilation=(2, 1))
    assert flow.exit_prior.get_config() == {
        "hidden": (3, 2), "kernel": (5, 3), "dilation": (2, 1), "forget_bias": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_a_sample_takes_the_published_number_of_steps(levels):
    flow = mar_scf((8, 8, 3), levels=levels, steps=1, width=4, hidden=2, coupling="affine")
    assert sum(part.sampling_steps for part in exits(flow)) == (3 * 2**levels - 2) * 3


def test_every_exit_starts_as_standard_normal_noise():
    flow = tiny(dtype="float64")
    bare = tiny(dtype="float64", exit_prior=lcma.priors.StandardNormal())
    x = data(flow, 3)
    for mine, plain in zip(
        flow.inverse_and_event_log_det(x), bare.inverse_and_event_log_det(x), strict=True
    ):
        close(mine, plain, 1e-12, "at the start")


@pytest.mark.parametrize("factorization", [Checkerboard(), Haar(), None], ids=repr)
def test_any_factorization_and_prior_will_do(factorization):
    for prior in (None, ConditionalGaussian()):
        flow = tiny(factorization=factorization, exit_prior=prior, dtype="float64")
        move_weights(flow, 0.1, seed=1)
        x = data(flow, 2)
        close(flow.forward(flow.inverse(x)), x, 1e-9, "round trip")
        assert bool(exits(flow)) == (prior is None)


def test_a_sample_has_the_log_prob_that_sampling_gave():
    flow = tiny()
    move_weights(flow, 0.1, seed=1)
    distribution = lcma.FlowDistribution(flow)
    x, expected = distribution.experimental_sample_and_log_prob(16, seed=(0, 1))
    close(distribution.log_prob(tf.identity(x)), expected, 1e-5, "log_prob")


@pytest.fixture(scope="module")
def trained():
    model = lcma.FlowModel(tiny(coupling="mixture_logistic", factorization=Checkerboard()))
    model.compile(optimizer=keras.optimizers.Adamax(0.02), run_eagerly=True)
    history = fitted(model, pictures(64), epochs=3)["bits_per_dimension"]
    assert history[-1] < history[0] - 0.05
    return model


def test_noise_of_all_levels_can_be_walked_through_straight_or_along_the_arc(trained):
    start, end = pictures(4)[:2], pictures(4)[2:]
    first, last = trained.encode(start), trained.encode(end)
    for spherical in (False, True):
        walk = trained.interpolate(start, end, steps=3, spherical=spherical)
        np.testing.assert_allclose(np.floor(walk[:, 0]), start, atol=1)
        np.testing.assert_allclose(np.floor(walk[:, -1]), end, atol=1)
        middle = trained.decode(0.5 * (first + last))
        assert np.allclose(walk[:, 1], middle, atol=0.1) == (not spherical)
    # What is factored out first is walked through like the rest: its noise changes too.
    assert np.abs(first - last)[:, trained.flow.exit_map == 0].max() > 0.1


def test_arguments_out_of_range_are_refused_by_name():
    for name in ("levels", "steps", "width", "blocks", "hidden"):
        with pytest.raises(ValueError, match=f"{name} must be a whole number >= 1; got 0"):
            mar_scf((8, 8, 1), **{name: 0})
    with pytest.raises(ValueError, match="width must be divisible by heads=4; got 6"):
        mar_scf((8, 8, 1), width=6)
