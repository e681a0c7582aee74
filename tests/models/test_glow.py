"""Glow: the architecture, and its density computed by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfp_lcma as lcma
from tests.seeds import seed_initializers
from tests.toys import fitted, pictures
from tfp_lcma.bijectors import ActNorm, Coupling, InvertibleConvolution, Repeated, Squeeze
from tfp_lcma.bijectors.transforms import Additive, Affine, MixtureLogistic
from tfp_lcma.factorizations import Channel, Haar, RandomInBlock
from tfp_lcma.models import glow
from tfp_lcma.networks import ConvolutionalNetwork
from tfp_lcma.priors import ConditionalGaussian, StandardNormal
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data, move_weights


def tiny(**changes):
    seed_initializers(0)
    settings = {"levels": 2, "steps": 2, "width": 4, "dtype": "float64"}
    return glow((4, 4, 1), **(settings | changes))


def couplings(flow):
    """One coupling of every level."""
    return [part for part in flow.kinds if isinstance(part, Coupling)]


# --- the density by hand: numpy alone, one image ---

CONVOLUTION = ("lower", "upper", "permutation", "sign", "raw_log_scale")


def conv(x, kernel, bias=0.0):
    """A "same" convolution of [h, w, c], summed up tap by tap."""
    size = kernel.shape[0]
    padded = np.pad(x, ((size // 2,) * 2, (size // 2,) * 2, (0, 0)))
    h, w, _ = x.shape
    taps = ((i, j) for i in range(size) for j in range(size))
    return bias + sum(padded[i : i + h, j : j + w] @ kernel[i, j] for i, j in taps)


def actnorm(x, numbers, name):
    log_scale = 7 * np.tanh(numbers[f"{name}.raw_log_scale"] / 7)
    return (x + numbers[f"{name}.shift"]) * np.exp(log_scale), log_scale


def network_output(x, numbers):
    def norm(value, name):
        return actnorm(value, numbers, f"coupling.network.{name}")[0]

    def kernel(name):
        return numbers[f"coupling.network.{name}.kernel"]

    hidden = conv(6 * np.tanh(x / 6), kernel("conv_in"))
    hidden = conv(np.maximum(norm(hidden, "norm_in"), 0), kernel("conv_inner"))
    hidden = np.maximum(norm(hidden, "norm_inner"), 0)
    return conv(hidden, kernel("conv_out"), numbers["coupling.network.conv_out.bias"])


def one_step(numbers, y):
    """actnorm, 1x1 convolution, affine coupling; returns the output and the log-det."""
    pixels = y.shape[0] * y.shape[1]
    y, log_scale = actnorm(y, numbers, "act_norm")
    log_det = pixels * log_scale.sum()
    of = {name: numbers[f"invertible_convolution.{name}"] for name in CONVOLUTION}
    lower = np.tril(of["lower"], -1) + np.eye(y.shape[-1])
    diagonal = of["sign"] * np.exp(7 * np.tanh(of["raw_log_scale"] / 7))
    upper = np.triu(of["upper"], 1) + np.diag(diagonal)
    matrix = of["permutation"].T @ lower @ upper
    y = y @ matrix
    log_det += pixels * np.log(abs(np.linalg.det(matrix)))
    kept, moved = np.split(y, 2, axis=-1)
    shift, raw = np.split(network_output(kept, numbers), 2, axis=-1)
    log_scale = numbers["coupling.head.bound"] * np.tanh(raw)
    return np.concatenate(
        [kept, (moved + shift) * np.exp(log_scale)], -1
    ), log_det + log_scale.sum()


def squeeze(y):
    h, w, c = y.shape
    blocks = y.reshape(h // 2, 2, w // 2, 2, c).transpose(0, 2, 4, 1, 3)
    return blocks.reshape(h // 2, w // 2, 4 * c)


def log_normal(x, mean=0.0, log_sigma=0.0):
    z = (x - mean) * np.exp(-log_sigma)
    return np.sum(-0.5 * z**2 - log_sigma - 0.5 * np.log(2 * np.pi))


def log_prob_by_hand(flow, x):
    total, y = 0.0, x
    for level, of_level in enumerate(flow.flows):
        y = squeeze(y)
        steps = of_level.bijectors[1]
        stacked = {variable.name: variable.numpy() for variable in steps.layers[0].variables}
        for k in range(steps.times):
            y, log_det = one_step({name: values[k] for name, values in stacked.items()}, y)
            total += log_det
        (prior,) = flow.exits[level].layers
        if level == len(flow.flows) - 1:
            mean, raw = np.split(np.asarray(prior.raw), 2)
            return total + log_normal(y, mean, 5 * np.tanh(raw / 5))
        y, factored_out = np.split(y, 2, axis=-1)
        mean, raw = np.split(conv(y, *(np.asarray(w) for w in prior.conv.weights)), 2, axis=-1)
        total += log_normal(factored_out, mean, 5 * np.tanh(raw / 5))


def test_log_prob_is_the_one_computed_by_hand_from_the_same_weights():
    flow = tiny()
    move_weights(flow, 0.3, seed=2)
    x = data(flow, 3)
    got = lcma.FlowDistribution(flow).log_prob(x)
    close(got, [log_prob_by_hand(flow, image) for image in x.numpy()], 1e-10, "log_prob")


# --- the architecture ---


def test_levels_are_squeeze_and_steps_of_actnorm_convolution_and_coupling():
    flow = glow((8, 8, 3), levels=2, steps=3, width=4)
    assert [part.event_shape for part in flow.flows] == [(8, 8, 3), (4, 4, 6)]
    for level in flow.flows:
        assert [type(part) for part in level.bijectors] == [Squeeze, Repeated]
        steps = level.bijectors[1]
        assert steps.times == 3
        kinds = [type(part) for part in steps.step.bijectors]
        assert kinds == [ActNorm, InvertibleConvolution, Coupling]
        assert isinstance(couplings(level)[0].transform, Affine)
        assert isinstance(couplings(level)[0].network, ConvolutionalNetwork)
    assert flow.factorization == Channel()
    assert isinstance(flow.exit_prior, ConditionalGaussian)


def test_glow_starts_as_an_orthogonal_map_onto_standard_normal_noise():
    flow = tiny()
    x = data(flow, 3)
    z, log_det = flow.inverse_and_event_log_det(x)
    close(tf.reduce_sum(log_det, (1, 2, 3)), np.zeros(3), 1e-10, "log-det")
    close(
        tf.norm(tf.reshape(z, (3, -1)), axis=1), tf.norm(tf.reshape(x, (3, -1)), axis=1), 1e-10, ""
    )


def test_log_det_of_a_convolution_is_the_same_at_every_dimension():
    flow = tiny(levels=1, steps=1, coupling="additive", factorization=None)
    for variable in (v for layer in flow.layers for v in layer.trainable_variables):
        if variable.name.startswith("invertible_convolution"):
            variable.assign_add(0.3 * np.random.default_rng(0).normal(size=variable.shape))
    log_det = flow.inverse_event_log_det_jacobian(data(flow, 1)).numpy()
    assert np.ptp(log_det) < 1e-12
    assert abs(log_det.mean()) > 1e-3


def test_additive_couplings_have_half_the_outputs():
    affine, additive = tiny(), tiny(coupling="additive")
    assert all(isinstance(part.transform, Additive) for part in couplings(additive))
    sizes = [sum(np.prod(v.shape) for v in flow.trainable_variables) for flow in (affine, additive)]
    assert sizes[1] < sizes[0]


def test_mixture_couplings_stand_where_affine_ones_do_and_have_98_outputs_a_channel():
    flow = glow((4, 4, 1), levels=1, steps=2, width=4, coupling="mixture_logistic")
    (coupling,) = couplings(flow)
    assert isinstance(coupling.transform, MixtureLogistic)
    assert isinstance(coupling.network, ConvolutionalNetwork)
    assert coupling.network.filters == 2 * (2 + 3 * 32)


@pytest.mark.parametrize("factorization", [RandomInBlock(), Haar(), None], ids=repr)
def test_any_factorization_and_prior_will_do(factorization):
    flow = tiny(factorization=factorization, exit_prior=StandardNormal())
    move_weights(flow, 0.1, seed=1)
    x = data(flow, 2)
    close(flow.forward(flow.inverse(x)), x, 1e-9, "round trip")
    assert not flow.exits[0].trainable_variables


def test_training_initialises_every_actnorm_also_inside_networks_and_learns(tmp_path):
    images = pictures(128)
    model = lcma.FlowModel(glow((4, 4, 1), levels=2, steps=1, width=8))
    with pytest.raises(ValueError, match="never initialised"):
        model.log_prob(images)
    model.compile(optimizer=keras.optimizers.Adam(0.02), run_eagerly=True)
    history = fitted(model, images, epochs=2)["bits_per_dimension"]
    assert history[-1] < history[0] - 0.05
    model.save(tmp_path / "glow.keras")
    copy = keras.saving.load_model(tmp_path / "glow.keras")
    np.testing.assert_allclose(copy.log_prob(images[:8]), model.log_prob(images[:8]), rtol=1e-6)
    z = 10 * np.random.default_rng(0).normal(size=(4, 4, 4, 1))
    assert np.isfinite(model.decode(z)).all()


def test_arguments_out_of_range_are_refused_by_name():
    for name in ("levels", "steps", "width"):
        with pytest.raises(ValueError, match=f"{name} must be a whole number >= 1; got 0"):
            glow((8, 8, 1), **{name: 0})
    with pytest.raises(
        ValueError, match=r"coupling must be a transform or one of affine, .*; got 'cubic'"
    ):
        glow((8, 8, 1), coupling="cubic")
    with pytest.raises(ValueError, match=r"\(12, 8, 1\) cannot have 3 levels.* divisible by 8"):
        glow((12, 8, 1), levels=3)
