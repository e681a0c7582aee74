"""RealNVP: the published sizes, its arguments, and a density that integrates to one."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.checks import close, distribution
from tests.registry import data, latents, move_weights, random_scores
from tfp_lcma.bijectors import (
    ActNorm,
    AdditiveCoupling,
    AffineCoupling,
    BatchNorm,
    MixtureLogisticCoupling,
    checkerboard_mask,
)
from tfp_lcma.factorizations import (
    Checkerboard,
    ExitPrice,
    Haar,
    LikelihoodContribution,
    Random,
    offset_maps,
)
from tfp_lcma.models import real_nvp

SHAPE = (8, 8, 1)


def parameters(flow):
    return sum(int(np.prod(v.shape)) for v in flow.trainable_variables)


def parts(flow, kind):
    return [part for part in flow.submodules if isinstance(part, kind)]


PUBLISHED = [
    # event shape, levels, width, blocks, millions of parameters with widths doubling / constant
    ((32, 32, 3), 2, 64, 8, 19.61, 6.37),
    ((32, 32, 3), 4, 32, 4, 46.2, 1.94),
    ((64, 64, 3), 5, 32, 2, 96.4, 1.52),
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
        parameters(real_nvp(SHAPE, levels=3, width=4, blocks=1, factorization=factorization))
        for factorization in (
            Checkerboard(),
            Random(),
            LikelihoodContribution(random_scores(3, SHAPE)),
            ExitPrice([np.ones((4, 4, 1, 6)), np.ones((2, 2, 2, 6))]),
            Haar(),
        )
    }
    assert len(counts) == 1


def test_couplings_are_those_of_the_paper():
    flow = real_nvp(SHAPE, levels=2, width=4, blocks=1, factorization=Checkerboard())
    first, last = (
        [part.get_config()["mask"] for part in level.bijectors if isinstance(part, AffineCoupling)]
        for level in flow.flows
    )
    assert [mask.shape for mask in first] == [(8, 8, 1)] * 3 + [(4, 4, 4)] * 3
    assert [mask.shape for mask in last] == [(4, 4, 2)] * 4
    assert [bool(mask[0, 0, 0]) for mask in first[:3]] == [True, False, True]
    moved = [(~mask[0, 0]).tolist() for mask in first[3:]]
    second = [False, False, True, True]
    assert moved == [second, second[::-1], second]
    for position, mask in enumerate(last):
        assert np.array_equal(mask, checkerboard_mask((4, 4, 2), position % 2))


@pytest.mark.parametrize(
    ("coupling", "kind", "bounds"),
    [
        ("affine", AffineCoupling, 1),
        ("additive", AdditiveCoupling, 0),
        ("mixture_logistic", MixtureLogisticCoupling, 1),
    ],
)
def test_couplings_of_another_kind_keep_masks_and_networks(coupling, kind, bounds):
    flow = real_nvp(
        SHAPE, levels=2, width=2, blocks=1, coupling=coupling, regularizer="l2", dtype="float64"
    )
    found = parts(flow, kind)
    assert len(found) == 10
    for part, expected in zip(
        found, parts(real_nvp(SHAPE, width=2, blocks=1), AffineCoupling), strict=True
    ):
        assert np.array_equal(part.get_config()["mask"], expected.get_config()["mask"])
        assert [len(layer.losses) for layer in part.layers[1:]].count(1) == bounds
    move_weights(flow, 0.1, seed=0)
    x = data(flow, 2)
    close(flow.forward(flow.inverse(x)), x, 1e-8, "round trip")


def test_unknown_coupling_is_refused():
    with pytest.raises(ValueError, match=r"coupling must be one of affine, .*; got 'cubic'"):
        real_nvp(SHAPE, coupling="cubic")


def test_masks_of_the_other_parity_keep_what_the_paper_transforms():
    def masks(first_parity):
        flow = real_nvp(
            SHAPE, width=2, blocks=1, factorization=Checkerboard(), first_parity=first_parity
        )
        couplings = [
            part
            for level in flow.flows
            for part in level.bijectors
            if isinstance(part, AffineCoupling)
        ]
        return [part.get_config()["mask"] for part in couplings]

    assert all(np.array_equal(one, ~other) for one, other in zip(masks(0), masks(1), strict=True))


def test_position_aware_networks_see_two_more_maps_for_every_entry():
    def shapes(position_aware):
        flow = real_nvp(
            SHAPE,
            levels=3,
            width=2,
            blocks=1,
            factorization=LikelihoodContribution(random_scores(2, SHAPE)),
            position_aware=position_aware,
        )
        return [
            [
                part.get_config()["network"].conv_in.direction.shape[2]
                for part in level.bijectors
                if isinstance(part, AffineCoupling)
            ]
            for level in flow.flows
        ]

    grown = [
        [aware - plain for aware, plain in zip(*of_level, strict=True)]
        for of_level in zip(shapes(True), shapes(False), strict=True)
    ]
    # Levels have 1, 2 and 4 channels; squeezed, the second has 8.
    assert grown == [[0] * 6, [4] * 3 + [16] * 3, [8] * 4]


def test_position_aware_flow_depends_on_the_positions_from_the_second_level_on():
    factorization = LikelihoodContribution(random_scores(1, SHAPE))
    flow = real_nvp(
        SHAPE,
        width=4,
        blocks=1,
        factorization=factorization,
        position_aware=True,
        dtype="float64",
    )
    move_weights(flow, 0.3, seed=0)
    x = data(flow, 1)
    before = flow.inverse(x).numpy()
    for part in parts(flow.flows[1], AffineCoupling):
        network = part.get_config()["network"]
        offsets = offset_maps(factorization, 1, SHAPE)
        assert np.array_equal(network.context[..., 1:], offsets)
        network.context = np.concatenate([network.context[..., :1], 1 - offsets], axis=-1)
    changed = (flow.inverse(x).numpy() != before)[0]
    assert changed.any()
    assert np.array_equal(changed, changed & (flow.exit_map == 1))


def test_without_a_split_there_are_no_positions_to_be_aware_of():
    flow = real_nvp(SHAPE, width=2, blocks=1, position_aware=True)
    assert parameters(flow) == parameters(real_nvp(SHAPE, width=2, blocks=1))


def test_widths_double_from_level_to_level_and_at_channel_couplings():
    def widths(widen):
        flow = real_nvp(
            SHAPE, levels=2, width=4, blocks=1, widen=widen, factorization=Checkerboard()
        )
        return [part.get_config()["network"].width for part in parts(flow, AffineCoupling)]

    assert sorted(widths(True)) == [4] * 3 + [8] * 3 + [8] * 4
    assert widths(False) == [4] * 10


@pytest.mark.parametrize(
    ("normalization", "kind", "other"),
    [("actnorm", ActNorm, BatchNorm), ("batch", BatchNorm, ActNorm)],
)
def test_normalization_follows_every_coupling(normalization, kind, other):
    flow = real_nvp(SHAPE, levels=2, width=4, blocks=1, normalization=normalization)
    assert len(parts(flow, kind)) == len(parts(flow, AffineCoupling)) == 10
    assert not parts(flow, other)


def test_flow_starts_as_the_identity():
    flow = real_nvp(SHAPE, levels=2, width=4, blocks=1, factorization=Checkerboard())
    x = data(flow, 2)
    z, log_det = flow.inverse_and_event_log_det(x)
    close(z, x, 1e-6, "latents")
    close(log_det, np.zeros((2, *SHAPE)), 1e-6, "log-det")


def test_flow_without_a_factorization_lets_nobody_leave():
    flow = real_nvp(SHAPE, levels=3, width=2, blocks=1)
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
        if variable.name in ("gain", "bound")
    ]
    # conv_in, 2 x (inner, outer), skip, conv_out, and the bound: 8 in each of 4 couplings.
    assert len(regularized) == 4 * 8
    close(penalties, sum(np.sum(v.numpy() ** 2) for v in regularized), 1e-10, "penalty")


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("float32", "float32"), ("float64", "float64"), ("mixed_bfloat16", "float32")],
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
    with pytest.raises(ValueError, match=r"statistics of 2 levels .* do not fit level 0"):
        real_nvp(SHAPE, factorization=LikelihoodContribution(random_scores(2, (16, 8, 1))))
    with pytest.raises(ValueError, match=r"statistics of 1 levels .* do not fit level 1"):
        real_nvp(SHAPE, levels=3, factorization=LikelihoodContribution(random_scores(1, SHAPE)))


@pytest.mark.parametrize("shape", [(1, 2, 1), (2, 1, 1)])
def test_density_of_two_pixels_integrates_to_one(shape):
    keras.utils.set_random_seed(0)
    flow = real_nvp(shape, levels=1, width=4, blocks=1, dtype="float64")
    move_weights(flow, 0.3, seed=2)
    axis = np.linspace(-15, 15, 401)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, *shape)
    density = np.exp(tf.function(distribution(flow).log_prob)(grid))
    assert density.max() > 2 * density[density > 1e-6].mean()  # it is no constant
    assert density.sum() * (axis[1] - axis[0]) ** 2 == pytest.approx(1, abs=1e-3)
