"""Flows and networks that users write train and are saved like those of the package."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.seeds import seed_initializers
from tests.toys import fitted, pictures
from tfp_lcma import FlowModel, models
from tfp_lcma.bijectors import (
    ActNorm,
    Coupling,
    FlowBijector,
    FlowChain,
    Repeated,
    checkerboard,
)
from tfp_lcma.multi_scale import MultiScale

SHAPE = (4, 4, 1)
register = keras.saving.register_keras_serializable(package="tfp_lcma_tests")


class Coefficients(keras.layers.Layer):
    def __init__(self, shape, **kwargs):
        super().__init__(**kwargs)
        self.slope = self.add_weight(shape, initializer="zeros", name="slope")
        self.built = True


@register
class Bend(FlowBijector):
    """A user's flow: x for x below 0, x exp(tanh(slope)) above, a slope per dimension."""

    def __init__(self, event_shape, dtype="float32", name=None):
        self._layer = Coefficients(tuple(event_shape), dtype=dtype)
        super().__init__(event_shape, dtype=dtype, layers=[self._layer], name=name)

    def get_config(self):
        return {"event_shape": self.event_shape, "dtype": self.dtype.name}

    def carry_inverse(self, x, log_det, context):
        log_slope = self._log_slope(x)
        return x * tf.exp(log_slope), log_det.plus(log_slope)

    def carry_forward(self, z, log_det, context):
        log_slope = self._log_slope(z)
        return z * tf.exp(-log_slope), log_det.plus(-log_slope)

    def _log_slope(self, value):
        return tf.where(value > 0, tf.tanh(self._layer.slope.value), tf.zeros_like(value))


@register
class TwoConvolutions(keras.layers.Layer):
    """A user's network class, made with the number of outputs."""

    def __init__(self, outputs, **kwargs):
        super().__init__(**kwargs)
        self.outputs = outputs
        self.hidden = keras.layers.Conv2D(4, 3, padding="same", activation="tanh")
        self.out = keras.layers.Conv2D(outputs, 1)

    def build(self, input_shape):
        self.hidden.build(input_shape)
        self.out.build((*input_shape[:-1], 4))
        self.built = True

    def call(self, inputs, training=False):
        return self.out(self.hidden(inputs))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.outputs)

    def get_config(self):
        return super().get_config() | {"outputs": self.outputs}


@register
class Conditioned(TwoConvolutions):
    """The same, of a class beside the image."""

    conditions = 2

    def build(self, input_shape):
        super().build(input_shape)
        self.shift = self.add_weight((2, self.outputs), name="shift")

    def call(self, inputs, condition, training=False):
        shift = tf.gather(tf.convert_to_tensor(self.shift), condition)[:, None, None, :]
        return super().call(inputs) + shift


def bent_flow(memory):
    """A level of looped steps of a coupling and the user's flow."""

    def step():
        coupling = Coupling(checkerboard(SHAPE, 0), TwoConvolutions)
        return FlowChain([ActNorm(SHAPE), Bend(SHAPE), coupling])

    return MultiScale([Repeated(step, 2, unroll=False)], memory=memory)


def trained(flow, labels=None, run_eagerly=False):
    model = FlowModel(flow)
    optimizer = keras.optimizers.SGD(1e-3, momentum=0.9)
    model.compile(optimizer=optimizer, jit_compile=False, run_eagerly=run_eagerly)
    return model, fitted(model, pictures(64), epochs=3, y=labels)["loss"]


def assert_saved(model, tmp_path, *condition):
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    images = pictures(8)
    np.testing.assert_allclose(
        again.log_prob(images, *condition), model.log_prob(images, *condition), rtol=1e-6
    )


def test_a_users_flow_trains_in_a_loop_alike_with_either_memory(tmp_path):
    losses, slopes = [], []
    for memory in ("keep", "invert"):
        seed_initializers(0)
        # In a loop of the graph where activations are found again.
        model, loss = trained(bent_flow(memory), run_eagerly=memory == "keep")
        losses.append(loss)
        slopes.append([v.numpy() for v in model.weights if "slope" in v.path])
    assert losses[0][-1] < losses[0][0]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    assert slopes[0] and all(np.abs(slope).max() > 1e-4 for slope in slopes[0])
    for mine, theirs in zip(*slopes, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-2, atol=1e-5)
    assert_saved(model, tmp_path)


@pytest.mark.parametrize("make", [functools.partial(models.glow, steps=2), models.real_nvp])
def test_a_users_network_class_trains(make, tmp_path):
    seed_initializers(0)
    flow = make(SHAPE, levels=1, network=TwoConvolutions, unroll=False, memory="invert")
    networks = {type(p.network) for p in flow.kinds if isinstance(p, Coupling)}
    assert networks == {TwoConvolutions}
    model, losses = trained(flow)
    assert losses[-1] < losses[0]
    assert_saved(model, tmp_path)


def test_a_users_conditional_network_class_trains(tmp_path):
    seed_initializers(0)
    labels = np.arange(64) % 2
    flow = models.real_nvp(SHAPE, levels=1, network=Conditioned, conditions=2, unroll=False)
    model, losses = trained(flow, labels, run_eagerly=True)
    assert losses[-1] < losses[0]
    assert np.any(model.log_prob(pictures(8), 0) != model.log_prob(pictures(8), 1))
    assert_saved(model, tmp_path, 1)


def test_variables_that_would_be_lost_are_refused_by_name():
    class Forgetful(Bend):
        def __init__(self, held):
            super().__init__(SHAPE)
            self._held = held

    dense = keras.layers.Dense(1)
    dense.build((None, 1))
    for held in (dense, [dense], {"inner": dense}, tf.Variable(1.0), dense.kernel):
        flow = FlowChain([ActNorm(SHAPE), Forgetful(held)])
        with pytest.raises(ValueError, match=r"flow must hold its variables .* Forgetful\.held"):
            FlowModel(flow)
