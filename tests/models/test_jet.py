"""Jet: its couplings, its density by hand, and what is factored out of patches."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfp_lcma as lcma
from tests.seeds import seed_initializers
from tests.toys import fitted, pictures
from tfp_lcma.bijectors import Coupling, Halves, Patches, Repeated
from tfp_lcma.bijectors.names import named_variables
from tfp_lcma.bijectors.transforms import SigmoidAffine
from tfp_lcma.factorizations import (
    Channel,
    Checkerboard,
    ExitPrice,
    GreedyExitPrice,
    Haar,
    KarhunenLoeve,
    LearnedConvolution,
    LikelihoodContribution,
    LogDetStatistics,
    OnlineLikelihoodContribution,
    Random,
    RandomChannels,
    RandomInBlock,
    RotatedExitPrice,
)
from tfp_lcma.models import jet
from tfp_lcma.models.jet import coupling_order
from tfp_lcma.networks import TransformerNetwork
from tfp_lcma.priors import ConditionalGaussian, StandardNormal
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data, move_weights

SHAPE = (8, 8, 1)
SMALL = {"patch": 2, "levels": 2, "couplings": 2, "width": 4, "blocks": 1, "heads": 2}


def tiny(**changes):
    seed_initializers(0)
    return jet(SHAPE, **{**SMALL, "dtype": "float64"} | changes)


# --- the density by hand, but for the couplings' network ---


def patches(image, side):
    """[h, w, c] -> [h/p, w/p, p*p*c], patch by patch."""
    rows, columns = image.shape[0] // side, image.shape[1] // side
    cut = [
        image[side * i : side * (i + 1), side * j : side * (j + 1)].ravel()
        for i in range(rows)
        for j in range(columns)
    ]
    return np.reshape(cut, (rows, columns, -1))


def run_by_hand(run, y, first):
    """Takes a grid through the couplings of a level; returns it and the log-det."""
    total, step = 0.0, run.step
    own, stacked = named_variables(step), named_variables(run)
    for k in range(run.times):
        for name, variable in own.items():
            variable.assign(stacked[name].numpy()[k])
        order = coupling_order(y.shape, first + k).ravel()
        kept, moved = np.split(y.ravel()[order], 2)
        half = (*y.shape[:2], y.shape[2] // 2)
        raw = np.asarray(step.network(tf.constant(kept.reshape(1, *half))))[0]
        shift, raw_scale = np.moveaxis(raw.reshape(*half, 2), -1, 0)
        scale = 2 / (1 + np.exp(-raw_scale))
        moved = (moved.reshape(half) + shift) * scale
        total += np.log(scale).sum()
        out = np.empty(y.size)
        out[order] = np.concatenate([kept, moved.ravel()])
        y = out.reshape(y.shape)
    return y, total


def log_normal(z):
    return np.sum(-0.5 * z**2 - 0.5 * np.log(2 * np.pi))


def test_log_prob_is_the_one_computed_by_hand_around_the_same_networks():
    flow = tiny(couplings=6, factorization=Channel(retained=0.5))
    move_weights(flow, 0.3, seed=2)
    x = data(flow, 2)
    expected = []
    for image in x.numpy():
        y, log_det = run_by_hand(flow.flows[0].bijectors[1], patches(image, 2), 0)
        y, left = np.split(y, 2, axis=-1)
        z, more = run_by_hand(flow.flows[1].bijectors[0], y, 6)
        expected.append(log_normal(left) + log_normal(z) + log_det + more)
    close(lcma.FlowDistribution(flow).log_prob(x), expected, 1e-10, "log_prob")


# --- the architecture ---


def test_a_level_is_one_run_of_couplings_over_patches():
    flow = tiny()
    assert [part.event_shape for part in flow.flows] == [SHAPE, (4, 4, 2)]
    assert isinstance(flow.flows[0].bijectors[0], Patches)
    for level in flow.flows:
        (run,) = [part for part in level.parts if isinstance(part, Repeated)]
        assert run.times == 2
        assert isinstance(run.step, Coupling)
        assert isinstance(run.step.partition, Halves)
        assert isinstance(run.step.transform, SigmoidAffine)
        assert isinstance(run.step.network, TransformerNetwork)
    assert isinstance(flow.exit_prior, StandardNormal)
    # All kinds of couplings are steps of one loop.
    deep = tiny(couplings=7)
    assert len(deep.trainable_variables) == len(flow.trainable_variables)


def test_jet_starts_as_the_identity():
    flow = tiny()
    x = data(flow, 2)
    z, log_det = flow.inverse_and_event_log_det(x)
    close(z, x, 1e-12, "latents")
    close(log_det, np.zeros_like(x), 1e-12, "log-det")


def kept(number, grid=(4, 6, 8)):
    """Whether a coupling keeps each dimension of the grid."""
    order = coupling_order(grid, number).ravel()
    assert np.array_equal(np.sort(order), np.arange(order.size))
    mask = np.zeros(order.size, bool)
    mask[order[: order.size // 2]] = True
    return mask.reshape(grid)


def test_four_couplings_of_channels_keep_the_same_random_half_of_every_patch():
    halves = [kept(number) for number in range(10) if number % 5 < 4]
    for half in halves:
        assert np.all(half == half[:1, :1])
        assert half[0, 0].sum() == 4
    assert len({half.tobytes() for half in halves}) > 4


def test_every_fifth_coupling_keeps_whole_patches_in_a_pattern_and_then_its_inverse():
    rows, columns = np.indices((4, 6))
    patterns = ((rows + columns) % 2 == 0, columns % 2 == 0, rows % 2 == 0)
    for number, pattern in enumerate(patterns * 2):
        for inverse in (False, True):
            half = kept(5 * (2 * number + inverse) + 4)
            assert np.array_equal(half, np.broadcast_to((pattern ^ inverse)[..., None], half.shape))


# --- what is factored out ---


@functools.cache
def statistics(patch=2):
    """Of a flow without a split, whose dimensions differ."""
    flow = tiny(factorization=None, dtype="float32", patch=patch)
    move_weights(flow, 0.3, seed=3)
    return lcma.LogDetCollector().collect(lcma.FlowModel(flow), pictures(32, SHAPE))


CHOICES = {
    "fixed": lambda **share: Channel(**share),
    "random": lambda **share: Random(**share),
    "random channels": lambda **share: RandomChannels(**share),
    "learned": lambda **share: LearnedConvolution("float64", **share),
    "Karhunen-Loeve": lambda **share: KarhunenLoeve(statistics(), **share),
    "negentropy": lambda **share: KarhunenLoeve(statistics(), keep="negentropy", **share),
    "rotated exit price": lambda **share: RotatedExitPrice(statistics(), **share),
    "greedy exit price": lambda **share: GreedyExitPrice(statistics(), **share),
    "LCMA": lambda **share: LikelihoodContribution(statistics(), **share),
    "LCMA, one order": lambda **share: LikelihoodContribution(
        statistics(), granularity="channel", **share
    ),
}


@pytest.mark.parametrize("name", CHOICES)
def test_half_of_every_patch_is_factored_out_by_any_choice(name):
    flow = tiny(couplings=1, factorization=CHOICES[name](), exit_prior=ConditionalGaussian())
    assert np.bincount(flow.exit_map.ravel()).tolist() == [32, 32]
    if name != "random":
        left = patches(flow.exit_map, 2) == 0
        assert np.all(left.sum(axis=-1) == 2)
    move_weights(flow, 0.1, seed=1)
    x = data(flow, 2)
    close(flow.forward(flow.inverse(x)), x, 1e-9, "round trip")


@pytest.mark.parametrize("share", [0.25, 4])
def test_any_share_of_a_patch_stays_at_any_number_of_levels(share):
    for name in ("fixed", "learned"):
        flow = tiny(patch=4, couplings=1, factorization=CHOICES[name](retained=share))
        assert np.bincount(flow.exit_map.ravel()).tolist() == [48, 16]
    flow = tiny(patch=4, levels=3, factorization=Channel())
    assert [part.event_shape for part in flow.flows] == [SHAPE, (2, 2, 8), (2, 2, 4)]
    assert np.bincount(flow.exit_map.ravel()).tolist() == [32, 16, 16]


def test_jetformers_choice_factors_out_the_last_pixels_of_a_patch():
    rows = tiny().exit_map.reshape(4, 2, 8)
    assert np.all(rows[:, 0] == 1) and np.all(rows[:, 1] == 0)


def test_lcma_keeps_the_highest_log_dets_of_a_patch():
    scores = patches(statistics().log_det[0], 2)
    stays = patches(tiny(factorization=CHOICES["LCMA"]()).exit_map, 2) == 1
    assert np.all(
        np.where(stays, scores, np.inf).min(-1) >= np.where(stays, -np.inf, scores).max(-1)
    )
    one = patches(tiny(factorization=CHOICES["LCMA, one order"]()).exit_map, 2) == 1
    best = np.argsort(-scores.mean(axis=(0, 1)))[:2]
    assert np.all(one == np.isin(np.arange(4), best))


def test_principal_axes_of_patches_are_those_of_their_covariance():
    gathered = statistics()
    assert gathered.block_covariance[0].shape == (4, 4, 4, 4)
    views = gathered.views(0).astype(np.float64)
    centred = views - views.mean(axis=0)
    close(
        gathered.block_covariance[0],
        np.einsum("nhwi,nhwj->hwij", centred, centred) / len(views),
        1e-4,
        "covariance",
    )
    (rotation,) = KarhunenLoeve(gathered).rotations
    mean = gathered.block_covariance[0].mean(axis=(0, 1))
    turned = rotation @ mean @ rotation.T
    close(turned, np.diag(np.sort(np.linalg.eigvalsh(mean))[::-1]), 1e-9, "axes")


def test_statistics_and_choices_of_patches_come_back_from_files(tmp_path):
    statistics().save(tmp_path / "statistics.npz")
    again = LogDetStatistics.load(tmp_path / "statistics.npz")
    assert again.patch == 2
    for kind in (KarhunenLoeve, GreedyExitPrice, LikelihoodContribution):
        made = kind(again)
        copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(made))
        assert copy == made == kind(statistics())
        assert copy.patch == 2


BLOCKS = {
    "Checkerboard": Checkerboard(),
    "Haar": Haar(),
    "RandomInBlock": RandomInBlock(),
    "OnlineLikelihoodContribution": OnlineLikelihoodContribution(),
    "LikelihoodContribution": LikelihoodContribution(np.zeros((2, *SHAPE))),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_choices_for_blocks_are_refused(name):
    message = f"must be one for patches of 2x2; {name} is (chosen )?for views of 2x2 blocks"
    with pytest.raises(ValueError, match=message):
        tiny(factorization=BLOCKS[name])


def test_choices_for_other_patches_are_refused():
    with pytest.raises(ValueError, match=r"for views of 2x2 blocks; .* for patches of 2x2"):
        lcma.models.glow(SHAPE, factorization=KarhunenLoeve(statistics()))
    with pytest.raises(ValueError, match=r"for patches of 4x4; .* for patches of 2x2"):
        tiny(patch=4, factorization=LikelihoodContribution(statistics()))
    with pytest.raises(ValueError, match="a flow on patches of 2x2, for which there is Greedy"):
        ExitPrice(statistics())
    with pytest.raises(ValueError, match=r"patch must be that of the flow .* \[2\]; got 4"):
        LikelihoodContribution(statistics(), patch=4)
    with pytest.raises(ValueError, match='pooling must be "block" or "view"'):
        LikelihoodContribution(statistics(), pooling="pair")


# --- as a model ---


def test_a_model_learns_and_comes_back_from_its_file_with_its_choice(tmp_path):
    images = pictures(32, SHAPE)
    options = {"couplings": 1, "memory": "invert", "dtype": "float32"}
    flow = tiny(factorization=CHOICES["LCMA"](), **options)
    model = lcma.FlowModel(flow)
    model.compile(optimizer=keras.optimizers.Adam(0.02), run_eagerly=True)
    history = fitted(model, images, epochs=2)["bits_per_dimension"]
    assert history[-1] < history[0] - 0.02
    model.save(tmp_path / "jet.keras")
    copy = keras.saving.load_model(tmp_path / "jet.keras")
    np.testing.assert_allclose(copy.log_prob(images[:8]), model.log_prob(images[:8]), rtol=1e-6)
    assert np.array_equal(copy.flow.exit_map, flow.exit_map)
    assert copy.flow.patch == 2


def test_arguments_out_of_range_are_refused_by_name():
    for name in ("patch", "levels", "couplings", "width", "blocks", "heads"):
        with pytest.raises(ValueError, match=f"{name} must be a whole number >= 1; got 0"):
            tiny(**{name: 0})
    with pytest.raises(ValueError, match="patch must divide height and width of event_shape"):
        tiny(patch=3)
    with pytest.raises(ValueError, match="even number of rows and columns of patches; got 1 and 1"):
        tiny(patch=8)
    with pytest.raises(ValueError, match=r"even number of a patch's dimensions to level 1.* got 3"):
        tiny(factorization=Channel(retained=3))
    with pytest.raises(ValueError, match=r"patch must have an even number .* to level 0.* got 1"):
        tiny(patch=1, levels=1)
    with pytest.raises(ValueError, match="width must be divisible by heads=3; got 4"):
        tiny(heads=3)
