"""The split along whitened components: what is factored out, and the density at the start."""

import keras
import numpy as np
import tensorflow as tf

from tests.toys import pictures
from tfp_lcma import FlowModel
from tfp_lcma.bijectors import ActNorm, Context
from tfp_lcma.factorizations import Checkerboard, LearnedConvolution, Whitened
from tfp_lcma.models import jet
from tfp_lcma.multi_scale import MultiScale, level_shapes
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import distribution

SHAPE = (4, 4, 2)
STARTING = Context(starting=True)
MIXING = np.random.default_rng(1).normal(size=(8, 8))


def actnorms(factorization, shape=SHAPE, levels=2):
    """A flow of one actnorm a level, as quick as a flow that starts from data can be."""
    shapes = level_shapes(shape, levels, factorization)
    return MultiScale([ActNorm(level, dtype="float64") for level in shapes], factorization)


def started(factorization, x):
    flow = actnorms(factorization)
    flow.inverse(x, context=STARTING)
    return flow


def blocks(count=2000):
    """Images of independent 2x2 blocks, each a Gaussian draw over all channels, mixed."""
    draws = np.random.default_rng(0).normal(size=(count, 2, 2, 8)) @ MIXING
    # A block's entry is channel * 4 + dy * 2 + dx.
    parts = draws.reshape(count, 2, 2, 2, 2, 2).transpose(0, 1, 4, 2, 5, 3)
    return parts.reshape(count, *SHAPE)


def test_components_of_least_variance_are_factored_out_whatever_the_share():
    x = blocks()
    for retained, stay in ((0.5, 4), (0.25, 2), (6, 6)):
        flow = started(Whitened("float64", retained=retained), x)
        components = flow.splits[0].layers[0].matrix().numpy()
        variances = np.linalg.norm(components, axis=0) ** -2.0
        assert variances[:stay].min() > variances[stay:].max()
        latents = flow.split(flow.inverse(x))
        both = np.concatenate(latents[::-1], axis=-1).reshape(-1, 8)
        assert [latent.shape[-1] for latent in latents] == [8 - stay, stay]
        close(np.cov(both.T, bias=True), np.eye(8), 1e-6, "covariance of all components")


def test_bits_are_the_entropy_of_gaussian_blocks_from_the_start():
    x = blocks()
    entropy = 4 * (np.linalg.slogdet(MIXING)[1] + 4 * np.log(2 * np.pi * np.e))

    def cost(split):
        return -distribution(started(split, x)).log_prob(x).numpy().mean()

    np.testing.assert_allclose(cost(Whitened("float64")), entropy, rtol=0.005)
    for other in (LearnedConvolution("float64"), Checkerboard()):
        assert cost(other) > 1.2 * entropy


def test_every_level_is_whitened_by_what_the_levels_above_let_through():
    flow = actnorms(Whitened("float64"), (8, 8, 1), levels=3)
    x = pictures(64, shape=(8, 8, 1)).astype("float64")
    flow.inverse(x, context=STARTING)
    assert flow.is_initialized
    for latent in flow.split(flow.inverse(x))[:2]:
        flat = np.reshape(latent, (-1, latent.shape[-1]))
        close(np.cov(flat.T, bias=True), np.eye(flat.shape[-1]), 1e-6, "what is factored out")


def test_the_whole_pass_is_differentiable_from_the_start():
    x = blocks(8)
    flow = started(Whitened("float64"), x)
    with tf.GradientTape() as tape:
        loss = distribution(flow).log_prob(x)
    variables = flow.splits[0].trainable_variables
    assert len(variables) == 3
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        assert np.isfinite(gradient).all() and np.any(gradient), variable.name


def test_all_dimensions_of_a_patch_are_whitened_together():
    small = {"levels": 2, "patch": 2, "couplings": 1, "width": 4, "heads": 1}
    flow = jet((8, 8, 1), **small, factorization=Whitened("float64"), dtype="float64")
    assert [tuple(split.event_shape) for split in flow.splits] == [(4, 4, 4)]
    x = np.random.default_rng(0).normal(size=(32, 8, 8, 1))
    flow.inverse(x + x.mean(axis=(1, 2), keepdims=True), context=STARTING)
    assert flow.is_initialized


def test_a_model_that_started_is_saved_with_its_start(tmp_path):
    model = FlowModel(actnorms(Whitened("float64", retained=0.25)))
    model.initialize(pictures(32, SHAPE))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.flow.is_initialized
    assert again.flow.factorization == Whitened("float64", retained=0.25)
    x = blocks(2)
    np.testing.assert_array_equal(again.flow.inverse(x), model.flow.inverse(x))
