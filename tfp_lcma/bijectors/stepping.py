"""Steps over stacked variables, one after the other or as a loop, forward and backward."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.backward import Backward, Gradients, add_gradients
from tfp_lcma.bijectors.context import Context
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.log_det import LogDet, SummedLogDet
from tfp_lcma.networks.scope import standing_in
from tfp_lcma.networks.stack import Stack, refuse_losses

# One step's part of a pass: from value and log-det to both, and what is remembered.
OneStep = Callable[[FlowBijector, tf.Tensor, LogDet, Context], tuple[tf.Tensor, LogDet, Any]]


class Stepping:
    """Runs one step many times over, each time with slices of stacked variables in its own's place.

    What the steps change, such as moving averages, is read once before and assigned once after.
    """

    def __init__(
        self,
        step: FlowBijector,
        times: int,
        variables: tuple[keras.Variable, ...],
        stack: Stack,
        constants: Mapping[tuple[int, str], np.ndarray],
    ):
        """Steps `times` times.

        Args:
            step: The step.
            times: Number of steps.
            variables: The step's own variables, which stand for slices.
            stack: The stacked variables, in their order.
            constants: The arrays in which the steps differ, stacked, by where they
                are read: see `FlowBijector.constant`.
        """
        self.step, self.times = step, times
        self._variables, self._stack, self._differing = variables, stack, constants
        self._pairs = list(zip(variables, stack.stacked, strict=True))

    def change_all(self, change: Callable[[], None]) -> None:
        """Does to every step's variables what `change` does to the step's own."""
        with standing_in((own, stacked.value[0]) for own, stacked in self._pairs) as scope:
            before = [scope.get_current_value(variable) for variable in self._variables]
            change()
            after = [scope.get_current_value(variable) for variable in self._variables]
        for (_, stacked), old, new in zip(self._pairs, before, after, strict=True):
            if new is not old:
                stacked.assign(tf.broadcast_to(new, stacked.shape))

    # One step after the other.

    def in_a_row(self, one, x, log_det, context, order):
        slices = [tf.unstack(tf.convert_to_tensor(stacked.value)) for _, stacked in self._pairs]
        memories, states = [], [list(values) for values in slices]
        for k in order:
            lent = zip(self._variables, (values[k] for values in slices), strict=True)
            with standing_in(lent) as scope:
                before = [scope.get_current_value(variable) for variable in self._variables]
                x, log_det, memory = one(self.step, x, log_det, self._at(context, k))
                after = [scope.get_current_value(variable) for variable in self._variables]
            refuse_losses(scope, "step", self.step.layers)
            memories.append(memory)
            for values, old, new in zip(states, before, after, strict=True):
                if new is not old:
                    values[k] = new
        for (_, stacked), old, new in zip(self._pairs, slices, states, strict=True):
            if any(a is not b for a, b in zip(old, new, strict=True)):
                stacked.assign(tf.stack(new))
        return x, log_det, memories

    def backward_in_a_row(self, z, dz, dlog_det, context, memories):
        slices = [tf.unstack(tf.convert_to_tensor(stacked.value)) for _, stacked in self._pairs]
        found = [[tf.zeros_like(one) for one in values] for values in slices]
        gradients: Gradients = {}
        for k in reversed(range(self.times)):
            # Inversion could run ahead, and all steps' activations be kept after all.
            with tf.control_dependencies([dz]):
                z = tf.identity(z)
            lent = zip(self._variables, (values[k] for values in slices), strict=True)
            with standing_in(lent):
                z, dz, dlog_det, added = self.step.carry_backward(
                    z, dz, dlog_det, self._at(context, k), memories[k]
                )
            for values, variable in zip(found, self._variables, strict=True):
                values[k] = added.pop(id(variable), values[k])
            gradients = add_gradients(gradients, added)
        for (variable, stacked), values in zip(self._pairs, found, strict=True):
            if variable.trainable:
                gradients[id(stacked)] = tf.stack(values)
        return Backward(z, dz, dlog_det, gradients)

    # As a loop.

    def in_a_loop(self, one, x, log_det, context, order):
        before, summed = log_det, isinstance(log_det, SummedLogDet)
        if summed:
            # Else its gradient passes all levels' loops unchanged. That is a constant for a mean
            # log-density, and XLA does not compile a constant that passes three loops.
            log_det = before.zeros_like(x)
        values = [tf.convert_to_tensor(stacked.value) for _, stacked in self._pairs]
        scouted = self._scout(one, x, log_det, context, values)
        lent = [_array(value, self.times).unstack(value) for value in values]
        constants = self._constant_arrays()
        kind, step = type(log_det), order.step
        changed = [_array(values[i], self.times) for i in scouted.changed]
        memories = [
            tf.TensorArray(spec.dtype, self.times, element_shape=spec.shape)
            for spec in scouted.remembered
        ]
        structure = {}

        def body(k, x, carried, changed, memories):
            slices = zip(self._variables, (array.read(k) for array in lent), strict=True)
            with standing_in(slices) as scope:
                z, log_det, memory = one(
                    self.step, x, kind(*carried), self._at(context, k, constants)
                )
                states = [scope.get_current_value(self._variables[i]) for i in scouted.changed]
            refuse_losses(scope, "step", self.step.layers)
            z.set_shape(x.shape)
            structure["steps"] = memory
            kept = tf.nest.flatten(memory)
            return (
                k + step,
                z,
                _values(log_det),
                [array.write(k, state) for array, state in zip(changed, states, strict=True)],
                [array.write(k, tensor) for array, tensor in zip(memories, kept, strict=True)],
            )

        start = (tf.constant(order.start), x, _values(log_det), changed, memories)
        _, x, carried, changed, memories = tf.while_loop(
            lambda k, *_: (k >= 0) & (k < self.times),
            body,
            start,
            maximum_iterations=self.times,
            parallel_iterations=1,
        )
        for i, array in zip(scouted.changed, changed, strict=True):
            self._stack.stacked[i].assign(array.stack())
        stacked = [array.stack() for array in memories]
        memory = {"steps": tf.nest.pack_sequence_as(structure["steps"], stacked)}
        total = kind(*carried)
        if summed:
            total = kind(before.values + total.values)
        return x, total, memory

    def backward_in_a_loop(self, z, dz, dlog_det, context, memory):
        values = [tf.convert_to_tensor(stacked.value) for _, stacked in self._pairs]
        lent = [_array(value, self.times).unstack(value) for value in values]
        constants, kind = self._constant_arrays(), type(dlog_det)
        memories = [_array(t, self.times).unstack(t) for t in tf.nest.flatten(memory["steps"])]
        trained = [i for i, variable in enumerate(self._variables) if variable.trainable]
        found = [_array(values[i], self.times) for i in trained]
        tensors = context.tensors()
        sums = {name: tf.zeros_like(tensor) for name, tensor in tensors.items()}

        def body(k, z, dz, dlog_det, found, sums):
            slices = [array.read(k) for array in lent]
            with standing_in(zip(self._variables, slices, strict=True)):
                kept = tf.nest.pack_sequence_as(
                    memory["steps"], [array.read(k) for array in memories]
                )
                back = self.step.carry_backward(
                    z, dz, kind(dlog_det), self._at(context, k, constants), kept
                )
            back.x.set_shape(z.shape)
            back.dx.set_shape(z.shape)
            own = [
                back.gradients.get(id(self._variables[i]), tf.zeros_like(slices[i]))
                for i in trained
            ]
            return (
                k - 1,
                back.x,
                back.dx,
                back.dlog_det.values,
                [array.write(k, gradient) for array, gradient in zip(found, own, strict=True)],
                {
                    name: total + back.gradients.get(name, tf.zeros_like(total))
                    for name, total in sums.items()
                },
            )

        start = (tf.constant(self.times - 1), z, dz, dlog_det.values, found, sums)
        _, x, dx, moved_back, found, sums = tf.while_loop(
            lambda k, *_: k >= 0,
            body,
            start,
            maximum_iterations=self.times,
            parallel_iterations=1,
        )
        gradients = {
            id(self._stack.stacked[i]): array.stack()
            for i, array in zip(trained, found, strict=True)
        }
        return Backward(x, dx, kind(moved_back), gradients | sums)

    def _scout(self, one, x, log_det, context, values):
        """Traces one step aside, to see which state it changes and what it remembers."""
        found: dict[str, Any] = {}

        def trace(x, carried, slices):
            with standing_in(zip(self._variables, slices, strict=True)) as scope:
                before = [scope.get_current_value(variable) for variable in self._variables]
                _, _, memory = one(self.step, x, type(log_det)(*carried), context)
                after = [scope.get_current_value(variable) for variable in self._variables]
            pairs = enumerate(zip(before, after, strict=True))
            found["changed"] = [i for i, (old, new) in pairs if new is not old]
            found["remembered"] = [tf.TensorSpec.from_tensor(t) for t in tf.nest.flatten(memory)]

        if not (one is remember and self.step.remembers) and not (
            context.training and self._has_state
        ):
            return _Scouted([], [])
        tf.function(trace, autograph=False).get_concrete_function(
            tf.TensorSpec(x.shape, x.dtype),
            [tf.TensorSpec(value.shape, value.dtype) for value in _values(log_det)],
            [tf.TensorSpec(value.shape[1:], value.dtype) for value in values],
        )
        return _Scouted(**found)

    @property
    def _has_state(self):
        """Whether a pass of training may change something that is not trained."""
        flags = {id(flag) for flag in self.step.start_flags}
        return any(
            not (v.trainable or id(v) in flags or getattr(v, "is_constant", False))
            for v in self._variables
        )

    def _constant_arrays(self):
        return {
            key: _array(stacked, self.times).unstack(tf.constant(stacked))
            for key, stacked in self._differing.items()
        }

    def _at(self, context, k, arrays=None):
        """Returns the context as step k sees it."""
        if not self._differing:
            return context
        if arrays is None:
            own = {key: tf.constant(stacked[k]) for key, stacked in self._differing.items()}
        else:
            own = {key: array.read(k) for key, array in arrays.items()}
        return context.replace(constants={**context.constants, **own})


class _Scouted(NamedTuple):
    """What a step does beside mapping: indices of variables it changes, and what it remembers."""

    changed: list[int]
    remembered: list[tf.TensorSpec]


def carry(step, x, log_det, context):
    """One step of `carry_inverse`."""
    return *step.carry_inverse(x, log_det, context), ()


def carry_back(step, z, log_det, context):
    """One step of `carry_forward`."""
    return *step.carry_forward(z, log_det, context), ()


def remember(step, x, log_det, context):
    """One step of `FlowBijector.remember`."""
    return step.remember(x, log_det, context)


def _array(like, times):
    """Returns an empty array for tensors like the slices of a stack."""
    return tf.TensorArray(like.dtype, times, element_shape=like.shape[1:], clear_after_read=False)


def _values(log_det):
    return [] if log_det.values is None else [log_det.values]
