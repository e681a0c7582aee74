"""One step of training, evaluation or prediction, on one batch, under any strategy."""

import functools
from collections.abc import Callable

import keras
import tensorflow as tf

from tfp_lcma.batch_statistics import batch_is_shared
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.density.dequantization import Dequantization
from tfp_lcma.density.image_density import ImageDensity
from tfp_lcma.keras_model.compiled_parts import compiled_part
from tfp_lcma.keras_model.elements import Expected, parts_of, row_weights
from tfp_lcma.keras_model.replicas import own_share, several_workers
from tfp_lcma.keras_model.updates import apply_gradients, check_optimizer
from tfp_lcma.networks.scope import standing_in
from tfp_lcma.validation import check_condition_spec

# Between the names of logs that are one tensor.
_BESIDE = " "


class Steps(keras.Model):
    """The steps of a `FlowModel`, and what it is compiled with.

    ```none
    loss = mean of -log_prob over the global batch, each times its weight, + regularisation
    log_prob = log p(x + u) - log q(u | x),  u drawn by step and row
    ```

    Replicas may get different numbers of images, or none: each has the loss' share of its own
    images, and the shares add up.
    """

    # Of the model.
    bins: int
    density: ImageDensity
    dequantization: Dequantization
    conditions: int | tuple[int, ...] | None
    event_shape: tuple[int, int, int]
    flow: FlowBijector
    jit_compile: bool
    train_function: Callable | None
    test_function: Callable | None
    _bits: keras.metrics.Mean

    @property
    def _expected(self) -> Expected:
        raise NotImplementedError(f"{type(self).__name__} lacks _expected.")

    def _inputs(self, inputs):
        raise NotImplementedError(f"{type(self).__name__} lacks _inputs().")

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        *,
        auto_scale_loss: bool = True,
        **kwargs,
    ):
        """Configures training as `keras.Model.compile`, but for loss and metrics, which are fixed.

        Where networks compute in float16, the optimizer scales the loss against underflow, as
        Keras has it.

        Raises:
            ValueError: If a loss or metrics are given, or the optimizer does not work on several
                replicas.
        """
        fixed = {
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
        }
        for name, value in fixed.items():
            if value is not None and value != []:
                raise ValueError(
                    f"{name} must be left out of compile(): the loss is the negative "
                    "log-likelihood, the metric bits_per_dimension. For others write a callback; "
                    f"got compile({name}={value!r})."
                )
        optimizer = keras.optimizers.get(optimizer)
        scales = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        if auto_scale_loss and optimizer is not None and not scales and self._computes_in_float16:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        if optimizer is not None:
            check_optimizer(optimizer, self.distribute_strategy.num_replicas_in_sync)
        super().compile(optimizer, auto_scale_loss=auto_scale_loss, **kwargs)

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    @property
    def _computes_in_float16(self):
        flows = [self.flow, *self.dequantization.flows]
        layers = [layer for flow in flows for kind in flow.kinds for layer in kind.layers]
        inner = [part for layer in layers for part in layer._flatten_layers()]
        return any(layer.compute_dtype == "float16" for layer in inner)

    def train_step(self, data):
        images, condition, weight = self._parts(data)
        share = own_share(tf.shape(images)[0])
        part = self._part(self._differentiated, images, condition, weight, share)
        log_prob, added, gradients = part
        added = apply_gradients(
            self.optimizer, gradients, self.trainable_weights, beside=added / _replicas()
        )
        return self._measured(log_prob, weight, added)

    def make_train_function(self, force=False):
        if self.train_function is None or force:
            super().make_train_function(force)
            self.train_function = _logging_each(self.train_function)

    def make_test_function(self, force=False):
        if self.test_function is None or force:
            super().make_test_function(force)
            self.test_function = _logging_each(self.test_function)

    def test_step(self, data):
        images, condition, weight = self._parts(data)
        log_prob, added = self._part(self._passed, images, condition)
        return self._measured(log_prob, weight, added)

    def predict_step(self, data):
        images, condition, _ = self._parts(data)
        return self._part(self._passed, images, condition)[0]

    def _part(self, function, images, condition, *others):
        """Calls a function on this replica's part of a batch, compiled if it has to be apart."""
        if not (self._compiles_apart and batch_is_shared()):
            return function(images, condition, *others)
        # Checked before, since compiled code cannot raise.
        inputs = self._inputs(images if condition is None else (images, condition))
        return compiled_part(function, self.variables, *inputs, *others)

    @property
    def _compiles_apart(self):
        """Whether XLA compiles every replica's part rather than the step of all of them."""
        return self.jit_compile and not self.run_eagerly and _replicas() > 1

    def _differentiated(self, images, condition, weight, share):
        """Returns log-probabilities, what is added to the loss, and the loss' gradients."""
        with tf.GradientTape() as tape:
            log_prob, added = self._passed(images, condition, share)
            loss = self._loss(log_prob, weight, added, share)
            scaled = self.optimizer.scale_loss(loss)
        return log_prob, added, tape.gradient(scaled, self.trainable_weights)

    def _parts(self, data):
        """Returns images, what they are conditioned on, and weights; the last two may be None."""
        images, labels, weight = parts_of(data, self._expected)
        parts = images, None if self.conditions is None else labels, weight
        # In eager mode, a single batch comes as arrays.
        return tuple(None if part is None else tf.convert_to_tensor(part) for part in parts)

    def _loss(self, log_prob, weight, added, share):
        """Returns this replica's share of the loss of the global batch."""
        total = tf.reduce_sum(_cost(log_prob, weight))
        return total / tf.cast(share.total, total.dtype) + added / _replicas()

    def _measured(self, log_prob, weight, added):
        """Returns what is logged, with a batch counted in."""
        cost = _cost(log_prob, weight)
        rows = tf.cast(tf.size(cost), cost.dtype)
        loss = tf.math.divide_no_nan(tf.reduce_sum(cost), rows)
        self._loss_tracker.update_state(loss + added, rows)
        weight = None if weight is None else row_weights(weight, log_prob)
        self._bits.update_state(self.density.to_bits(log_prob), sample_weight=weight)
        return self._logs(self.get_metrics_result())

    def _logs(self, logs):
        """Returns what a step logs in the shape in which Keras can average it over replicas."""
        if not several_workers(tf.distribute.get_strategy()):
            return logs
        # Over several workers it averages along the first axis, and waits for them once a tensor.
        return {_BESIDE.join(logs): tf.stack(list(logs.values()))[tf.newaxis]}

    def _passed(self, images, condition, share=None):
        """Returns log-probabilities `[batch]` of a batch, and what is added to the loss.

        Args:
            images: A batch, on a replica perhaps an empty one.
            condition: What it is conditioned on, or None.
            share: Which part of the batch of all replicas it is, in training; None: elsewhere.
        """
        images = tf.ensure_shape(images, (None, *self.event_shape))
        check_condition_spec(condition, self.conditions, self._expected.labels)
        if not batch_is_shared():
            inputs = images if condition is None else (images, condition)
            return self(inputs, training=share is not None), self._sum(self.losses)
        # Convolutions refuse an empty batch: it is given a row, whose result is dropped.
        rows = tf.shape(images)[0]
        images = _at_least_one(images, self.bins // 2)
        inputs = images if condition is None else (images, _at_least_one(condition, 0))
        # A layer keeps the losses that all replicas add, and forgets them where one begins.
        with standing_in() as scope:
            if share is None:
                log_prob = self(inputs)
            else:
                log_prob = self(inputs, training=True, first_row=share.first, rows=rows)
        for variable in self.variables:
            if (value := scope.get_current_value(variable)) is not None:
                variable.assign(value)
        trained = self.trainable_weights
        regularization = [v.regularizer(v) for v in trained if v.regularizer is not None]
        return log_prob[:rows], self._sum([*scope.losses, *regularization])

    def _sum(self, terms):
        dtype = self.flow.dtype
        return tf.add_n([tf.zeros((), dtype), *(tf.cast(term, dtype) for term in terms)])

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Builds nothing: a flow is built, and Keras would average batches of unequal replicas."""


def _logging_each(function):
    """Returns a function of Keras' that logs one by one what several workers averaged together."""

    @functools.wraps(function)
    def logged(*args):
        logs = function(*args)
        if not any(value.shape.rank for value in logs.values()):
            return logs
        [(names, values)] = logs.items()
        return dict(zip(names.split(_BESIDE), tf.unstack(values), strict=True))

    return logged


def _replicas() -> int:
    return tf.distribute.get_strategy().num_replicas_in_sync


def _cost(log_prob, weight):
    return -log_prob if weight is None else -row_weights(weight, log_prob) * log_prob


def _at_least_one(batch: tf.Tensor, value: int) -> tf.Tensor:
    """Adds a row of `value` to a batch that has none."""
    missing = tf.cast(tf.equal(tf.shape(batch)[0], 0), tf.int32)
    paddings = [[0, missing], *[[0, 0]] * (batch.shape.rank - 1)]
    return tf.pad(batch, paddings, constant_values=tf.cast(value, batch.dtype))
