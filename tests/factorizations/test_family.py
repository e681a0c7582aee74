"""What the whole family of factorizations has in common."""

import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.fields import LEVELS, SHAPE, statistics
from tests.seeds import seed_initializers
from tests.toys import tiny_flow
from tfp_lcma.factorizations import (
    Channel,
    Checkerboard,
    ComplementCheckerboard,
    EntropyInformed,
    ExitPrice,
    GreedyExitPrice,
    Haar,
    KarhunenLoeve,
    LearnedConvolution,
    LikelihoodContribution,
    LikelihoodGain,
    Random,
    RandomChannels,
    RandomInBlock,
    RotatedExitPrice,
    Whitened,
)
from tfp_lcma.models import real_nvp
from tfp_lcma.multi_scale import MultiScale
from tfp_lcma.testing.inputs import data, distribution, move_weights
from tfp_lcma.testing.variables import of_routers

VIEWS = [(4, 4, 8), (2, 2, 16)]
RANKINGS = [
    {},
    {"keep": "low"},
    {"granularity": "channel"},
    {"granularity": "level"},
    {"pooling": "pair"},
    {"pooling": "view"},
    {"pooling": "view", "granularity": "channel"},
    {"order": "raster"},
    {"centred": True},
]
OPTIONS = [
    *RANKINGS,
    {"scores": "level"},
    {"scores": "scale_invariant"},
]
TOGETHER = {
    "keep": "low",
    "granularity": "channel",
    "pooling": "pair",
    "order": "raster",
    "scores": "scale_invariant",
    "centred": True,
}


def named(kind, options):
    return f"{kind.__name__}({', '.join(f'{name}={value}' for name, value in options.items())})"


def from_statistics(kind, options):
    return lambda seed: kind(gathered(seed), **options)


@functools.cache
def gathered(seed):
    return statistics(SHAPE, LEVELS, seed)


# From a seed, of the draw or of the statistics, to a factorization.
FAMILY = {
    "Checkerboard": lambda seed: Checkerboard(),
    "ComplementCheckerboard": lambda seed: ComplementCheckerboard(),
    "Channel": lambda seed: Channel(),
    "Random": Random,
    "RandomChannels": RandomChannels,
    "RandomInBlock": RandomInBlock,
    **{
        named(kind, options): from_statistics(kind, options)
        for kind, choices in {
            LikelihoodContribution: OPTIONS,
            LikelihoodGain: [{}],
            ExitPrice: [{"granularity": name} for name in ("position", "channel", "level")],
            GreedyExitPrice: [{}],
            KarhunenLoeve: [
                {"across_channels": across, "keep": keep}
                for across in (False, True)
                for keep in ("variance", "negentropy")
            ],
            RotatedExitPrice: [{"across_channels": across} for across in (False, True)],
        }.items()
        for options in choices
    },
    "LikelihoodContribution (all options)": from_statistics(LikelihoodContribution, TOGETHER),
    "LikelihoodContribution of scores": lambda seed: LikelihoodContribution(
        np.random.default_rng(seed).normal(size=(LEVELS, *SHAPE))
    ),
    "LikelihoodGain of two": lambda seed: LikelihoodGain([gathered(seed), gathered(seed + 1)]),
    "Haar": lambda seed: Haar(),
    "Haar (other components)": lambda seed: Haar(("diagonal", "vertical")),
    "LearnedConvolution": lambda seed: LearnedConvolution("float64"),
    "Whitened": lambda seed: Whitened("float64"),
    "EntropyInformed": lambda seed: EntropyInformed("invariant"),
    "EntropyInformed (frozen)": lambda seed: EntropyInformed("frozen", steps=7),
    "EntropyInformed (coupling, reversed)": lambda seed: EntropyInformed("coupling", reverse=True),
}
SHUFFLES = [name for name in FAMILY if name.startswith("EntropyInformed")]
ROTATIONS = [name for name in FAMILY if name.startswith(("Haar", "KarhunenLoeve", "Rotated"))]
# Convolutions that are learned start from a draw of Keras' global generator.
LEARNED = ["LearnedConvolution", "Whitened"]
PERMUTATIONS = [name for name in FAMILY if name not in (*ROTATIONS, *LEARNED)]
DETERMINATE = [name for name in FAMILY if name not in LEARNED]
FIXED = ["Checkerboard", "ComplementCheckerboard", "Channel", "Haar", "Haar (other components)"]
FIXED += SHUFFLES  # untrained, they move nothing


@functools.cache
def made(name, seed=0):
    return FAMILY[name](seed)


@functools.cache
def twin(name):
    """Another one, of the same arguments."""
    return FAMILY[name](0)


@functools.cache
def levels():
    """The levels of a RealNVP, their numbers moved away from their start."""
    seed_initializers(0)
    built = real_nvp(
        SHAPE, levels=LEVELS, width=2, blocks=1, factorization=Checkerboard(), dtype="float64"
    )
    move_weights(built, 0.2, seed=1)
    return built.flows


@functools.cache
def flow(name):
    """A RealNVP; all share their levels' variables."""
    seed_initializers(0)
    built = MultiScale(levels(), made(name))
    for split in built.splits:
        move_weights(split, 0.2, seed=1)
    return built


def matrix(factorization, level):
    """What the factorization does at a level, as a matrix `[slots, entries]`."""
    size = int(np.prod(VIEWS[level]))
    units = tf.reshape(tf.eye(size, dtype=tf.float64), (size, *VIEWS[level]))
    moved = factorization.bijector(level, VIEWS[level]).inverse(units)
    return tf.reshape(moved, (size, size)).numpy().T


def arrays(value):
    """All arrays of a configuration."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, list | tuple):
        return [array for part in value for array in arrays(part)]
    return []


def parameters(built):
    return sum(int(np.prod(v.shape)) for v in built.trainable_variables)


# --- the map ---


@pytest.mark.parametrize("level", range(LEVELS - 1))
@pytest.mark.parametrize("name", PERMUTATIONS)
def test_every_entry_goes_to_one_slot(name, level):
    moved = matrix(made(name), level)
    assert set(np.unique(moved)) == {0, 1}
    assert (moved.sum(axis=0) == 1).all()
    assert (moved.sum(axis=1) == 1).all()


@pytest.mark.parametrize("level", range(LEVELS - 1))
@pytest.mark.parametrize("name", ROTATIONS)
def test_rotation_keeps_lengths_and_is_the_same_at_every_position(name, level):
    moved = matrix(made(name), level)
    np.testing.assert_allclose(moved @ moved.T, np.eye(len(moved)), atol=1e-9)
    entries = VIEWS[level][-1]
    blocks = moved.reshape(-1, entries, len(moved) // entries, entries)
    for position in range(len(blocks)):
        np.testing.assert_array_equal(blocks[position, :, position], blocks[0, :, 0])


@pytest.mark.parametrize("name", FAMILY)
def test_order_is_undone_and_its_log_det_is_that_of_its_matrix(name):
    order = flow(name).splits[1]
    x = data(order, 2)
    z, log_det = order.inverse_and_event_log_det(x)
    np.testing.assert_allclose(order.forward_and_event_log_det(z)[0], x, atol=1e-9)
    units = tf.reshape(tf.eye(64, dtype=tf.float64), (64, *VIEWS[1]))
    expected = np.linalg.slogdet(np.reshape(order.inverse(units), (64, 64)))[1]
    np.testing.assert_allclose(log_det.numpy().sum(axis=(1, 2, 3)), [expected] * 2, atol=1e-9)
    assert np.any(log_det) == (name in LEARNED)


@pytest.mark.parametrize("name", FAMILY)
def test_half_of_what_stayed_is_factored_out_at_every_level(name):
    assert np.bincount(flow(name).exit_map.ravel()).tolist() == [64, 32, 32]


@pytest.mark.parametrize("options", RANKINGS, ids=str)
@pytest.mark.parametrize("kind", [LikelihoodContribution, LikelihoodGain])
def test_keeping_low_exchanges_the_halves(kind, options):
    options = {**options, "keep": "high"}
    high = kind(gathered(0), **options).order(0, VIEWS[0])
    low = kind(gathered(0), **{**options, "keep": "low"}).order(0, VIEWS[0])
    np.testing.assert_array_equal(low, np.roll(high, 4, axis=-1))


# --- in a flow ---


@pytest.mark.parametrize("name", [name for name in FAMILY if name not in SHUFFLES])
def test_factorization_brings_no_parameters_but_those_of_a_learned_convolution(name):
    # A square matrix's two triangles, each stored as a square, and its diagonal.
    learned = sum(2 * entries**2 + entries for _, _, entries in VIEWS)
    expected = parameters(flow("Checkerboard"))
    assert parameters(flow(name)) == expected + (name in LEARNED) * learned


# One that moves, one that turns, one that learns, and those that go by the data.
@pytest.mark.parametrize("name", ["Checkerboard", "Haar", "LearnedConvolution", *SHUFFLES])
def test_density_is_finite_and_its_gradient_reaches_every_variable_but_routers(name):
    built = tiny_flow(SHAPE, LEVELS, made(name), dtype="float64")
    with tf.GradientTape() as tape:
        log_prob = distribution(built).log_prob(data(built, 8))
    assert np.isfinite(log_prob).all()
    for variable, gradient in zip(
        built.trainable_variables,
        tape.gradient(log_prob, built.trainable_variables),
        strict=True,
    ):
        if any(variable is router for router in of_routers(built)):
            continue
        assert gradient is not None, f"no gradient for {variable.name}"
        assert np.isfinite(gradient).all(), f"gradient of {variable.name} is not finite"
        assert np.any(gradient), f"gradient of {variable.name} is zero"


# --- the object ---


@pytest.mark.parametrize("name", DETERMINATE)
def test_same_arguments_give_the_same_order_and_another_seed_another(name):
    def matrices(factorization):
        return [matrix(factorization, level) for level in range(LEVELS - 1)]

    first = matrices(made(name))
    for one, other in zip(first, matrices(twin(name)), strict=True):
        np.testing.assert_array_equal(one, other)
    changed = [
        not np.array_equal(one, other)
        for one, other in zip(first, matrices(made(name, 5)), strict=True)
    ]
    assert any(changed) == (name not in FIXED)


@pytest.mark.parametrize("name", FAMILY)
def test_factorization_equals_what_was_made_alike_and_nothing_else(name):
    this = twin(name)
    assert [other for other in FAMILY if made(other) == this] == [name]
    assert hash(this) == hash(made(name))


@pytest.mark.parametrize("name", FAMILY)
def test_factorization_comes_back_from_json(name):
    this = made(name)
    text = json.dumps(keras.saving.serialize_keras_object(this))
    copy = keras.saving.deserialize_keras_object(json.loads(text))
    assert copy == this
    assert repr(copy) == repr(this)
    for level in range(LEVELS - 1) if name in DETERMINATE else ():
        np.testing.assert_array_equal(matrix(copy, level), matrix(this, level))


@pytest.mark.parametrize("name", FAMILY)
def test_factorization_cannot_be_changed_through_its_arguments(name):
    this = twin(name)
    for array in arrays(list(this.get_config().values())):
        assert not array.flags.writeable
    for value in this.get_config().values():
        if isinstance(value, list):
            value.clear()
    assert this == made(name)


@pytest.mark.parametrize("name", FAMILY)
def test_factorization_prints_no_numbers_of_its_arrays(name):
    assert len(repr(made(name))) < 200
    assert "array" not in repr(made(name))
