"""The checks of the contract reject flows that break it: each has one it cannot get past."""

import functools

import keras
import pytest
import tensorflow as tf

from tests.checks import CHECKS
from tests.registry import SHAPE, coupling, move_weights, shuffled
from tfp_lcma.bijectors import (
    ActNorm,
    AffineCoupling,
    FlowBijector,
    FlowChain,
    Permutation,
    checkerboard_mask,
)
from tfp_lcma.networks.actnorm import ActNormLayer


class Around(FlowBijector):
    """A flow that writes the one-pass methods, by those of another."""

    def __init__(self, part):
        super().__init__(part.event_shape, dtype=part.dtype)
        self.part = part

    def inverse_and_event_log_det(self, x, condition=None, training=False):
        return self.part.inverse_and_event_log_det(x, condition, training)

    def forward_and_event_log_det(self, z, condition=None, training=False):
        return self.part.forward_and_event_log_det(z, condition, training)

    def transport_inverse(self, t, x):
        return self.part.transport_inverse(t, x)

    def transport_forward(self, t, z):
        return self.part.transport_forward(t, z)

    def route(self, index):
        return self.part.route(index)


class AroundActNorm(Around):
    wrapped = ActNorm


class AroundCoupling(Around):
    wrapped = AffineCoupling


class AroundPermutation(Around):
    wrapped = Permutation


class WrongSign(AroundActNorm):
    def inverse_and_event_log_det(self, x, condition=None, training=False):
        z, log_det = super().inverse_and_event_log_det(x, condition, training)
        return z, -log_det

    def forward_and_event_log_det(self, z, condition=None, training=False):
        x, log_det = super().forward_and_event_log_det(z, condition, training)
        return x, -log_det


class ZeroLogDet(AroundCoupling):
    def inverse_and_event_log_det(self, x, condition=None, training=False):
        z, log_det = super().inverse_and_event_log_det(x, condition, training)
        return z, tf.zeros_like(log_det)

    def forward_and_event_log_det(self, z, condition=None, training=False):
        x, log_det = super().forward_and_event_log_det(z, condition, training)
        return x, tf.zeros_like(log_det)


class SummedTooEarly(AroundActNorm):
    def inverse_and_event_log_det(self, x, condition=None, training=False):
        z, log_det = super().inverse_and_event_log_det(x, condition, training)
        return z, tf.reduce_sum(log_det, axis=(1, 2, 3))


class InverseSlightlyOff(AroundCoupling):
    def forward_and_event_log_det(self, z, condition=None, training=False):
        x, log_det = super().forward_and_event_log_det(z, condition, training)
        return x + 1e-5, log_det


class OneDirectionForgetsLogDet(AroundActNorm):
    def forward_and_event_log_det(self, z, condition=None, training=False):
        x, log_det = super().forward_and_event_log_det(z, condition, training)
        return x, 0.99 * log_det


class WrongCustomGradient(AroundActNorm):
    def inverse_and_event_log_det(self, x, condition=None, training=False):
        @tf.custom_gradient
        def negated(value):
            return value, lambda upstream: -upstream

        z, log_det = super().inverse_and_event_log_det(x, condition, training)
        return negated(z), log_det


class TransportMissing(AroundPermutation):
    transport_inverse = FlowBijector.transport_inverse
    transport_forward = FlowBijector.transport_forward


class TransportBackwards(Permutation):
    def transport_inverse(self, t, x):
        return self._restore(t)


class TransportCountsTwice(AroundActNorm):
    def transport_inverse(self, t, x):
        return 2 * t


class CarryForgetsTheTransport(FlowChain):
    def carry_inverse(self, x, log_det, condition=None, training=False):
        for bijector in self.bijectors:
            x, added = bijector.inverse_and_event_log_det(x, condition, training)
            log_det = log_det.plus(added)
        return x, log_det


class NetworkEvaluatedTwice(AroundCoupling):
    def inverse_and_event_log_det(self, x, condition=None, training=False):
        z, _ = super().inverse_and_event_log_det(x, condition, training)
        return z, super().inverse_and_event_log_det(x, condition, training)[1]


class LogDetNotDeposited(AffineCoupling):
    def _inverse(self, y, **kwargs):
        return self._one_pass(self.inverse_and_log_det, y, kwargs)[0]


class CachedInEagerMode(AffineCoupling):
    def _uncached(self, value):
        return value


class NumberFrozenWhenBuilt(AroundActNorm):
    def __init__(self, part):
        super().__init__(part)
        self._frozen = tf.constant(0.3, part.dtype)

    def inverse_and_event_log_det(self, x, condition=None, training=False):
        return x * tf.exp(self._frozen), tf.zeros_like(x) + self._frozen

    def forward_and_event_log_det(self, z, condition=None, training=False):
        return z * tf.exp(-self._frozen), tf.zeros_like(z) - self._frozen


class LayerNotListed(FlowBijector):
    """Holds a layer that neither TFP nor Keras is told of."""

    def __init__(self, event_shape, *, dtype="float32", name=None):
        super().__init__(event_shape, dtype=dtype, name=name)
        self._hidden = ActNormLayer(event_shape[-1], dtype=dtype)

    def inverse_and_event_log_det(self, x, condition=None, training=False):
        return x + self._hidden.shift.value, tf.zeros_like(x)

    def forward_and_event_log_det(self, z, condition=None, training=False):
        return z - self._hidden.shift.value, tf.zeros_like(z)


class DependsOnItsBatch(AroundActNorm):
    def inverse_and_event_log_det(self, x, condition=None, training=False):
        z, log_det = super().inverse_and_event_log_det(x, condition, training)
        return z - tf.reduce_mean(x, axis=0, keepdims=True), log_det


class OneBatchDimensionOnly(ActNorm):
    def _one_pass(self, method, value, kwargs):
        result, log_det = super()._one_pass(method, value, kwargs)
        return result, tf.reshape(log_det, (-1,))


class UnboundedLogScale(AroundActNorm):
    def forward_and_event_log_det(self, z, condition=None, training=False):
        log_scale = tf.square(z)
        return z * tf.exp(10 * log_scale), log_scale


class OtherwiseInAGraph(AroundActNorm):
    def inverse_and_event_log_det(self, x, condition=None, training=False):
        z, log_det = super().inverse_and_event_log_det(x, condition, training)
        return (z if tf.executing_eagerly() else z + 1e-6), log_det


class OwnLogDetMethod(ActNorm):
    def _inverse_log_det_jacobian(self, y, **kwargs):
        return 2 * super()._inverse_log_det_jacobian(y, **kwargs)


@keras.saving.register_keras_serializable(package="tests")
class ConfigurationForgetsTheType(ActNorm):
    def get_config(self):
        return {"event_shape": self.event_shape}


BROKEN = [
    (WrongSign, "log_det"),
    (ZeroLogDet, "log_det"),
    (SummedTooEarly, "log_det"),
    (WrongCustomGradient, "log_det"),
    (OneDirectionForgetsLogDet, "log_det"),
    (OneDirectionForgetsLogDet, "round_trips"),
    (InverseSlightlyOff, "round_trips"),
    (OwnLogDetMethod, "tfp_methods"),
    (DependsOnItsBatch, "batches"),
    (OneBatchDimensionOnly, "batch_shapes"),
    (OtherwiseInAGraph, "eager_equals_graph"),
    (UnboundedLogScale, "finite"),
    (TransportMissing, "transports"),
    (TransportBackwards, "transports"),
    (TransportCountsTwice, "transports"),
    (CarryForgetsTheTransport, "carry"),
    (NumberFrozenWhenBuilt, "gradients"),
    (NumberFrozenWhenBuilt, "never_stale"),
    (CachedInEagerMode, "never_stale"),
    (LayerNotListed, "variables"),
    (NetworkEvaluatedTwice, "one_pass"),
    (LogDetNotDeposited, "one_pass"),
    (ConfigurationForgetsTheType, "configuration"),
]


@functools.cache
def built(kind):
    """A small flow of this kind, its weights moved away from their start."""
    keras.utils.set_random_seed(0)
    if issubclass(kind, Around):
        flow = kind(built(kind.wrapped))
    elif issubclass(kind, AffineCoupling):
        flow = coupling(checkerboard_mask(SHAPE, 0), "float64", kind)
    elif issubclass(kind, Permutation):
        flow = kind(shuffled((2, 3, 4), within_channels=False))
    elif issubclass(kind, FlowChain):
        flow = kind([built(Permutation), built(Permutation)])
    else:
        flow = kind(SHAPE, dtype="float64")
    move_weights(flow, 0.2, seed=1)
    return flow


@pytest.mark.parametrize(("kind", "check"), BROKEN)
def test_check_rejects_a_broken_flow(kind, check):
    with pytest.raises(AssertionError):
        CHECKS[check](built(kind))


def test_every_check_rejects_something():
    assert {check for _, check in BROKEN} == set(CHECKS)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("kind", [ActNorm, AffineCoupling, Permutation, FlowChain])
def test_check_accepts_what_was_broken_without_the_fault(kind, check):
    CHECKS[check](built(kind))
