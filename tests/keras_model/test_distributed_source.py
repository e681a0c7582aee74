"""Data that a strategy has dealt out already."""

import keras
import numpy as np
import pytest
import tensorflow as tf

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


def test_what_keras_would_take_otherwise_is_refused(strategy):
    model = tiny_model(run_eagerly=True)
    with pytest.raises(ValueError, match=r"x, distributed already, must hold batches of images,"):
        model.fit(dealt_out(strategy, np.zeros(len(IMAGES))))
    with pytest.raises(ValueError, match="no class_weight can go with it"):
        model.fit(dealt_out(strategy), class_weight={0: 1.0})
