"""The multi-scale flow: what is factored out where, and where latents stand."""

import numpy as np
import pytest
import tensorflow as tf

import tfp_lcma as lcma
from tests.registry import (
    FLOWS,
    Ours,
    ShiftByKept,
    ShiftedExits,
    TopRow,
    built,
    coupling,
    multi_scale,
    random_scores,
)
from tfp_lcma.bijectors import (
    ActNorm,
    BatchNorm,
    Context,
    FlowChain,
    Identity,
    LogitPreprocessing,
    Repeated,
    Squeeze,
    checkerboard,
)
from tfp_lcma.factorizations import Channel, Checkerboard, LikelihoodContribution, Random
from tfp_lcma.multi_scale import MultiScale, level_shapes
from tfp_lcma.networks.residual_network import UNROLLED_BLOCKS
from tfp_lcma.priors import StandardNormal
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data, latents

SHAPE = (8, 8, 2)
FACTORIZATIONS = {
    "checkerboard": Checkerboard(),
    "channel": Channel(),
    "LCMA": LikelihoodContribution(random_scores(3, SHAPE)),
    "LCMA, low, raster": LikelihoodContribution(random_scores(3, SHAPE), "low", order="raster"),
    "a user's": TopRow(),
}
NAMES = [name for name in FLOWS if name.startswith("MultiScale")]


def identities(factorization, levels=3, exit_prior=None):
    shapes = level_shapes(SHAPE, levels, factorization)
    return MultiScale([Identity(shape) for shape in shapes], factorization, exit_prior)


@pytest.mark.parametrize("name", FACTORIZATIONS)
def test_latents_stand_where_their_dimension_came_from(name):
    flow = identities(FACTORIZATIONS[name])
    x = data(flow, 2)
    assert np.array_equal(flow.inverse(x), x)
    assert np.array_equal(flow.forward(x), x)


@pytest.mark.parametrize("name", FACTORIZATIONS)
def test_fixed_permutations_leave_a_tensor_in_place(name):
    flow = identities(FACTORIZATIONS[name])
    x, t = data(flow, 2), data(flow, 2, seed=1)
    assert np.array_equal(flow.move_inverse(t, x), t)
    assert np.array_equal(flow.move_forward(t, x), t)


@pytest.mark.parametrize("name", FACTORIZATIONS)
def test_half_is_factored_out_first_then_a_quarter_then_the_rest(name):
    exit_map = identities(FACTORIZATIONS[name]).exit_map
    assert exit_map.shape == SHAPE
    assert np.bincount(exit_map.ravel()).tolist() == [64, 32, 32]


def test_without_a_split_everything_is_factored_out_at_the_last_level():
    flow = identities(None)
    assert (flow.exit_map == 2).all()
    x = data(flow, 2)
    assert np.array_equal(flow.inverse(x), x)
    (only,) = flow.split(x)
    assert only.shape == (2, 2, 2, 32)


def test_checkerboard_sends_the_off_diagonal_out_first():
    exit_map = identities(Checkerboard()).exit_map
    assert (exit_map[..., 0][:2, :2] > 0).tolist() == [[True, False], [False, True]]


@pytest.mark.parametrize("name", NAMES)
def test_split_and_join_are_each_others_inverse(name):
    flow = built(name, "float64")
    z = latents(flow, 3)
    parts = flow.split(z)
    assert np.array_equal(flow.join(parts), z)
    for again, part in zip(flow.split(flow.join(parts)), parts, strict=True):
        assert np.array_equal(again, part)


@pytest.mark.parametrize("name", FACTORIZATIONS)
def test_parts_of_a_split_are_the_dimensions_of_the_exit_map(name):
    flow = identities(FACTORIZATIONS[name])
    z = data(flow, 1)
    parts = flow.split(z)
    assert [part.shape[1:] for part in parts] == [(4, 4, 4), (2, 2, 8), (2, 2, 8)]
    for level, part in enumerate(parts):
        expected = z.numpy()[0][flow.exit_map == level]
        assert np.array_equal(np.sort(part, axis=None), np.sort(expected))


def test_records_show_every_level_in_its_own_coordinates():
    shapes = level_shapes((8, 8, 1), 3, Checkerboard())
    assert shapes == [(8, 8, 1), (4, 4, 2), (2, 2, 4)]
    flow = multi_scale("float64", Checkerboard(), shape=(8, 8, 1))
    z, log_det, records = flow.inverse_by_level(data(flow, 3))
    assert [record.activation.shape[1:] for record in records] == shapes
    assert [record.event_log_det.shape[1:] for record in records] == shapes
    expected = flow.inverse_and_event_log_det(data(flow, 3))
    assert np.array_equal(z, expected[0])
    assert np.array_equal(log_det, expected[1])


def test_records_are_kept_without_a_split():
    flow = multi_scale("float64", None, shape=(8, 8, 1))
    records = flow.inverse_by_level(data(flow, 3))[2]
    assert [record.activation.shape[1:] for record in records] == [(8, 8, 1), (4, 4, 4), (2, 2, 16)]


@pytest.mark.parametrize("factorization", [*FACTORIZATIONS.values(), None], ids=repr)
def test_level_index_brings_the_records_back_to_the_pixels(factorization):
    """What a level factors out has, in the image, the value and log-det of its record."""
    shapes = level_shapes(SHAPE, 3, factorization)
    flows = [ActNorm(shape, dtype="float64") for shape in shapes]
    for flow in flows:
        channels = flow.event_shape[-1]
        flow.trainable_variables[0].assign(np.linspace(0.1, 0.9, channels))
        flow.trainable_variables[1].assign(np.linspace(-0.4, 0.6, channels))
    flow = MultiScale(flows, factorization)
    z, log_det, records = flow.inverse_by_level(data(flow, 1))
    for level, (record, index) in enumerate(zip(records, flow.level_index, strict=True)):
        assert index.shape == shapes[level]
        left = flow.exit_map.ravel()[index] == level
        for in_image, in_record in ((z, record.activation), (log_det, record.event_log_det)):
            of_entries = in_image.numpy()[0].ravel()[index]
            assert np.array_equal(of_entries[left], in_record.numpy()[0][left])


def test_accumulated_log_dets_of_all_levels_sum_to_the_log_det():
    flow = built("MultiScale (LCMA)", "float64")
    _, log_det, records = flow.inverse_by_level(data(flow, 2))
    kept = sum(
        tf.reduce_sum(
            tf.where(flow.exit_map.ravel()[index] == level, record.event_log_det, 0), (1, 2, 3)
        )
        for level, (record, index) in enumerate(zip(records, flow.level_index, strict=True))
    )
    close(kept, tf.reduce_sum(log_det, (1, 2, 3)), 1e-10, "sum over exits")


def test_exit_prior_is_conditioned_on_what_stays_and_last_on_nothing():
    seen = []

    class Spy(Identity):
        def carry_inverse(self, x, log_det, context):
            kept = context.kept
            seen.append((x.shape[1:], None if kept is None else kept.shape[1:]))
            assert context.condition == "label"
            return x, log_det

    class Spies(StandardNormal):
        def bijector(self, level, leaving_shape, kept_shape, conditions, dtype):
            built_for.append((level, leaving_shape, kept_shape, dtype))
            return Spy(leaving_shape)

    built_for = []
    flow = multi_scale("float64", Checkerboard(), Spies(), shape=(8, 8, 1))
    flow.inverse_and_event_log_det(data(flow, 2), "label")
    assert seen == [((4, 4, 2), (4, 4, 2)), ((2, 2, 4), (2, 2, 4)), ((2, 2, 4), None)]
    assert built_for == [
        (0, (4, 4, 2), (4, 4, 2), "float64"),
        (1, (2, 2, 4), (2, 2, 4), "float64"),
        (2, (2, 2, 4), None, "float64"),
    ]


def test_conditional_exit_shifts_what_is_factored_out_by_what_stays():
    flow = identities(Checkerboard(), levels=2, exit_prior=ShiftedExits())
    exits = [part for part in flow.submodules if isinstance(part, ShiftByKept)]
    assert len(exits) == 2
    for part in exits:
        part.trainable_variables[0].assign([[0.0]])
    x = data(flow, 1)
    parts, plain = flow.split(flow.inverse(x)), identities(Checkerboard(), levels=2).split(x)
    close(parts[1], plain[1], 1e-6, "the last level")
    mean = tf.reduce_mean(plain[1], axis=-1, keepdims=True)
    close(parts[0], plain[0] - mean, 1e-6, "what is factored out early")


def test_training_reaches_every_level():
    shapes = level_shapes((4, 4, 1), 2, Checkerboard())
    flow = MultiScale([BatchNorm(shape) for shape in shapes], Checkerboard())
    before = [v.numpy() for v in flow.variables]
    x = 2 * data(flow, 8) + 1
    flow.inverse_and_event_log_det(x, context=Context(training=True))
    after = [v.numpy() for v in flow.variables]
    # Mean and variance of both levels; the count of batches stays.
    assert sum(np.any(a != b) for a, b in zip(after, before, strict=True)) == 4


def test_level_shapes_halve_the_image_and_keep_half_or_all_of_it():
    assert level_shapes((8, 16, 3), 3, Channel()) == [(8, 16, 3), (4, 8, 6), (2, 4, 12)]
    assert level_shapes((8, 16, 3), 3, None) == [(8, 16, 3), (4, 8, 12), (2, 4, 48)]
    assert level_shapes((5, 7, 3), 1, Channel()) == [(5, 7, 3)]


def test_level_shapes_follow_what_is_retained():
    quarter, three = Channel(retained=0.25), Random(retained=3)
    assert level_shapes((8, 16, 4), 3, quarter) == [(8, 16, 4), (4, 8, 4), (2, 4, 4)]
    assert level_shapes((8, 16, 4), 3, three) == [(8, 16, 4), (4, 8, 3), (2, 4, 3)]
    with pytest.raises(ValueError, match=r"from 1 to 15 of the 16 .* level 0's view; got 16"):
        level_shapes((8, 8, 4), 3, Random(retained=16))
    with pytest.raises(ValueError, match=r"whole number .* got 0\.3"):
        level_shapes((8, 8, 4), 3, Random(retained=0.3))


@pytest.mark.parametrize("retained", [0.25, 0.75, 3])
def test_exits_have_what_is_not_retained(retained):
    flow = identities(Random(retained=retained))
    x = data(flow, 1)
    stay = [flow.flows[level].event_shape[-1] for level in (1, 2)]
    assert [flow.factored_out(0), flow.factored_out(1)] == [8 - stay[0], 4 * stay[0] - stay[1]]
    sizes = [16 * flow.factored_out(0), 4 * flow.factored_out(1), 4 * stay[1]]
    assert np.bincount(flow.exit_map.ravel()).tolist() == sizes
    assert [part.shape[-1] for part in flow.split(x)] == [
        8 - stay[0],
        4 * stay[0] - stay[1],
        stay[1],
    ]
    assert np.array_equal(flow.inverse(x), x)


def test_level_may_end_in_its_view():
    """Then nothing is squeezed behind it, and everything else is the same."""
    shapes = level_shapes((8, 8, 1), 2, Channel())
    plain = MultiScale([Identity(shape) for shape in shapes], Channel())
    squeezed = MultiScale([Squeeze(shape) for shape in shapes], Channel())
    x = data(plain, 2)
    assert squeezed.latent_shape == (8, 8, 1)
    assert np.array_equal(squeezed.inverse(x), x)
    assert np.array_equal(squeezed.exit_map, plain.exit_map)
    for got, expected in zip(squeezed.level_index, plain.level_index, strict=True):
        assert np.array_equal(got, expected)
    records = squeezed.inverse_by_level(x)[2]
    assert [record.activation.shape[1:] for record in records] == shapes
    assert squeezed.split(x)[1].shape == (2, 2, 2, 8)


def test_level_of_bounded_numbers_is_refused_below_the_first():
    levels = [LogitPreprocessing((4, 4, 1), bins=2), LogitPreprocessing((2, 2, 4), bins=2)]
    assert not MultiScale(levels[:1]).defined_everywhere
    with pytest.raises(ValueError, match=r"flows\[1\] must take all numbers; .* bounded ones"):
        MultiScale(levels)


def test_level_that_ends_in_another_shape_is_refused():
    twice = FlowChain([Squeeze((8, 8, 1)), Squeeze((4, 4, 4))])
    with pytest.raises(ValueError, match=r"flows\[0\] must end in the shape .* got \(2, 2, 16\)"):
        MultiScale([twice, Identity((4, 4, 2))], Channel())


def test_memory_is_checked_and_may_be_changed():
    flow = identities(Checkerboard())
    assert flow.memory == "keep"
    flow.memory = "invert"
    assert flow.get_config()["memory"] == "invert"
    with pytest.raises(ValueError, match='memory must be "keep" or "invert"; got \'forget\''):
        flow.memory = "forget"


def test_image_that_cannot_be_halved_so_often_is_refused_with_both_numbers():
    message = r"\(12, 12, 1\) cannot have 4 levels.* divisible by 8, but level 2 has 3 and 3"
    with pytest.raises(ValueError, match=message):
        level_shapes((12, 12, 1), 4, Channel())


def test_event_shape_that_is_no_image_is_refused_by_name():
    with pytest.raises(ValueError, match="event_shape must be"):
        level_shapes((8, 8), 2, Channel())


def test_flows_whose_shapes_do_not_fit_the_levels_are_refused_with_both():
    flows = [Identity((4, 4, 1)), Identity((2, 2, 4))]
    MultiScale(flows, None)
    with pytest.raises(ValueError, match=r"flows must have .*\(2, 2, 2\)\]; got .*\(2, 2, 4\)\]"):
        MultiScale(flows, Checkerboard())


def test_no_flows_or_flows_of_two_types_are_refused():
    with pytest.raises(ValueError, match="flows"):
        MultiScale([])
    mixture = [ActNorm((4, 4, 1), dtype="float64"), ActNorm((2, 2, 2), dtype="float32")]
    with pytest.raises(ValueError, match="one dtype"):
        MultiScale(mixture, Checkerboard())


def test_sampling_one_level_hotter_changes_only_what_is_factored_out_there():
    flow = identities(Checkerboard())
    z = data(flow, 1)
    hotter = lcma.FlowDistribution(flow).temper(z, [1.0, 2.0, 1.0])
    changed = np.asarray(hotter != z)[0]
    assert np.array_equal(changed, flow.exit_map == 1)


def looped_steps(shape, levels):
    """Two normalised couplings of one convolution a level, in a loop."""

    def step(shape):
        board = coupling(checkerboard(shape, 0), "float64", network=Ours)
        return FlowChain([ActNorm(shape, dtype="float64"), board])

    flows = [
        Repeated(lambda shape=shape: step(shape), 2, unroll=False)
        for shape in level_shapes(shape, levels, Checkerboard())
    ]
    return MultiScale(flows, Checkerboard())


@pytest.mark.parametrize(
    "blocks",
    [None, pytest.param(UNROLLED_BLOCKS + 1, marks=pytest.mark.slow)],
    ids=["steps", "steps and blocks"],
)
def test_xla_compiles_the_gradient_of_loops_at_three_levels(blocks):
    if blocks is None:
        flow = looped_steps((8, 8, 1), levels=3)
    else:
        flow = lcma.models.real_nvp(
            (8, 8, 1), levels=3, width=2, blocks=blocks, unroll=False, dtype="float64"
        )
    x = data(flow, 2)
    flow.inverse_and_log_det(x, context=Context(starting=True))
    variables = [v.value for layer in flow.layers for v in layer.trainable_variables]

    def gradients(x):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(lcma.FlowDistribution(flow).log_prob(x))
        return tape.gradient(loss, variables)

    def joined(tensors):
        return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)

    compiled = tf.function(gradients, jit_compile=True, autograph=False)(x)
    close(joined(compiled), joined(gradients(x)), 1e-10, "the gradient under XLA")
