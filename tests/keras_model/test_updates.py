"""Gradients that are accumulated over several batches before they count."""

import keras
import numpy as np
import pytest

from tests.toys import pictures, tiny_model
from tfp_lcma.keras_model.updates import batches_seen, check_optimizer


def accumulating(**options):
    return keras.optimizers.SGD(1e-4, gradient_accumulation_steps=2, **options)


def test_batches_of_one_update_get_noise_of_their_own():
    model, images = tiny_model(optimizer=accumulating(), run_eagerly=True), pictures(32)
    model.initialize(images)
    start, noisy = model.get_weights(), []
    for _ in range(2):
        noisy.append(model(images, training=True).numpy())
        model.train_on_batch(images)
        if len(noisy) == 1:
            assert all(map(np.array_equal, model.get_weights(), start))
    assert np.all(noisy[0] != noisy[1])
    assert (int(batches_seen(model.optimizer)), int(model.optimizer.iterations)) == (2, 1)


@pytest.mark.parametrize(
    ("optimizer", "what"),
    [
        (accumulating(use_ema=True), "use_ema=True"),
        (keras.optimizers.LossScaleOptimizer(accumulating()), "loss scaling"),
    ],
)
def test_what_gradients_are_not_accumulated_with_on_several_replicas_is_refused(optimizer, what):
    check_optimizer(optimizer, replicas=1)
    with pytest.raises(ValueError, match=f"optimizer must not have .* beside {what} .*2 replicas"):
        check_optimizer(optimizer, replicas=2)
