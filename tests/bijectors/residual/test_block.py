"""The residual block: its stochastic log-det, its inversion, and what happens when that fails."""

import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.contractions import SHAPE, inputs, strong_block
from tests.registry import ShiftedExits, residual_block, residual_step, settled
from tfp_lcma.bijectors import (
    ActNorm,
    Context,
    FlowChain,
    ProbeSeeds,
    Repeated,
    ResidualBlock,
    SummedLogDet,
    event_log_det_estimate,
)
from tfp_lcma.factorizations import Checkerboard
from tfp_lcma.multi_scale import MultiScale
from tfp_lcma.networks import LipschitzNetwork
from tfp_lcma.testing import assert_flow_contract
from tfp_lcma.testing.compare import close, total
from tfp_lcma.testing.inputs import data, distribution, move_weights
from tfp_lcma.testing.inversion import by_inversion, plainly
from tfp_lcma.testing.training_step import check_same_step, step_and_state

STOCHASTIC = ("roulette", "truncated")
TRAINING = Context(training=True)


def log_det_by_seeds(block, x, rows, shared=0):
    """The event log-det under probes of these seeds, `[count, 2]`."""
    context = Context(probes=ProbeSeeds(rows, tf.constant(shared)))
    return block.inverse_and_event_log_det(x, context=context)[1]


def seeds(count, first=0):
    return tf.stack([tf.range(first, first + count), tf.fill([count], 7)], axis=1)


# --- the stochastic log-det ---


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        *(("roulette", c) for c in ("round_trips", "tfp_methods", "batches", "eager_equals_graph")),
        ("truncated", "eager_equals_graph"),
    ],
)
def test_block_with_an_estimated_log_det_keeps_what_the_contract_can_ask_of_it(kind, check):
    block = settled(residual_block("float64", SHAPE, kind))
    assert_flow_contract(block, properties=[check], perturb=False)


@pytest.mark.parametrize("kind", STOCHASTIC)
@pytest.mark.parametrize("shape", [(4, 4, 2), (6, 6, 1)])
def test_estimate_is_off_by_no_more_than_its_own_standard_errors(kind, shape):
    block = strong_block(shape, log_det=kind, inference_terms=60 if kind == "truncated" else 4)
    x = inputs(16, shape, seed=1)
    exact = strong_block(shape, log_det="exact").inverse_event_log_det_jacobian(x)
    estimate = block.inverse_event_log_det_estimate(x, probes=128, seed=3)
    close(estimate.z, block.inverse(x), 1e-12, "latents")
    apart = np.abs((estimate.log_det - exact) / estimate.standard_error)
    assert np.mean(apart <= 3) >= 0.98
    assert np.max(apart) <= 5
    # The errors are not merely large: half of them exceed 0.4 of what they say.
    assert np.median(apart) > 0.4
    assert np.mean(estimate.standard_error) < 0.2
    apart = np.abs((total(estimate.log_det) - total(exact)) / estimate.total_standard_error)
    assert np.mean(apart <= 3) >= 0.98
    assert np.max(apart) <= 5


def test_standard_error_of_the_sum_is_not_that_of_independent_dimensions():
    estimate = strong_block((4, 4, 2)).inverse_event_log_det_estimate(
        inputs(4, (4, 4, 2)), probes=128
    )
    independent = np.sqrt(total(estimate.standard_error**2))
    assert np.all(estimate.total_standard_error > 1.05 * independent)


def test_exact_log_det_has_no_standard_error():
    estimate = strong_block(log_det="exact").inverse_event_log_det_estimate(inputs(2), probes=2)
    assert not np.any(estimate.standard_error)
    assert estimate.total_standard_error.shape == (2,)
    assert not np.any(estimate.total_standard_error)


def test_truncation_changes_the_log_det_by_no_more_than_the_block_says():
    x = inputs(4)
    exact = total(strong_block(log_det="exact").inverse_event_log_det_jacobian(x))
    for terms in (1, 3, 9):
        block = strong_block(log_det="truncated", inference_terms=terms)
        estimate = block.inverse_event_log_det_estimate(x, probes=512)
        off = np.abs(total(estimate.log_det) - exact)
        assert np.all(off <= block.truncation_bound(terms) + 4 * estimate.total_standard_error)
    # The bound is the sum of D c^k / k over the terms that were left out.
    tail = sum(8 * 0.9**k / k for k in range(4, 2000))
    assert tail <= block.truncation_bound(3) <= 3 * tail


def test_probes_of_an_image_follow_its_seed_and_not_its_place_in_the_batch():
    block, x = strong_block(), inputs(4)
    together = log_det_by_seeds(block, x, seeds(4))
    alone = log_det_by_seeds(block, x[2:3], seeds(4)[2:3])
    others = log_det_by_seeds(block, x, seeds(4, first=1))
    close(alone[0], together[2], 1e-12, "alone")
    assert np.all(np.abs(total(others - together)) > 1e-6)
    same = tf.repeat(x[:1], 4, axis=0)
    assert len(np.unique(np.round(total(log_det_by_seeds(block, same, seeds(4))), 9))) == 4
    assert np.ptp(total(block.inverse_event_log_det_jacobian(same))) < 1e-12


def test_seed_of_the_context_decides_how_far_the_series_go():
    block = strong_block(inference_terms=1, inference_probes=16)
    values = [
        float(total(log_det_by_seeds(block, inputs(1), seeds(1), shared))[0]) for shared in range(8)
    ]
    assert len(set(np.round(values, 9))) == 8


def test_blocks_with_other_seeds_draw_other_probes():
    values = [
        total(strong_block(seed=seed).inverse_event_log_det_jacobian(inputs(2))) for seed in (0, 1)
    ]
    assert np.all(np.abs(values[0] - values[1]) > 1e-6)


def test_training_draws_new_probes_in_every_pass_and_for_every_row():
    block, x = strong_block(), tf.repeat(inputs(1), 64, axis=0)
    passes = [
        np.round(total(block.inverse_and_event_log_det(x, context=TRAINING)[1]), 9)
        for _ in range(2)
    ]
    assert len(set(passes[0])) > 16
    # The norms move a little too, in the last digits.
    assert np.mean(np.abs(passes[0] - passes[1]) > 1e-3) > 0.5
    before = block.inverse_event_log_det_jacobian(x[:1])
    assert np.array_equal(block.inverse_event_log_det_jacobian(x[:1]), before)


def test_pass_of_training_is_repeated_from_the_saved_state():
    block, x = strong_block(), inputs(3)
    block.inverse_and_event_log_det(x, context=TRAINING)
    copy = ResidualBlock.from_config(
        json.loads(json.dumps(keras.saving.serialize_keras_object(block)))["config"]
    )
    for source, target in zip(block.layers, copy.layers, strict=True):
        target.set_weights(source.get_weights())
    for _ in range(2):
        got = copy.inverse_and_event_log_det(x, context=TRAINING)
        expected = block.inverse_and_event_log_det(x, context=TRAINING)
        assert np.array_equal(got[1], expected[1])


def test_estimate_of_a_whole_flow_covers_what_its_blocks_draw():
    def flow(kind):
        return FlowChain(
            [
                strong_block(log_det=kind, seed=0, inference_terms=4),
                ActNorm(SHAPE, dtype="float64"),
                strong_block(log_det=kind, seed=1, inference_terms=4),
            ]
        )

    x = inputs(4)
    estimate = event_log_det_estimate(flow("roulette"), x, draws=24)
    exact = flow("exact").inverse_event_log_det_jacobian(x)
    apart = np.abs((estimate.log_det - exact) / estimate.standard_error)
    assert np.mean(apart <= 3) >= 0.98
    assert np.max(apart) <= 5
    apart = np.abs(total(estimate.log_det - exact)) / estimate.total_standard_error
    assert np.max(apart) <= 3
    assert np.min(estimate.standard_error) > 1e-6


# --- the forward direction ---


def too_few_steps():
    return strong_block(log_det="exact", max_iterations=3)


@pytest.mark.parametrize(
    "flow",
    [
        too_few_steps,
        lambda: FlowChain([ActNorm(SHAPE, dtype="float64"), too_few_steps()]),
        lambda: MultiScale(
            [too_few_steps(), ActNorm((1, 1, 4), dtype="float64")], Checkerboard(), ShiftedExits()
        ),
    ],
    ids=["block", "chain", "multi-scale"],
)
def test_sample_that_was_not_found_raises_and_is_nan_and_marked_in_graphs(flow):
    flow, z = flow(), inputs(3)
    with pytest.raises(ValueError, match=r"3 of 3 rows without"):
        flow.forward_and_event_log_det(z)
    with pytest.raises(ValueError, match=r"steps find to a tolerance of 1e-13"):
        distribution(flow).sample(2)
    assert np.isnan(tf.function(flow.forward)(z)).any(axis=(1, 2, 3)).all()
    for call in (flow.forward_with_convergence, tf.function(flow.forward_with_convergence)):
        x, converged = call(z)
        assert converged.numpy().tolist() == [False] * 3
        assert np.isnan(x).any(axis=(1, 2, 3)).all()
    # The next call is strict again.
    with pytest.raises(ValueError, match="rows without"):
        flow.forward_and_event_log_det(z)


def test_rows_that_are_found_are_told_from_those_that_are_not():
    block, z = strong_block(log_det="exact"), inputs(4)
    spoilt = tf.tensor_scatter_nd_update(z, [[1, 0, 0, 0]], tf.constant([np.nan], tf.float64))
    for call in (block.forward_with_convergence, tf.function(block.forward_with_convergence)):
        x, converged = call(spoilt)
        assert converged.numpy().tolist() == [True, False, True, True]
        close(x[2:], block.forward(z)[2:], 1e-12, "the others")
    with pytest.raises(ValueError, match="1 of 4 rows"):
        block.forward(spoilt)


def test_sample_does_not_depend_on_the_rows_beside_it():
    block, z = strong_block(log_det="exact", tolerance=1e-3), inputs(6)
    z *= tf.reshape(tf.constant([0.01, 0.1, 1, 3, 10, 100], tf.float64), (6, 1, 1, 1))
    together = block.forward(z)
    for row in range(6):
        close(block.forward(z[row : row + 1])[0], together[row], 1e-12, "alone")


def test_gradient_of_samples_reaches_weights_as_differences_say():
    block, z = strong_block(log_det="exact"), inputs(3)
    random = np.random.default_rng(0)
    variables = [layer.bias.value for layer in block.network.convolutions]
    variables += [beta.value for beta in block.network.raw_sharpness]
    directions = [random.normal(size=v.shape) for v in variables]
    weight, log_det_weight = random.normal(size=(2, *z.shape))

    def objective():
        x, log_det = block.forward_and_event_log_det(z)
        return tf.reduce_sum(x * weight) + tf.reduce_sum(log_det * log_det_weight)

    with tf.GradientTape() as tape:
        value = objective()
    gradient = sum(
        np.sum(g * d) for g, d in zip(tape.gradient(value, variables), directions, strict=True)
    )
    ends = []
    for step in (1e-5, -2e-5):
        for variable, direction in zip(variables, directions, strict=True):
            variable.assign_add(step * direction)
        ends.append(objective())
    close(gradient, (ends[0] - ends[1]) / 2e-5, 1e-6, "gradient")


def test_float32_samples_come_back_to_the_tolerance():
    block = strong_block(dtype="float32", log_det="truncated")
    z = 10 * inputs(8, dtype="float32")
    close(block.inverse(tf.identity(block.forward(z))), z, 1e-5, "round trip")


def test_xla_compiles_density_sample_and_gradient_to_the_same_numbers():
    block, x = strong_block((2, 2, 1)), inputs(2, (2, 2, 1))

    def everything(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            log_prob = distribution(block).log_prob(x)
        sample, converged = block.forward_with_convergence(x)
        return log_prob, tape.gradient(log_prob, x), sample, converged

    eager, compiled = everything(x), tf.function(everything, jit_compile=True)(x)
    for got, expected in zip(compiled[:3], eager[:3], strict=True):
        close(got, expected, 1e-10, "under XLA")
    assert np.all(compiled[3])


def test_xla_compiles_the_gradient_of_a_loop_over_blocks():
    steps = iter([residual_step("float64", seed, "roulette") for seed in range(2)])
    flow = Repeated(steps.__next__, 2, unroll=False)
    x = data(flow, 2)

    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            log_prob = distribution(flow).log_prob(x)
        return tape.gradient(log_prob, x)

    compiled = tf.function(gradient, jit_compile=True, autograph=False)(x)
    close(compiled, gradient(x), 1e-9, "under XLA")


# --- gradients by inversion ---


@pytest.mark.parametrize("looped", [False, True])
def test_gradient_by_inversion_repeats_the_probes_of_the_pass(looped):
    """Of a summed log-det: per dimension an estimate has no gradient in training."""
    steps = iter([residual_step("float64", seed, "roulette") for seed in range(2)])
    flow = Repeated(steps.__next__, 2, unroll=False)
    move_weights(flow, 0.3, seed=0)

    def traced(flow, x, context, **kinds):
        step = tf.function(lambda x: by_inversion(flow, x, context, **kinds), autograph=False)
        return step(x)

    got, expected = (
        step_and_state(functools.partial(step, kinds=(SummedLogDet,)), flow, inputs(3), TRAINING)
        for step in (traced if looped else by_inversion, plainly)
    )
    check_same_step(got, expected)
    passes = [value for name, value in got.items() if "passes" in name]
    assert [value.tolist() for value in passes] == [[1, 1]]
    assert np.max(np.abs(got["SummedLogDet: gradient of x"])) > 0.1


# --- conditions ---


def test_condition_leaves_the_lipschitz_bound_alone():
    network = LipschitzNetwork(4, conditions=(2,), dtype="float64")
    block = ResidualBlock(SHAPE, network, log_det="exact", dtype="float64")
    move_weights(block, 3.0, seed=0)
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 64, *SHAPE))
    condition = 10 * random.normal(size=(64, 2))
    change = block.inverse(x, condition=condition) - x - block.inverse(y, condition=condition) + y
    ratios = np.sqrt(total(change**2) / total((x - y) ** 2))
    assert np.max(ratios) <= 0.9
    with pytest.raises(ValueError, match="condition must be given"):
        block.inverse(x)


# --- arguments ---


def test_block_knows_its_terms_and_probes():
    block = strong_block(terms=3, probes=2, inference_terms=7, inference_probes=5)
    assert block.log_det == "roulette"
    assert block.continuation == pytest.approx(0.81)
    assert (block.series(training=True).terms, block.series(training=True).probes) == (3, 2)
    assert (block.series().terms, block.series().probes) == (7, 5)
    assert block.series().continuation == block.continuation
    assert strong_block(log_det="truncated").series().continuation == 0
    assert strong_block(log_det="exact").series() is None


def test_configuration_keeps_every_argument():
    arguments = {
        "log_det": "truncated",
        "terms": 3,
        "probes": 2,
        "inference_terms": 7,
        "inference_probes": 5,
        "continuation": 0.4,
        "seed": 11,
        "tolerance": 1e-4,
        "max_iterations": 77,
    }
    config = strong_block(**arguments).get_config()
    assert {name: config[name] for name in arguments} == arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"log_det": "series"}, "log_det must be one of roulette, truncated, exact; got 'series'"),
        ({"terms": 0}, "terms must be a whole number >= 1; got 0"),
        ({"inference_probes": 1.5}, "inference_probes must be a whole number >= 1; got 1.5"),
        ({"continuation": 1.0}, "continuation must lie between 0 and 1, .*; got 1.0"),
        ({"max_iterations": -1}, "max_iterations must be a whole number >= 1; got -1"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        strong_block(**arguments)


def test_event_too_large_for_its_matrix_is_refused():
    with pytest.raises(ValueError, match=r"log_det must be .* got \"exact\" for \(32, 32, 3\)"):
        ResidualBlock((32, 32, 3), LipschitzNetwork(2), log_det="exact")


def test_estimate_from_one_probe_has_no_standard_error():
    with pytest.raises(ValueError, match="probes must be at least 2"):
        strong_block().inverse_event_log_det_estimate(inputs(1), probes=1)
    with pytest.raises(ValueError, match="draws must be at least 2"):
        event_log_det_estimate(strong_block(), inputs(1), draws=1)
