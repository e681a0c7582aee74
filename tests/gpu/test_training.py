"""What Keras compiles with XLA by default where there is a GPU trains as what it does not."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.gpu.flows import FLOWS, IMAGES, losses, model
from tests.gpu.gpu import skip_without_gpu, tf32
from tests.registry import built
from tfp_lcma.bijectors import Context, SummedLogDet
from tfp_lcma.bijectors.inversion import carry_inverse_by_inversion
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data

skip_without_gpu()


@pytest.mark.parametrize("name", FLOWS)
def test_fit_as_it_comes_is_compiled_and_trains_as_an_uncompiled_one(name):
    with tf32(False):
        compiled, plain = model(name), model(name)
        got = losses(compiled)
        expected = losses(plain, jit_compile=False)
    assert compiled.jit_compile
    assert expected[-1] < expected[0]
    np.testing.assert_allclose(got, expected, rtol=2e-3)


@pytest.mark.parametrize("jit_compile", [False, True], ids=["plain", "xla"])
@pytest.mark.parametrize("name", ["RealNVP", "Glow (loops)", "Glow (loops, by inversion)"])
def test_networks_in_bfloat16_train_and_the_flow_stays_in_float32(name, jit_compile):
    coarse = model(name, dtype="mixed_bfloat16")
    assert coarse.flow.dtype == tf.float32
    got = losses(coarse, jit_compile=jit_compile)
    expected = losses(model(name), jit_compile=jit_compile)
    assert got[-1] < got[0]
    np.testing.assert_allclose(got, expected, rtol=0.03)
    assert np.isfinite(coarse.sample(4, seed=0)).all()


def gradients(flow, carry, compiled):
    """Latents, the log-det and all gradients of one pass over the data."""
    variables = list(flow.trainable_variables)

    def step(x):
        start = SummedLogDet(tf.zeros_like(x[:, 0, 0, 0]))
        with tf.GradientTape() as tape:
            tape.watch(x)
            z, log_det = carry(x, start, Context())
            loss = tf.reduce_mean(z**2) - tf.reduce_mean(log_det.values)
        return z, log_det.values, *tape.gradient(loss, [x, *variables])

    return tf.function(step, jit_compile=compiled, autograph=False)(data(flow, 4))


@pytest.mark.parametrize(
    "name",
    [
        "Repeated (Glow step)",
        "Repeated (Glow step, unrolled)",
        "Repeated (checkerboards and batch norms)",
        "Repeated (residual blocks)",
        "Repeated (mixtures of logistics)",
        "Repeated (exchanging halves)",
    ],
)
@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "xla"])
def test_gradients_by_inversion_are_the_plain_ones_in_loops(name, compiled):
    flow = built(name, "float64")

    def by_inversion(x, log_det, context):
        return carry_inverse_by_inversion(flow, x, log_det, context)

    got = gradients(flow, by_inversion, compiled)
    expected = gradients(flow, flow.carry_inverse, compiled=False)
    for number, (mine, plain) in enumerate(zip(got, expected, strict=True)):
        close(mine, plain, 1e-6, f"result {number}")


def test_a_compiled_model_is_saved_and_scores_as_before(tmp_path):
    trained = model("Glow (loops)")
    losses(trained, epochs=1)
    trained.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    expected = trained.log_prob(IMAGES[:4])
    np.testing.assert_allclose(again.log_prob(IMAGES[:4]), expected, rtol=1e-4)
