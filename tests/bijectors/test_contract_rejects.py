"""The checks of the contract reject flows that break it: each has one it cannot get past."""

import functools

import keras
import pytest
import tensorflow as tf

from tests.checks import REPEATED_CHECKS
from tests.registry import SHAPE, OursGivenTwoNumbers, repeated, settled, shuffled, steps_of
from tests.seeds import seed_initializers
from tfp_lcma.bijectors import (
    ActNorm,
    BatchNorm,
    Coupling,
    EventLogDet,
    FlowBijector,
    FlowChain,
    Permutation,
    Repeated,
    checkerboard,
)
from tfp_lcma.networks import Residual
from tfp_lcma.networks.actnorm import ActNormLayer
from tfp_lcma.networks.scope import standing_in
from tfp_lcma.testing import PROPERTIES, assert_flow_contract
from tfp_lcma.testing.inputs import Given, move_weights
from tfp_lcma.testing.inversion import check_no_second_derivative


class Around(FlowBijector):
    """A flow that passes on to another, and distorts what comes back."""

    def __init__(self, part):
        super().__init__(part.event_shape, dtype=part.dtype)
        self.part = part

    def carry_inverse(self, x, log_det, context):
        return self.part.carry_inverse(x, log_det, context)

    def carry_forward(self, z, log_det, context):
        return self.part.carry_forward(z, log_det, context)

    def route(self, index):
        return self.part.route(index)

    def own_event_log_det(self, carry, value, context):
        """What the part alone does and adds, per dimension."""
        out, own = carry(value, EventLogDet(tf.zeros_like(value)), context)
        return out, own.values


class AroundActNorm(Around):
    wrapped = ActNorm


class AroundCoupling(Around):
    wrapped = Coupling


class AroundPermutation(Around):
    wrapped = Permutation


class WrongSign(AroundActNorm):
    def carry_inverse(self, x, log_det, context):
        z, own = self.own_event_log_det(self.part.carry_inverse, x, context)
        return z, log_det.plus(-own)

    def carry_forward(self, z, log_det, context):
        x, own = self.own_event_log_det(self.part.carry_forward, z, context)
        return x, log_det.plus(-own)


class ZeroLogDet(AroundCoupling):
    def carry_inverse(self, x, log_det, context):
        return super().carry_inverse(x, log_det, context)[0], log_det

    def carry_forward(self, z, log_det, context):
        return super().carry_forward(z, log_det, context)[0], log_det


class SummedTooEarly(AroundActNorm):
    def carry_inverse(self, x, log_det, context):
        z, log_det = super().carry_inverse(x, log_det, context)
        if isinstance(log_det, EventLogDet) and log_det.values is not None:
            log_det = type(log_det)(tf.reduce_sum(log_det.values, axis=(1, 2, 3)))
        return z, log_det


class InverseSlightlyOff(AroundCoupling):
    def carry_forward(self, z, log_det, context):
        x, log_det = super().carry_forward(z, log_det, context)
        return x + 1e-5, log_det


class OneDirectionForgetsLogDet(AroundActNorm):
    def carry_forward(self, z, log_det, context):
        x, own = self.own_event_log_det(self.part.carry_forward, z, context)
        return x, log_det.plus(0.99 * own)


class WrongCustomGradient(AroundActNorm):
    def carry_inverse(self, x, log_det, context):
        @tf.custom_gradient
        def negated(value):
            return value, lambda upstream: -upstream

        z, log_det = super().carry_inverse(x, log_det, context)
        return negated(z), log_det


class MoveMissing(AroundPermutation):
    def carry_inverse(self, x, log_det, context):
        return super().carry_inverse(x, log_det, context)[0], log_det

    def carry_forward(self, z, log_det, context):
        return super().carry_forward(z, log_det, context)[0], log_det


class MoveBackwards(Permutation):
    def carry_inverse(self, x, log_det, context):
        return self._arrange(x), log_det.moved(self._restore)


class MoveCountsTwice(AroundActNorm):
    def carry_inverse(self, x, log_det, context):
        return super().carry_inverse(x, log_det.moved(lambda t: 2 * t), context)


class ChainForgetsTheMove(FlowChain):
    def carry_inverse(self, x, log_det, context):
        for bijector in self.bijectors:
            x, own = bijector.inverse_and_event_log_det(x, context=context)
            log_det = log_det.plus(own)
        return x, log_det


class SumIsOfAnotherLogDet(AroundActNorm):
    def carry_inverse(self, x, log_det, context):
        z, after = super().carry_inverse(x, log_det, context)
        return z, after if isinstance(log_det, EventLogDet) else log_det


class NetworkEvaluatedTwice(AroundCoupling):
    def carry_inverse(self, x, log_det, context):
        z, _ = super().carry_inverse(x, log_det, context)
        return z, super().carry_inverse(x, log_det, context)[1]


class LogDetNotDeposited(Coupling):
    def _inverse(self, y, **kwargs):
        return self._one_pass(self.inverse_and_log_det, y, kwargs)[0]


class CachedInEagerMode(Coupling):
    def _uncached(self, value):
        return value


class NumberFrozenWhenBuilt(AroundActNorm):
    def __init__(self, part):
        super().__init__(part)
        self._frozen = tf.constant(0.3, part.dtype)

    def carry_inverse(self, x, log_det, context):
        return x * tf.exp(self._frozen), log_det.plus(tf.zeros_like(x) + self._frozen)

    def carry_forward(self, z, log_det, context):
        return z * tf.exp(-self._frozen), log_det.plus(tf.zeros_like(z) - self._frozen)


class LayerNotListed(FlowBijector):
    """Holds a layer that neither TFP nor Keras can see."""

    def __init__(self, event_shape, *, dtype="float32", name=None):
        super().__init__(event_shape, dtype=dtype, name=name)
        self._hidden = ActNormLayer(event_shape[-1], dtype=dtype)

    def carry_inverse(self, x, log_det, context):
        return x + self._hidden.shift.value, log_det

    def carry_forward(self, z, log_det, context):
        return z - self._hidden.shift.value, log_det


class DependsOnItsBatch(AroundActNorm):
    def carry_inverse(self, x, log_det, context):
        z, log_det = super().carry_inverse(x, log_det, context)
        return z - tf.reduce_mean(x, axis=0, keepdims=True), log_det


class OneBatchDimensionOnly(ActNorm):
    def _one_pass(self, method, value, kwargs):
        result, log_det = super()._one_pass(method, value, kwargs)
        return result, tf.reshape(log_det, (-1,))


class UnboundedLogScale(AroundActNorm):
    def carry_forward(self, z, log_det, context):
        return z * tf.exp(10 * tf.square(z)), log_det.plus(tf.square(z))


class OtherwiseInAGraph(AroundActNorm):
    def carry_inverse(self, x, log_det, context):
        z, log_det = super().carry_inverse(x, log_det, context)
        return (z if tf.executing_eagerly() else z + 1e-6), log_det


class OwnLogDetMethod(ActNorm):
    def _inverse_log_det_jacobian(self, y, **kwargs):
        return 2 * super()._inverse_log_det_jacobian(y, **kwargs)


class DensityWithoutTheNormalisation(ActNorm):
    def log_density(self, x, log_det, context):
        z, log_det = self.carry_inverse(x, log_det, context)
        return -0.5 * tf.reduce_sum(z**2, axis=(1, 2, 3)) + log_det.values


@keras.saving.register_keras_serializable(package="tests")
class ConfigurationForgetsTheType(ActNorm):
    def get_config(self):
        return {"event_shape": self.event_shape}


class ConditionIgnored(Given):
    """Shows the flow inside zeros, whatever the condition."""

    def __init__(self, flow, condition):
        super().__init__(AroundConditional(flow), condition)


class AroundConditional(Around):
    def __init__(self, part):
        super().__init__(part)
        self.conditions = part.conditions

    def carry_inverse(self, x, log_det, context):
        return super().carry_inverse(x, log_det, without_condition(context))

    def carry_forward(self, z, log_det, context):
        return super().carry_forward(z, log_det, without_condition(context))


def without_condition(context):
    return context.replace(condition=tf.zeros_like(context.condition))


# --- of gradients by inversion ---


class GradientForgetsTheLogDet(Coupling):
    def carry_backward(self, z, dz, dlog_det, context, memory=()):
        back = super().carry_backward(z, dz, dlog_det.zeros_like(z), context, memory)
        return back._replace(dlog_det=dlog_det)


class GradientLosesTheLogDetBefore(Permutation):
    def carry_backward(self, z, dz, dlog_det, context, memory=()):
        back = super().carry_backward(z, dz, dlog_det, context, memory)
        return back._replace(dlog_det=dlog_det)


class GradientIgnoresTheCondition(Coupling):
    def carry_backward(self, z, dz, dlog_det, context, memory=()):
        back = super().carry_backward(z, dz, dlog_det, context, memory)
        others = {key: g for key, g in back.gradients.items() if key != "condition"}
        return back._replace(gradients=others)


class GradientForgetsAVariable(Coupling):
    def carry_backward(self, z, dz, dlog_det, context, memory=()):
        back = super().carry_backward(z, dz, dlog_det, context, memory)
        return back._replace(gradients=dict(list(back.gradients.items())[1:]))


class StateUpdatedTwice(BatchNorm):
    def carry_inverse(self, x, log_det, context):
        return BatchNorm.remember(self, x, log_det, context)[:2]

    def remember(self, x, log_det, context):
        super().remember(x, log_det, context)
        return super().remember(x, log_det, context)


class GradientByLaterStatistics(BatchNorm):
    """Inverts by the moving averages, not by what the batch was divided by."""

    def carry_backward(self, z, dz, dlog_det, context, memory=()):
        statistics = self._layer.mean.value, self._layer.variance.value
        return super().carry_backward(z, dz, dlog_det, context, statistics)


class WrongInTracedGradients(Coupling):
    def carry_backward(self, z, dz, dlog_det, context, memory=()):
        scale = 1 if tf.executing_eagerly() else 1.001
        return super().carry_backward(z, scale * dz, dlog_det, context, memory)


# --- of repeated steps ---


class OneSliceForAll(Repeated):
    """Reads the first step's slice of one variable in every step."""

    def _lent(self):
        first = next(v for v in self._stack.stacked if v.trainable)
        return standing_in([(first, tf.broadcast_to(first.value[:1], first.shape))])

    def carry_inverse(self, x, log_det, context):
        with self._lent():
            return super().carry_inverse(x, log_det, context)

    def carry_forward(self, z, log_det, context):
        with self._lent():
            return super().carry_forward(z, log_det, context)


class OneStepTooFew(Repeated):
    """Begins with the second step."""

    def _run(self, one, value, log_det, context, order):
        order = range(1, self.times) if order.step == 1 else range(self.times - 1, 0, -1)
        return super()._run(one, value, log_det, context, order)


class OneStepTooFewInLoops(OneStepTooFew):
    def _run(self, one, value, log_det, context, order):
        run = Repeated._run if tf.executing_eagerly() else OneStepTooFew._run
        return run(self, one, value, log_det, context, order)


class StepsInTheOtherOrder(Repeated):
    def _run(self, one, value, log_det, context, order):
        return super()._run(one, value, log_det, context, order[::-1])


class ConstantsOfTheFirstStep(Repeated):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for stacked in self._differing.values():
            stacked[:] = stacked[:1]


class OnlyTheFirstStepStarts(Repeated):
    def carry_inverse(self, x, log_det, context):
        if not context.starting:
            return super().carry_inverse(x, log_det, context)
        before = [v.numpy() for v in self._stack.stacked]
        z, log_det = super().carry_inverse(x, log_det, context)
        for variable, old in zip(self._stack.stacked, before, strict=True):
            variable.assign(tf.concat([variable.value[:1], old[1:]], axis=0))
        return z, log_det


class AVariableBeside(Repeated):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        layer = ActNormLayer(3)
        self._own_layers.append(layer)
        self._own_variables += [v.value for v in layer.variables]


BROKEN = [
    (WrongSign, "log_det"),
    (ZeroLogDet, "log_det"),
    (SummedTooEarly, "log_det"),
    (WrongCustomGradient, "log_det"),
    (OneDirectionForgetsLogDet, "log_det"),
    (OneDirectionForgetsLogDet, "round_trips"),
    (InverseSlightlyOff, "round_trips"),
    (OwnLogDetMethod, "tfp_methods"),
    (DensityWithoutTheNormalisation, "tfp_methods"),
    (DependsOnItsBatch, "batches"),
    (OneBatchDimensionOnly, "batch_shapes"),
    (OtherwiseInAGraph, "eager_equals_graph"),
    (UnboundedLogScale, "finite"),
    (ConditionIgnored, "conditions"),
    (MoveMissing, "moves"),
    (MoveBackwards, "moves"),
    (MoveCountsTwice, "moves"),
    (ChainForgetsTheMove, "moves"),
    (SumIsOfAnotherLogDet, "carry"),
    (NumberFrozenWhenBuilt, "gradients"),
    (NumberFrozenWhenBuilt, "never_stale"),
    (CachedInEagerMode, "never_stale"),
    (LayerNotListed, "variables"),
    (NetworkEvaluatedTwice, "one_pass"),
    (LogDetNotDeposited, "one_pass"),
    (NetworkEvaluatedTwice, "one_pass_in_a_chain"),
    (LogDetNotDeposited, "one_pass_in_a_chain"),
    (GradientForgetsTheLogDet, "gradient_by_inversion"),
    (GradientLosesTheLogDetBefore, "gradient_by_inversion"),
    (GradientIgnoresTheCondition, "gradient_by_inversion"),
    (GradientForgetsAVariable, "gradient_by_inversion"),
    (StateUpdatedTwice, "gradient_by_inversion"),
    (GradientByLaterStatistics, "gradient_by_inversion"),
    (WrongInTracedGradients, "traced_gradient_by_inversion"),
    (StateUpdatedTwice, "traced_gradient_by_inversion"),
    (ConfigurationForgetsTheType, "configuration"),
]
BROKEN_REPEATED = [
    (OneSliceForAll, "steps_one_by_one"),
    (OneStepTooFew, "steps_one_by_one"),
    (OneStepTooFewInLoops, "steps_one_by_one"),
    (StepsInTheOtherOrder, "steps_one_by_one"),
    (ConstantsOfTheFirstStep, "steps_one_by_one"),
    (OnlyTheFirstStepStarts, "every_step_starts"),
    (AVariableBeside, "parameter_count"),
]


@functools.cache
def built(kind):
    """A small flow of this kind, its weights moved away from their start."""
    seed_initializers(0)
    board = checkerboard(SHAPE, 0)
    if issubclass(kind, Around):
        flow = kind(built(kind.wrapped))
    elif issubclass(kind, Given):
        flow = kind(conditional(Coupling), [0.5, -1.0])
    elif issubclass(kind, GradientIgnoresTheCondition):
        flow = Given(conditional(kind), [0.5, -1.0])
    elif issubclass(kind, Coupling):
        flow = kind(board, Residual(4, 1), dtype="float64")
    elif issubclass(kind, Permutation):
        flow = kind(shuffled((2, 3, 4), within_channels=False))
    elif issubclass(kind, FlowChain):
        flow = kind([built(Permutation), built(Permutation)])
    else:
        flow = kind(SHAPE, dtype="float64")
    move_weights(flow, 0.2, seed=1)
    return flow


def conditional(kind):
    board = checkerboard(SHAPE, 0)
    return kind(board, OursGivenTwoNumbers, conditions=(2,), dtype="float64")


@functools.cache
def built_repeated(kind):
    """Repeated steps that differ in a constant array, and the steps by themselves."""
    seed_initializers(0)
    name = "checkerboards and actnorms"
    flow = settled(repeated(name, "float64", kind=kind))
    return flow, steps_of(flow, name)


@pytest.mark.parametrize(("kind", "check"), BROKEN)
def test_check_rejects_a_broken_flow(kind, check):
    with pytest.raises(AssertionError, match=f"- {check}:") as error:
        assert_flow_contract(built(kind), properties=[check], perturb=False)
    assert isinstance(error.value.__cause__, AssertionError)


@pytest.mark.parametrize(("kind", "check"), BROKEN_REPEATED)
def test_check_rejects_a_broken_repetition(kind, check):
    flow, steps = built_repeated(kind)
    with pytest.raises(AssertionError):
        REPEATED_CHECKS[check](flow, steps)


def test_check_rejects_a_second_derivative():
    def keeping(flow, x, log_det, context):
        return flow.carry_inverse(x, log_det, context)

    with pytest.raises(AssertionError):
        check_no_second_derivative(built(Coupling), keeping)


def test_every_check_rejects_something():
    assert {check for _, check in BROKEN} | {"no_second_derivative"} == set(PROPERTIES)
    assert {check for _, check in BROKEN_REPEATED} == set(REPEATED_CHECKS)


def sound(kind):
    """What a broken kind is without its fault."""
    if issubclass(kind, Around):
        return kind.wrapped
    if kind is GradientIgnoresTheCondition:
        return Given
    known = (ActNorm, BatchNorm, Coupling, Permutation, FlowChain, Given)
    return next((base for base in known if issubclass(kind, base)), ActNorm)


SOUND = sorted({(sound(kind), check) for kind, check in BROKEN}, key=str)


@pytest.mark.parametrize(("kind", "check"), SOUND)
def test_check_accepts_what_was_broken_without_the_fault(kind, check):
    assert_flow_contract(built(kind), properties=[check], perturb=False)


@pytest.mark.parametrize("check", REPEATED_CHECKS)
def test_check_accepts_a_repetition_without_the_fault(check):
    REPEATED_CHECKS[check](*built_repeated(Repeated))
