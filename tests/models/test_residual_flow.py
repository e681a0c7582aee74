"""The residual flow: architecture, training, and a model that samples by iteration."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfp_lcma as lcma
from tests.seeds import seed_initializers
from tests.toys import pictures
from tfp_lcma import noise
from tfp_lcma.bijectors import ActNorm, Context, Repeated, ResidualBlock
from tfp_lcma.factorizations import Channel, Checkerboard, RandomInBlock
from tfp_lcma.models import residual_flow
from tfp_lcma.priors import ConditionalGaussian, StandardNormal
from tfp_lcma.serving.signatures import build_signatures
from tfp_lcma.testing.compare import close, total
from tfp_lcma.testing.inputs import data, latents, move_weights
from tfp_lcma.testing.passes import jacobian

SHAPE = (4, 4, 1)
IMAGES = pictures(96)


def tiny(**changes):
    seed_initializers(0)
    return residual_flow(SHAPE, **({"steps": 1, "width": 4} | changes))


def blocks(flow):
    """One block of every level, which stands for all of them."""
    return [part for part in flow.kinds if isinstance(part, ResidualBlock)]


def variables(flow):
    return [variable for layer in flow.layers for variable in layer.variables]


def learning(**changes):
    """A model trained for a few steps, and its history."""
    model = lcma.FlowModel(tiny(factorization=Checkerboard(), **changes))
    # Six steps cost less than a trace.
    model.compile(optimizer=keras.optimizers.Adam(0.02), run_eagerly=True)
    history = model.fit(IMAGES, epochs=2, batch_size=32, shuffle=False, verbose=0).history
    return model, history["bits_per_dimension"]


@pytest.fixture(scope="module")
def roulette():
    return learning()


@pytest.fixture(scope="module")
def trained(roulette):
    return roulette[0]


def test_levels_are_steps_of_actnorm_and_residual_block_with_probes_of_their_own():
    flow = residual_flow((8, 8, 3), levels=2, steps=3, width=4, coefficient=0.7, terms=4, probes=2)
    assert [part.event_shape for part in flow.flows] == [(8, 8, 3), (4, 4, 6)]
    seeds = []
    for level in flow.flows:
        assert isinstance(level, Repeated)
        assert level.times == 3
        assert [type(part) for part in level.step.bijectors] == [ActNorm, ResidualBlock]
        ((_, of_level),) = level.get_config()["constants"]
        seeds.extend(of_level.tolist())
    assert seeds == list(range(6))
    assert flow.factorization == Channel()
    assert isinstance(flow.exit_prior, StandardNormal)
    for block in blocks(flow):
        assert block.network.coefficient == 0.7
        assert block.network.width == 4
        assert block.log_det == "roulette"
        assert (block.series(training=True).terms, block.series(training=True).probes) == (4, 2)


def test_flow_starts_as_the_identity():
    flow = tiny(factorization=Checkerboard())
    x = data(flow, 2)
    z, log_det = flow.inverse_and_event_log_det(x)
    close(z, x, 1e-6, "latents")
    close(log_det, np.zeros((2, *SHAPE)), 1e-6, "log-det")


@pytest.mark.parametrize("factorization", [RandomInBlock(), Channel(), None], ids=repr)
def test_any_factorization_and_prior_will_do(factorization):
    flow = residual_flow(
        (4, 4, 2),
        steps=1,
        width=4,
        factorization=factorization,
        exit_prior=ConditionalGaussian(),
        dtype="float64",
    )
    move_weights(flow, 0.3, seed=1)
    x = data(flow, 2)
    close(flow.forward(flow.inverse(x)), x, 1e-9, "round trip")


@pytest.mark.parametrize("dtype", ["float64", "mixed_bfloat16"])
def test_everything_is_computed_as_precisely_as_variables_are_held(dtype):
    flow = tiny(dtype=dtype)
    expected = tf.float64 if dtype == "float64" else tf.float32
    assert flow.dtype == expected
    for tensor in flow.forward_and_event_log_det(latents(flow, 1)):
        assert tensor.dtype == expected


@pytest.mark.parametrize("log_det", ["roulette", "truncated"])
def test_training_learns(log_det, roulette):
    model, history = roulette if log_det == "roulette" else learning(log_det=log_det)
    assert history[-1] < history[0] - 0.02
    counters = [v.numpy() for v in variables(model.flow) if v.name.endswith("passes")]
    assert np.array_equal(counters, [[6], [6]])


def test_trained_flow_is_close_to_its_exact_likelihood_over_seeds(trained):
    exact = lcma.FlowModel(tiny(factorization=Checkerboard(), log_det="exact"))
    for source, target in zip(trained.flow.flows, exact.flow.flows, strict=True):
        values = {variable.name: variable.numpy() for variable in variables(source)}
        for variable in variables(target):
            # The blocks of the trained flow hold a counter beside their network.
            name = variable.name.replace("residual_block.", "residual_block.network.")
            variable.assign(values[name])
    differences = np.stack(
        [trained.log_prob(IMAGES, seed=s) - exact.log_prob(IMAGES, seed=s) for s in range(16)]
    )
    assert np.abs(differences).max() > 1e-4  # it is an estimate
    error = differences.std() / np.sqrt(differences.size)
    assert abs(differences.mean()) < 4 * error + 1e-4


def test_image_scores_the_same_in_any_batch_and_differently_by_seed(trained):
    everyone = trained.log_prob(IMAGES)[:6]
    alone = np.concatenate([trained.log_prob(image[None]) for image in IMAGES[:6]])
    np.testing.assert_allclose(alone, everyone, rtol=1e-6)
    assert np.all(trained.log_prob(IMAGES, seed=5)[:6] != everyone)
    np.testing.assert_allclose(trained.sample(6, seed=1)[:2], trained.sample(6, seed=1)[:2])
    z = trained.encode(IMAGES[:4])
    np.testing.assert_allclose(trained.decode(z), IMAGES[:4] + 0.5, atol=2e-3)


def test_saved_model_scores_and_samples_the_same(trained, tmp_path):
    trained.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(copy.log_prob(IMAGES), trained.log_prob(IMAGES))
    assert np.array_equal(copy.sample(6, seed=1), trained.sample(6, seed=1))


def test_sample_that_did_not_converge_is_an_error_of_the_model_and_a_flag_of_its_signature():
    model = lcma.FlowModel(tiny())
    model.initialize(IMAGES)
    move_weights(model.flow, 1.0, seed=0)
    for block in blocks(model.flow):
        block.max_iterations = 1
    with pytest.raises(ValueError, match="3 of 3 rows for which it did not converge"):
        model.sample(3, seed=0)
    signatures = {signature.name: signature for signature in build_signatures(model)}
    sample = signatures["sample"].function(tf.constant([[1, 0], [2, 0]]))
    assert sample["converged"].numpy().tolist() == [False, False]
    assert np.isnan(sample["images"]).any(axis=(1, 2, 3)).all()


def test_collector_gives_every_image_probes_of_its_own(trained):
    statistics = lcma.LogDetCollector(images=96).collect(trained, IMAGES)
    x, probes = trained.density.dequantized(IMAGES, noise.seed_pair(0))
    assert len(np.unique(probes.rows, axis=0)) == len(np.unique(IMAGES, axis=0))
    x = trained.preprocessing.inverse(x)
    own, shared = (
        trained.flow.inverse_by_level(x, context=context)[2][0].event_log_det.numpy().mean(axis=0)
        for context in (Context(probes=probes), Context())
    )
    close(statistics.log_det[0], own, 1e-5, "log-det at the end of the first level")
    assert np.abs(own - shared).max() > 1e-3


@pytest.mark.parametrize(
    ("conditions", "one", "other"),
    [(3, [0, 2], [0, 1]), ((2,), [[1.0, 0.0], [0.5, 1.0]], [[1.0, 0.0], [0.0, 1.0]])],
    ids=["classes", "vector"],
)
def test_a_condition_moves_its_image_and_stays_exactly_invertible(conditions, one, other):
    flow = tiny(conditions=conditions, log_det="exact", dtype="float64")
    assert flow.conditions == conditions
    move_weights(flow, 0.5, seed=1)
    x, one, other = data(flow, 2), np.array(one), np.array(other)
    z, log_det = flow.inverse_and_event_log_det(x, one)
    difference = np.abs(z - flow.inverse_and_event_log_det(x, other)[0]).max(axis=(1, 2, 3))
    assert difference[0] == 0
    assert difference[1] > 1e-3
    back, log_det_back = flow.forward_and_event_log_det(z, one)
    close(back, x, 1e-9, "round trip")
    close(total(log_det_back), -total(log_det), 1e-9, "log-det back")
    matrix = jacobian(
        lambda copies: flow.inverse_and_log_det(copies, np.repeat(one[1:], 16, axis=0))[0], x[1:]
    )
    close(total(log_det)[1], np.linalg.slogdet(matrix)[1], 1e-9, "log-det against autodiff")


def test_a_conditional_flow_without_its_condition_says_so():
    flow = tiny(conditions=3)
    with pytest.raises(ValueError, match="condition"):
        flow.inverse_and_event_log_det(data(flow, 2))


def test_arguments_out_of_range_are_refused_by_name():
    for name in ("levels", "steps", "width"):
        with pytest.raises(ValueError, match=f"{name} must be a whole number >= 1; got 0"):
            residual_flow((8, 8, 1), **{name: 0})
    for name in ("terms", "probes", "inference_terms", "inference_probes"):
        with pytest.raises(ValueError, match=f"{name} must be a whole number >= 1; got 0"):
            residual_flow((8, 8, 1), **{name: 0})
    with pytest.raises(ValueError, match=r"log_det must be one of .*; got 'series'"):
        residual_flow((8, 8, 1), log_det="series")
    with pytest.raises(ValueError, match=r"coefficient must lie .*; got 1\.0"):
        residual_flow((8, 8, 1), coefficient=1.0)
    with pytest.raises(ValueError, match=r"\(12, 6, 1\) cannot have 3 levels"):
        residual_flow((12, 6, 1), levels=3)
