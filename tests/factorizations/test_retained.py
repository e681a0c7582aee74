"""How much of a level stays: as a share or as a number, in the layout and in the density."""

import itertools
import json

import keras
import numpy as np
import pytest

from tests import fields
from tests.registry import multi_scale, random_scores
from tests.seeds import seed_initializers
from tfp_lcma.bijectors import Identity
from tfp_lcma.factorizations import (
    Channel,
    Checkerboard,
    ComplementCheckerboard,
    EntropyInformed,
    Haar,
    KarhunenLoeve,
    LearnedConvolution,
    LikelihoodContribution,
    LikelihoodGain,
    OnlineLikelihoodContribution,
    Random,
    RandomChannels,
    RandomInBlock,
    RotatedExitPrice,
    Whitened,
)
from tfp_lcma.models import eiw_flow, glow, mar_scf, real_nvp, residual_flow
from tfp_lcma.multi_scale import MultiScale, level_shapes
from tfp_lcma.priors import ConditionalGaussian
from tfp_lcma.testing.exactness import check_log_det, check_round_trips
from tfp_lcma.testing.inputs import data, move_weights

SHAPE = (4, 4, 2)
SCORES = random_scores(2, SHAPE)
GATHERED = fields.statistics(SHAPE, levels=2)
KINDS = {
    "Checkerboard": Checkerboard,
    "ComplementCheckerboard": ComplementCheckerboard,
    "Channel": Channel,
    "Random": Random,
    "RandomChannels": RandomChannels,
    "RandomInBlock": RandomInBlock,
    "LikelihoodContribution": lambda **own: LikelihoodContribution(SCORES, **own),
    "LikelihoodContribution (view)": lambda **own: LikelihoodContribution(
        SCORES, pooling="view", **own
    ),
    "LikelihoodGain": lambda **own: LikelihoodGain(SCORES, **own),
    "KarhunenLoeve": lambda **own: KarhunenLoeve(GATHERED, **own),
    "RotatedExitPrice": lambda **own: RotatedExitPrice(GATHERED, **own),
    "LearnedConvolution": lambda **own: LearnedConvolution("float64", **own),
    "Whitened": lambda **own: Whitened("float64", **own),
    "EntropyInformed (invariant)": lambda **own: EntropyInformed("invariant", **own),
    "EntropyInformed (frozen)": lambda **own: EntropyInformed("frozen", **own),
    "EntropyInformed (coupling)": lambda **own: EntropyInformed("coupling", **own),
}


# --- the layout ---


def identities(factorization, shape=SHAPE, levels=3):
    return MultiScale(
        [Identity(level) for level in level_shapes(shape, levels, factorization)], factorization
    )


@pytest.mark.parametrize(
    ("factorization", "staying"),
    [
        (Channel(retained=0.25), [2, 2]),
        (Channel(retained=0.75), [6, 18]),
        (Channel(retained=0.5), [4, 8]),
        (Channel(retained=2), [2, 2]),
        (Channel(retained=7), [7, 7]),
        (Random(retained=0.25), [2, 2]),
        (Haar(("mean",)), [2, 2]),
        (Haar(("mean", "horizontal", "vertical")), [6, 18]),
        (EntropyInformed("frozen", retained=0.75), [6, 18]),
        (EntropyInformed(retained=0.75), [6, 18]),
    ],
    ids=repr,
)
def test_shapes_of_levels_and_exits_and_the_exit_map_follow_what_stays(factorization, staying):
    flow = identities(factorization)
    first, second = staying
    assert [level.event_shape for level in flow.flows] == [SHAPE, (2, 2, first), (1, 1, second)]
    assert [exit_.event_shape for exit_ in flow.exits] == [
        (2, 2, 8 - first),
        (1, 1, 4 * first - second),
        (1, 1, second),
    ]
    assert [flow.factored_out(level) for level in (0, 1)] == [8 - first, 4 * first - second]
    counts = [4 * (8 - first), 4 * first - second, second]
    assert np.bincount(flow.exit_map.ravel(), minlength=3).tolist() == counts
    assert [index.shape for index in flow.level_index] == [SHAPE, (2, 2, first), (1, 1, second)]


@pytest.mark.parametrize("retained", [0.25, 0.75])
@pytest.mark.parametrize("kind", [Channel, Random, RandomInBlock, Checkerboard])
def test_what_arrives_at_a_level_is_what_stayed_above(kind, retained):
    factorization = kind(retained=retained)
    flow = identities(factorization)
    for level in (0, 1, 2):
        assert np.array_equal(flow.level_index[level], factorization.arriving(level, SHAPE))
    reached = np.sort(flow.level_index[2], axis=None)
    assert np.array_equal(reached, np.flatnonzero(flow.exit_map == 2))


def test_of_every_block_the_best_scored_stays_alone_or_the_worst_goes_alone():
    for retained, rank in ((0.25, [0]), (0.75, [0, 1, 2])):
        factorization = LikelihoodContribution(SCORES, retained=retained)
        stays = fields.view(identities(factorization, levels=2).exit_map == 1)
        blocks = fields.view(SCORES[0]).reshape(2, 2, 2, 4)
        place = np.argsort(np.argsort(-blocks, axis=-1), axis=-1)
        assert np.array_equal(stays.reshape(2, 2, 2, 4), np.isin(place, rank))


def test_of_a_pooled_view_the_best_share_stays():
    factorization = LikelihoodContribution(SCORES, pooling="view", retained=0.25)
    stays = fields.view(identities(factorization, levels=2).exit_map == 1)
    place = np.argsort(np.argsort(-fields.view(SCORES[0]), axis=-1), axis=-1)
    assert np.array_equal(stays, place < 2)


@pytest.mark.parametrize("across", [False, True])
def test_components_of_most_variance_stay_and_the_next_rotation_has_their_size(across):
    for retained, entries in ((0.25, 8), (0.75, 24)):
        statistics = fields.statistics((8, 8, 2), levels=3)
        factorization = KarhunenLoeve(statistics, across_channels=across, retained=retained)
        assert [len(matrix) for matrix in factorization.rotations] == [8, entries]


@pytest.mark.parametrize("shuffle", ["invariant", "frozen", "coupling"])
@pytest.mark.parametrize(("retained", "stay"), [(0.25, 2), (0.75, 6), (4, 4)])
def test_a_shuffle_keeps_as_many_channels_in_their_order(shuffle, retained, stay):
    split = EntropyInformed(shuffle, retained=retained).bijector(0, (2, 2, 8))
    assert split.staying == stay
    move_weights(split, 2.0, seed=1)
    channels = np.broadcast_to(np.arange(8.0), (4, 2, 2, 8))
    slots = split.move_inverse(channels, data(split, 4)).numpy()[:, 0, 0]
    assert np.array_equal(np.sort(slots, axis=-1), channels[:, 0, 0])
    for part in (slots[:, :stay], slots[:, stay:]):
        halves = np.split(part, 2, axis=-1) if shuffle == "coupling" else [part]
        assert all(np.all(np.diff(half, axis=-1) > 0) for half in halves)


# --- the density ---


@pytest.mark.parametrize(("kind", "retained"), zip(KINDS, itertools.cycle((0.25, 0.75))))
def test_round_trip_and_log_det_are_exact_whatever_stays(kind, retained):
    seed_initializers(0)
    factorization = KINDS[kind](retained=retained)
    flow = multi_scale("float64", factorization, ConditionalGaussian(), SHAPE, levels=2)
    move_weights(flow, 0.2, seed=1)
    check_round_trips(flow)
    check_log_det(flow)


MODELS = {
    "real_nvp": lambda factorization: real_nvp(
        (4, 4, 1), width=4, blocks=1, factorization=factorization, dtype="float64"
    ),
    "real_nvp, position-aware": lambda factorization: real_nvp(
        (4, 4, 1),
        width=4,
        blocks=1,
        factorization=factorization,
        position_aware=True,
        dtype="float64",
    ),
    "glow": lambda factorization: glow(
        (4, 4, 1), levels=2, steps=1, width=4, factorization=factorization, dtype="float64"
    ),
    "mar_scf": lambda factorization: mar_scf(
        (4, 4, 1),
        levels=2,
        steps=1,
        width=4,
        blocks=1,
        hidden=2,
        coupling="affine",
        factorization=factorization,
        dtype="float64",
    ),
    "eiw_flow": lambda factorization: eiw_flow(
        (4, 4, 1), levels=2, steps=1, width=4, factorization=factorization, dtype="float64"
    ),
    "residual_flow": lambda factorization: residual_flow(
        (4, 4, 1),
        steps=1,
        width=4,
        log_det="exact",
        factorization=factorization,
        dtype="float64",
    ),
}


@pytest.mark.parametrize(("model", "retained"), zip(MODELS, itertools.cycle((0.25, 0.75))))
def test_every_model_is_exact_whatever_stays(model, retained):
    seed_initializers(0)
    flow = MODELS[model](Channel(retained=retained))
    assert np.bincount(flow.exit_map.ravel()).tolist() == [16 - 16 * retained, 16 * retained]
    move_weights(flow, 0.1, seed=1)
    check_round_trips(flow)
    check_log_det(flow)


# --- the argument ---


@pytest.mark.parametrize("kind", KINDS)
def test_what_stays_is_part_of_a_factorization_and_of_its_configuration(kind):
    this, other = KINDS[kind](retained=0.25), KINDS[kind]()
    assert this.retained == 0.25
    assert this != other
    assert "retained=0.25" in repr(this)
    text = json.dumps(keras.saving.serialize_keras_object(this))
    copy = keras.saving.deserialize_keras_object(json.loads(text))
    assert copy == this
    assert copy.retained == 0.25


def test_a_share_that_rounds_to_a_whole_number_is_one():
    assert Channel(retained=0.55).staying(0, (1, 1, 20)) == 11
    assert Channel(retained=1 / 3).staying(0, (1, 1, 12)) == 4


@pytest.mark.parametrize("retained", [0, -1, 0.0, 1.0, -0.5, 1.5, True, float("nan"), "half", None])
def test_what_is_neither_a_share_nor_a_number_is_refused(retained):
    message = rf"retained must be a share between 0 and 1 or a whole number .*; got {retained!r}"
    with pytest.raises(ValueError, match=message):
        Channel(retained=retained)


@pytest.mark.parametrize("retained", [0.3, 0.1, 8, 9])
def test_what_leaves_nothing_to_factor_out_or_no_whole_channels_is_refused(retained):
    message = rf"whole number from 1 to 7 of the 8 channels of level 0's view; got {retained}"
    with pytest.raises(ValueError, match=message):
        identities(Channel(retained=retained))


def test_a_number_that_a_deeper_level_does_not_have_is_refused_with_the_level():
    # An eighth of 8 channels is one; the view of that one has 4.
    with pytest.raises(ValueError, match=r"1 to 3 of the 4 channels of level 1's view; got 0\.125"):
        identities(Channel(retained=0.125))


def test_halves_of_a_coupling_shuffle_must_keep_alike():
    with pytest.raises(ValueError, match="staying must be an even number below 8; got 3"):
        EntropyInformed("coupling", retained=3).bijector(0, (2, 2, 8))


def test_a_split_that_is_drawn_while_training_is_into_halves():
    with pytest.raises(ValueError, match="options must hold no retained"):
        OnlineLikelihoodContribution(retained=0.25)
