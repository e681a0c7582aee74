"""Parts that start from more than a batch are given more images, and nothing else changes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.toys import Batches, pictures
from tfp_lcma import FlowModel
from tfp_lcma.bijectors import ActNorm, BatchNorm, Context
from tfp_lcma.factorizations import Channel, OnlineLikelihoodContribution, Whitened
from tfp_lcma.keras_model.elements import Expected, Parts
from tfp_lcma.keras_model.image_sources import image_source
from tfp_lcma.keras_model.online_split import OnlineSplit
from tfp_lcma.multi_scale import MultiScale, level_shapes
from tfp_lcma.priors import ConditionalGaussian

BATCH, STEPS = 8, 5
IMAGES = pictures(BATCH * STEPS)
LEAST_SQUARES = ConditionalGaussian("least_squares")


def model(factorization=None, exit_prior=None):
    """A model that training leaves as it started."""
    factorization = factorization or Whitened()
    shapes = level_shapes((4, 4, 1), 2, factorization)
    flow = MultiScale([ActNorm(shape) for shape in shapes], factorization, exit_prior)
    built = FlowModel(flow)
    built.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    return built


def values(built):
    return [variable.numpy() for variable in built.flow.variables]


def by_hand(images, **own):
    built = model(**own)
    built.initialize(images, batch_size=BATCH)
    return values(built)


def generator(passed=None):
    for start in range(0, len(IMAGES), BATCH):
        if passed is not None:
            passed.append(start)
        yield IMAGES[start : start + BATCH]


SOURCES = {
    "dataset": lambda: tf.data.Dataset.from_tensor_slices(IMAGES).batch(BATCH),
    "PyDataset": lambda: Batches(*generator()),
    "generator": generator,
}


@pytest.mark.parametrize("source", SOURCES)
def test_fit_starts_from_as_many_images_as_there_are(source):
    built = model(exit_prior=LEAST_SQUARES)
    built.fit(SOURCES[source](), shuffle=False, verbose=0)
    for got, expected in zip(values(built), by_hand(IMAGES, exit_prior=LEAST_SQUARES), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_fit_starts_from_random_images_of_an_array_the_first_batch_first():
    built = model()
    built.fit(IMAGES, batch_size=BATCH, verbose=0)
    order = np.random.default_rng(built.seed).permutation(len(IMAGES))
    for got, expected in zip(values(built), by_hand(IMAGES[order]), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_only_as_many_batches_of_a_generator_are_fetched_and_training_gets_all():
    passed = []
    source = image_source(Parts(generator(passed)), Expected((4, 4, 1), 256, None))
    first = source.first_batch(BATCH, seed=0)
    rows = source.first_batches(3, BATCH, seed=0)
    assert len(passed) == 3
    np.testing.assert_array_equal(first.images, IMAGES[:BATCH])
    np.testing.assert_array_equal(rows.images, IMAGES[: 3 * BATCH])
    np.testing.assert_array_equal(np.concatenate([batch[0] for batch in source.batches]), IMAGES)


def test_actnorms_start_from_the_first_batch_as_in_a_flow_that_asks_for_no_more():
    with_more, without = model(), model(Channel())
    with_more.initialize(IMAGES, batch_size=BATCH)
    without.initialize(IMAGES[:BATCH])
    for one, other in zip(
        with_more.flow.flows[0].variables, without.flow.flows[0].variables, strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert (with_more.flow.start_images, without.flow.start_images) == (2048, 0)


def test_rows_in_pieces_go_where_they_would_go_at_once():
    flow = model(Channel(), LEAST_SQUARES).flow
    x = IMAGES.astype("float32")
    flow.inverse(x, context=Context(starting=True))
    whole = flow.inverse_and_event_log_det(x)
    pieces = flow.inverse_and_event_log_det(x, context=Context(rows_at_once=3))
    for one, other in zip(whole, pieces, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_a_flow_that_started_is_not_started_again():
    built = model()
    built.initialize(IMAGES)
    before = values(built)
    built.fit(255 - IMAGES, batch_size=BATCH, verbose=0)
    built.train_on_batch(255 - IMAGES)
    for got, expected in zip(values(built), before, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_level_that_started_before_keeps_its_start_beside_a_fresh_split():
    built = model(exit_prior=LEAST_SQUARES)
    first = built.flow.flows[0]
    first.inverse(IMAGES.astype("float32"), context=Context(starting=True))
    before = [variable.numpy() for variable in first.variables]
    assert built.flow.start_due == {0, 1}
    built.train_on_batch(IMAGES)
    assert built.flow.is_initialized and built.flow.start_due == set()
    for variable, value in zip(first.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_the_start_sees_what_batch_normalisation_gives_in_training():
    shapes = level_shapes((4, 4, 1), 2, Whitened())
    flow = MultiScale([BatchNorm(shape, momentum=0.99) for shape in shapes], Whitened())
    built = FlowModel(flow)
    built.initialize(IMAGES)
    x = built._preprocess(tf.convert_to_tensor(IMAGES))
    z = flow.inverse_and_log_det(x, context=Context(training=True))[0]
    factored_out = np.reshape(flow.split(z)[0], (-1, 2))
    np.testing.assert_allclose(np.cov(factored_out.T, bias=True), np.eye(2), atol=1e-3)


def test_one_batch_has_to_do_where_there_is_no_more():
    built = model(exit_prior=LEAST_SQUARES)
    built.train_on_batch(IMAGES[:2])
    assert built.flow.is_initialized
    assert np.isfinite(built.log_prob(IMAGES)).all()


def test_exits_below_a_settled_split_start_again():
    split = OnlineLikelihoodContribution(decide_at=(1,))
    built = model(split, LEAST_SQUARES)
    built.initialize(IMAGES)
    last = built.flow.exits[-1].layers[0]
    last.raw.assign(tf.fill(last.raw.shape, 2.0))
    built.fit(IMAGES[: 2 * BATCH], batch_size=BATCH, verbose=0, callbacks=[OnlineSplit(IMAGES)])
    assert built.flow.splits[0].decided
    # The actnorms before it have made of its input what it is to make of it.
    np.testing.assert_allclose(last.raw, np.zeros(last.raw.shape), atol=1e-2)
