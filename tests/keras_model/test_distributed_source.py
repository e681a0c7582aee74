"""Data that a strategy has dealt out already."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfp_lcma as lcma
from tests.seeds import seed_initializers
from tests.toys import pictures, tiny_model
from tfp_lcma import LogDetCollector

IMAGES = pictures(24)


@pytest.fixture(scope="module")
def strategy():
    return tf.distribute.MirroredStrategy(["CPU:0"])


def dealt_out(strategy, *beside):
    """Batches of images, alone or with something beside them."""
    parts = IMAGES if not beside else (IMAGES, *beside)
    dataset = tf.data.Dataset.from_tensor_slices(parts).batch(8)
    return strategy.distribute_datasets_from_function(lambda _: dataset)


def trained(strategy, data):
    seed_initializers(0)
    with strategy.scope():
        model = tiny_model(optimizer=keras.optimizers.SGD(1e-3), run_eagerly=True)
    collector = LogDetCollector(images=16)
    model.fit(data, verbose=0, shuffle=False, callbacks=[collector])
    return model, collector.statistics


def test_they_train_initialise_and_can_be_looked_at_as_others(strategy):
    model, statistics = trained(strategy, dealt_out(strategy))
    other, expected = trained(strategy, tf.data.Dataset.from_tensor_slices(IMAGES).batch(8))
    for mine, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    assert statistics.count == expected.count == 16
    np.testing.assert_allclose(statistics.log_det, expected.log_det, rtol=1e-4, atol=1e-5)


def conditional(strategy, data):
    seed_initializers(0)
    with strategy.scope():
        flow = lcma.models.glow(IMAGES.shape[1:], levels=1, steps=1, width=4, conditions=2)
        model = lcma.FlowModel(flow)
        model.compile(optimizer=keras.optimizers.SGD(1e-3), run_eagerly=True)
    model.fit(data, verbose=0, shuffle=False)
    return model.get_weights()


def test_a_condition_comes_beside_images(strategy):
    labels = np.arange(len(IMAGES)) % 2
    parts = tf.data.Dataset.from_tensor_slices((IMAGES, labels)).batch(8)
    expected = conditional(strategy, parts)
    for mine, theirs in zip(
        conditional(strategy, dealt_out(strategy, labels)), expected, strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


def test_dictionaries_have_images_and_no_condition(strategy):
    named = tf.data.Dataset.from_tensor_slices({"image": IMAGES}).batch(8)
    data = strategy.distribute_datasets_from_function(lambda _: named)
    model, _ = trained(strategy, data)
    other, _ = trained(strategy, dealt_out(strategy))
    for mine, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"must hold batches of \(images, condition\),"):
        conditional(strategy, data)


def test_what_keras_would_take_otherwise_is_refused(strategy):
    model = tiny_model(run_eagerly=True)
    with pytest.raises(ValueError, match=r"x, distributed already, must hold batches of images,"):
        model.fit(dealt_out(strategy, np.zeros(len(IMAGES))))
    with pytest.raises(ValueError, match="no class_weight can go with it"):
        model.fit(dealt_out(strategy), class_weight={0: 1.0})
