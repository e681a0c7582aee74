"""Products of a flow's matrices keep float32's digits where TensorFlow would round them to TF32."""

import numpy as np
import pytest
import tensorflow as tf

from tfp_lcma.bijectors import products
from tfp_lcma.testing.compare import close


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_product_has_the_digits_and_the_gradients_of_its_type(dtype, rounded, monkeypatch):
    monkeypatch.setattr(products, "_is_rounded", lambda: rounded)
    random = np.random.default_rng(0)
    a, b = (tf.constant(random.normal(size=(5, 5)), dtype) for _ in range(2))
    with tf.GradientTape() as tape:
        tape.watch([a, b])
        product = products.matmul(a, b)
        loss = tf.reduce_sum(product**2)
    expected = a.numpy().astype(np.float64) @ b.numpy().astype(np.float64)
    assert product.dtype == dtype
    tolerance = 1e-6 if dtype == "float32" else 1e-14
    close(product, expected, tolerance, "the product")
    for got, exact in zip(
        tape.gradient(loss, [a, b]),
        (2 * expected @ b.numpy().T, 2 * a.numpy().T @ expected),
        strict=True,
    ):
        close(got, exact, 10 * tolerance, "a gradient")


def test_nothing_is_rounded_without_a_gpu_or_with_tf32_turned_off(monkeypatch):
    found = []
    for gpus in ([], ["GPU"]):
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind, gpus=gpus: gpus)
        for enabled in (False, True):
            name = "tensor_float_32_execution_enabled"
            monkeypatch.setattr(tf.config.experimental, name, lambda enabled=enabled: enabled)
            found.append(products._is_rounded())
    assert found == [False, False, False, True]
