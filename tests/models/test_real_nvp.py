"""RealNVP: the published sizes, its arguments, and a density that integrates to one."""

import functools
import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.processor import computes_in_bfloat16
from tests.registry import random_scores
from tests.seeds import seed_initializers
from tfp_lcma.bijectors import (
    ActNorm,
    BatchNorm,
    ChannelHalf,
    Coupling,
    FlowChain,
    Permutation,
    Repeated,
    Squeeze,
    checkerboard_mask,
)
from tfp_lcma.bijectors.names import named_variables
from tfp_lcma.bijectors.transforms import Additive, Affine, MixtureLogistic, RationalQuadratic
from tfp_lcma.factorizations import (
    Checkerboard,
    ExitPrice,
    Haar,
    LikelihoodContribution,
    Random,
    RandomInBlock,
    offset_maps,
)
from tfp_lcma.models import real_nvp
from tfp_lcma.multi_scale import MultiScale
from tfp_lcma.networks import Residual
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data, distribution, latents, move_weights

SHAPE = (8, 8, 1)


def parameters(flow):
    return sum(int(np.prod(v.shape)) for v in flow.trainable_variables)


def runs(level):
    """The runs of repeated couplings of a level."""
    return [part for part in level.bijectors if isinstance(part, Repeated)]


def couplings(flow):
    """One coupling of every run of every level."""
    return [run.step.bijectors[0] for level in flow.flows for run in runs(level)]


def number(flow):
    """How many couplings there are."""
    return sum(run.times for level in flow.flows for run in runs(level))


def constant(run, name):
    """The constant arrays of a name in which the steps of a run differ, stacked."""
    (arrays,) = (array for key, array in run.get_config()["constants"] if key.endswith(name))
    return arrays


def masks(run):
    """What the steps of a run of checkerboard couplings keep."""
    return ~constant(run, ".moves").astype(bool)


@pytest.fixture(scope="module")
def plain():
    """A flow that tests must not change."""
    return real_nvp(SHAPE, levels=2, width=4, blocks=1, factorization=Checkerboard())


PUBLISHED = [
    # event shape, levels, width, blocks, millions of parameters with widths doubling / constant
    ((32, 32, 3), 2, 64, 8, 19.61, 6.37),
    # Seconds to build.
    pytest.param((32, 32, 3), 4, 32, 4, 46.2, 1.94, marks=pytest.mark.slow),
    pytest.param((64, 64, 3), 5, 32, 2, 96.4, 1.52, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("shape", "levels", "width", "blocks", "doubling", "constant"), PUBLISHED)
def test_number_of_parameters_is_the_published_one(
    shape, levels, width, blocks, doubling, constant
):
    for widen, millions, tolerance in ((True, doubling, 0.01), (False, constant, 0.03)):
        flow = real_nvp(
            shape,
            levels=levels,
            width=width,
            blocks=blocks,
            widen=widen,
            factorization=Checkerboard(),
        )
        assert parameters(flow) / 1e6 == pytest.approx(millions, rel=tolerance)


def test_number_of_parameters_is_the_same_for_every_factorization():
    counts = {
        parameters(real_nvp(SHAPE, levels=2, width=2, blocks=1, factorization=factorization))
        for factorization in (
            Checkerboard(),
            Random(),
            LikelihoodContribution(random_scores(1, SHAPE)),
            ExitPrice([np.ones((4, 4, 1, 6))]),
            Haar(),
        )
    }
    assert len(counts) == 1


def test_couplings_are_those_of_the_paper(plain):
    first, last = plain.flows
    assert [type(part) for part in first.bijectors] == [Repeated, Squeeze, Repeated, Permutation]
    assert [type(part) for part in last.bijectors] == [Repeated]
    for run, parities, shape in (
        (first.bijectors[0], (0, 1, 0), (8, 8, 1)),
        (last.bijectors[0], (0, 1, 0, 1), (4, 4, 2)),
    ):
        assert run.times == len(parities)
        for mask, parity in zip(masks(run), parities, strict=True):
            assert np.array_equal(mask, checkerboard_mask(shape, parity))
    channels = first.bijectors[2]
    assert channels.times == 3
    half = channels.step.bijectors[0].partition.get_config()
    assert half == {"event_shape": (4, 4, 4), "keep": "first", "exchange": True, "maps": None}


@pytest.mark.parametrize("first_parity", [0, 1])
def test_exchanged_halves_are_explicit_halves_in_turn(first_parity):
    flow = real_nvp(
        (4, 4, 2),
        width=4,
        blocks=1,
        factorization=RandomInBlock(),
        first_parity=first_parity,
        dtype="float64",
    )
    move_weights(flow, 0.3, seed=0)
    boards, squeeze, channels, _ = flow.flows[0].bijectors
    stacked = {variable.name: variable.numpy() for variable in channels.layers[0].variables}
    explicit = []
    for k in range(3):
        kept = ("first", "second")[(k + first_parity) % 2]
        coupling = Coupling(
            ChannelHalf(channels.event_shape, kept), Residual(8, 1), dtype="float64"
        )
        step = FlowChain([coupling, ActNorm(channels.event_shape, dtype="float64")])
        for name, variable in named_variables(step).items():
            value = stacked[name][k]
            if name.startswith("act_norm") and value.ndim:
                # Behind the first and the third coupling the halves stand exchanged.
                value = np.roll(value, 4 if k % 2 == 0 else 0)
            variable.assign(value)
        explicit.append(step)
    level = FlowChain([boards, squeeze, *explicit])
    other = MultiScale([level, flow.flows[1]], flow.factorization)
    assert np.array_equal(flow.exit_map, other.exit_map)
    assert 0 < flow.exit_map.mean() < 1
    for method, value in (
        ("inverse_and_event_log_det", data(flow, 2)),
        ("forward_and_event_log_det", latents(flow, 2)),
    ):
        for got, expected in zip(
            getattr(flow, method)(value), getattr(other, method)(value), strict=True
        ):
            close(got, expected, 1e-12, method)


@pytest.mark.parametrize(
    ("coupling", "transform", "bounds"),
    [
        ("affine", Affine, 1),
        ("additive", Additive, 0),
        ("mixture_logistic", MixtureLogistic, 1),
        ("rational_quadratic", RationalQuadratic, 0),
    ],
)
def test_couplings_of_another_kind_keep_partitions_and_networks(coupling, transform, bounds, plain):
    flow = real_nvp(
        SHAPE, levels=2, width=4, blocks=1, coupling=coupling, regularizer="l2", dtype="float64"
    )
    assert number(flow) == number(plain) == 10
    for part, expected in zip(couplings(flow), couplings(plain), strict=True):
        assert isinstance(part.transform, transform)
        assert type(part.partition) is type(expected.partition)
        assert part.network.width == expected.network.width
        assert [len(layer.losses) for layer in part.layers[1:]].count(1) == bounds
    for level, of_affine in zip(flow.flows, plain.flows, strict=True):
        assert np.array_equal(masks(runs(level)[0]), masks(runs(of_affine)[0]))
    move_weights(flow, 0.1, seed=0)
    x = data(flow, 2)
    close(flow.forward(flow.inverse(x)), x, 1e-8, "round trip")


def test_unknown_coupling_is_refused():
    with pytest.raises(ValueError, match=r"coupling must be .* one of affine, .*; got 'cubic'"):
        real_nvp(SHAPE, coupling="cubic")


def test_masks_of_the_other_parity_keep_what_the_paper_transforms(plain):
    other = real_nvp(SHAPE, width=2, blocks=1, factorization=Checkerboard(), first_parity=1)
    for level, of_other in zip(plain.flows, other.flows, strict=True):
        assert np.array_equal(masks(runs(level)[0]), ~masks(runs(of_other)[0]))
    halves = [runs(flow.flows[0])[1].step.bijectors[0].partition for flow in (plain, other)]
    assert [half.get_config()["keep"] for half in halves] == ["first", "second"]


def test_position_aware_networks_see_two_more_maps_for_every_entry():
    def inputs(position_aware):
        flow = real_nvp(
            SHAPE,
            levels=3,
            width=2,
            blocks=1,
            factorization=LikelihoodContribution(random_scores(2, SHAPE)),
            position_aware=position_aware,
        )
        return np.array([part.network.conv_in.direction.shape[2] for part in couplings(flow)])

    # Levels have 1, 2 and 4 channels; squeezed, the second has 8.
    assert (inputs(True) - inputs(False)).tolist() == [0, 0, 4, 16, 8]


def test_position_aware_flow_depends_on_the_positions_from_the_second_level_on(monkeypatch):
    def flow():
        seed_initializers(0)
        made = real_nvp(
            SHAPE,
            width=4,
            blocks=1,
            factorization=LikelihoodContribution(random_scores(1, SHAPE)),
            position_aware=True,
            dtype="float64",
        )
        move_weights(made, 0.3, seed=0)
        return made

    plain = flow()
    maps = constant(runs(plain.flows[1])[0], ".maps")
    assert np.array_equal(maps[2, ..., 1:], offset_maps(plain.factorization, 1, SHAPE))
    module = importlib.import_module("tfp_lcma.models.real_nvp")
    monkeypatch.setattr(module, "offset_maps", lambda *arguments: 1 - offset_maps(*arguments))
    x = data(plain, 1)
    changed = (flow().inverse(x).numpy() != plain.inverse(x).numpy())[0]
    assert changed.any()
    assert np.array_equal(changed, changed & (plain.exit_map == 1))


def test_without_a_split_there_are_no_positions_to_be_aware_of():
    counts = {
        parameters(
            real_nvp(SHAPE, width=2, blocks=1, factorization=None, position_aware=position_aware)
        )
        for position_aware in (False, True)
    }
    assert len(counts) == 1


def test_widths_double_from_level_to_level_and_at_channel_couplings(plain):
    constant = real_nvp(SHAPE, width=4, blocks=1, widen=False, factorization=Checkerboard())
    for flow, widths in ((plain, [4, 8, 8]), (constant, [4, 4, 4])):
        assert [part.network.width for part in couplings(flow)] == widths


@pytest.mark.parametrize(("normalization", "kind"), [("actnorm", ActNorm), ("batch", BatchNorm)])
def test_normalization_follows_every_coupling(normalization, kind):
    flow = real_nvp(SHAPE, levels=2, width=2, blocks=1, normalization=normalization)
    assert number(flow) == 10
    for run in (run for level in flow.flows for run in runs(level)):
        assert [type(part) for part in run.step.bijectors] == [Coupling, kind]


def test_flow_starts_as_the_identity(plain):
    x = data(plain, 2)
    z, log_det = plain.inverse_and_event_log_det(x)
    close(z, x, 1e-6, "latents")
    close(log_det, np.zeros((2, *SHAPE)), 1e-6, "log-det")


def test_flow_without_a_split_factors_nothing_out_before_the_end():
    flow = real_nvp(SHAPE, levels=3, width=2, blocks=1, factorization=None)
    assert [level.event_shape for level in flow.flows] == [(8, 8, 1), (4, 4, 4), (2, 2, 16)]
    assert (flow.exit_map == 2).all()


def test_image_without_room_for_halving_can_have_one_level():
    flow = real_nvp((5, 3, 1), levels=1, width=2, blocks=1, dtype="float64")
    move_weights(flow, 0.2, seed=0)
    x = data(flow, 2)
    close(flow.forward(flow.inverse(x)), x, 1e-8, "round trip")


def test_regularizer_reaches_gains_and_bounds_of_every_coupling():
    flow = real_nvp(
        SHAPE, levels=1, width=4, blocks=2, regularizer=keras.regularizers.L2(1.0), dtype="float64"
    )
    penalties = sum(sum(layer.losses) for layer in flow.layers)
    regularized = [
        variable
        for layer in flow.layers
        for variable in layer.trainable_variables
        if variable.name.endswith((".gain", ".bound"))
    ]
    # In each of 4 couplings: 4 of conv_in, 2 x (inner, outer) and skip, 2 of conv_out, a bound.
    assert sum(np.prod(variable.shape) for variable in regularized) == 4 * (6 * 4 + 2 + 1)
    close(penalties, sum(np.sum(v.numpy() ** 2) for v in regularized), 1e-10, "penalty")


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("float32", "float32"),
        ("float64", "float64"),
        pytest.param("mixed_bfloat16", "float32", marks=computes_in_bfloat16),
    ],
)
def test_activations_and_log_dets_are_as_precise_as_the_policy_allows(dtype, expected):
    flow = real_nvp(SHAPE, levels=2, width=2, blocks=1, factorization=Checkerboard(), dtype=dtype)
    assert flow.dtype == expected
    for tensor in (
        *flow.inverse_and_event_log_det(data(flow, 1)),
        *flow.forward_and_event_log_det(latents(flow, 1)),
    ):
        assert tensor.dtype == expected
    assert {v.dtype.name for v in flow.trainable_variables} == {expected}


def test_flow_follows_the_global_policy_of_keras():
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("float64")
        assert real_nvp(SHAPE, levels=1, width=2, blocks=1).dtype == tf.float64
    finally:
        keras.config.set_dtype_policy(before)
    assert real_nvp(SHAPE, levels=1, width=2, blocks=1).dtype == tf.float32


@pytest.mark.parametrize("argument", ["levels", "width", "blocks"])
@pytest.mark.parametrize("value", [0, -1, 1.5])
def test_size_below_one_or_not_whole_is_refused_by_name(argument, value):
    with pytest.raises(ValueError, match=f"{argument} must be a whole number >= 1; got {value}"):
        real_nvp(SHAPE, **{argument: value})


def test_unknown_normalization_is_refused():
    with pytest.raises(ValueError, match=r"normalization must be .*; got 'layer'"):
        real_nvp(SHAPE, normalization="layer")


@pytest.mark.parametrize("value", [2, -1, "even"])
def test_unknown_first_parity_is_refused(value):
    with pytest.raises(ValueError, match=f"first_parity must be 0 or 1; got {value!r}"):
        real_nvp(SHAPE, first_parity=value)


def test_more_levels_than_the_image_allows_are_refused():
    with pytest.raises(ValueError, match=r"\(28, 28, 1\) cannot have 4 levels.* divisible by 8"):
        real_nvp((28, 28, 1), levels=4)


def test_event_shape_that_is_no_image_is_refused_by_name():
    with pytest.raises(ValueError, match="event_shape must be"):
        real_nvp((8, 8))


def test_scores_of_another_shape_or_of_fewer_levels_are_refused():
    small = functools.partial(real_nvp, SHAPE, width=2, blocks=1)
    with pytest.raises(ValueError, match=r"image \(16, 8, 1\) do not fit level 0"):
        small(factorization=LikelihoodContribution(random_scores(2, (16, 8, 1))))
    with pytest.raises(ValueError, match=r"image \(8, 8, 1\) do not fit level 1"):
        small(levels=3, factorization=LikelihoodContribution(random_scores(1, SHAPE)))


@pytest.mark.parametrize("shape", [(1, 2, 1), (2, 1, 1)])
def test_density_of_two_pixels_integrates_to_one(shape):
    seed_initializers(0)
    flow = real_nvp(shape, levels=1, width=4, blocks=1, dtype="float64")
    move_weights(flow, 0.3, seed=2)
    axis = np.linspace(-15, 15, 301)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, *shape)
    density = np.exp(distribution(flow).log_prob(grid))
    assert density.max() > 2 * density[density > 1e-6].mean()  # it is no constant
    assert density.sum() * (axis[1] - axis[0]) ** 2 == pytest.approx(1, abs=1e-3)
