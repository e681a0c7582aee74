"""One step of training, evaluation or prediction, on one batch, under any strategy."""

import keras
import tensorflow as tf

from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.density.image_density import ImageDensity
from tfp_lcma.keras_model.elements import Expected, parts_of, row_weights
from tfp_lcma.keras_model.replicas import first_row, several_workers
from tfp_lcma.validation import check_condition_spec


class Steps(keras.Model):
    """The steps of a `FlowModel`, and what it is compiled with.

    ```none
    loss = mean of -log p(image) over the global batch, each times its weight, + regularisation
    ```

    Replicas may get different numbers of images, or none: each has the loss' share of its own
    images, and the shares add up.
    """

    # Of the model.
    bins: int
    density: ImageDensity
    conditions: int | tuple[int] | None
    event_shape: tuple[int, int, int]
    flow: FlowBijector
    _bits: keras.metrics.Mean

    @property
    def _expected(self) -> Expected:
        raise NotImplementedError(f"{type(self).__name__} lacks _expected.")

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
            ValueError: If a loss or metrics are given.
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
        super().compile(optimizer, auto_scale_loss=auto_scale_loss, **kwargs)

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    @property
    def _computes_in_float16(self):
        layers = [layer for kind in self.flow.kinds for layer in kind.layers]
        inner = [part for layer in layers for part in layer._flatten_layers()]
        return any(layer.compute_dtype == "float16" for layer in inner)

    def train_step(self, data):
        images, condition, weight = self._parts(data)
        with tf.GradientTape() as tape:
            log_prob = self._log_prob(images, condition, training=True)
            loss = self.compute_loss(images, condition, log_prob, weight)
            scaled = self.optimizer.scale_loss(loss)
        variables = self.trainable_weights
        gradients = tape.gradient(scaled, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return self.compute_metrics(images, condition, log_prob, weight)

    def test_step(self, data):
        images, condition, weight = self._parts(data)
        log_prob = self._log_prob(images, condition)
        return self.compute_metrics(images, condition, log_prob, weight)

    def predict_step(self, data):
        images, condition, _ = self._parts(data)
        return self._log_prob(images, condition)

    def _parts(self, data):
        """Returns images, what they are conditioned on, and weights; the last two may be None."""
        images, labels, weight = parts_of(data, self._expected)
        parts = images, None if self.conditions is None else labels, weight
        # In eager mode, a single batch comes as arrays.
        return tuple(None if part is None else tf.convert_to_tensor(part) for part in parts)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns this replica's share of the loss of the global batch."""
        count, replicas = tf.cast(tf.size(y_pred), y_pred.dtype), _replicas()
        if replicas > 1:
            count = tf.distribute.get_replica_context().all_reduce("SUM", count)
        share = tf.reduce_sum(_cost(y_pred, sample_weight)) / count
        return share + self._regularization(share.dtype) / replicas

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        cost = _cost(y_pred, sample_weight)
        rows = tf.cast(tf.size(cost), cost.dtype)
        loss = tf.math.divide_no_nan(tf.reduce_sum(cost), rows)
        self._loss_tracker.update_state(loss + self._regularization(loss.dtype), rows)
        weight = None if sample_weight is None else row_weights(sample_weight, y_pred)
        self._bits.update_state(self.density.to_bits(y_pred), sample_weight=weight)
        return self._logs(self.get_metrics_result())

    def _logs(self, logs):
        """Returns what a step logs in the shape in which Keras can average it over replicas."""
        if not several_workers(tf.distribute.get_strategy()):
            return logs
        # Over several workers it averages along the first axis.
        return {name: tf.reshape(value, (1,)) for name, value in logs.items()}

    def _regularization(self, dtype):
        return tf.add_n([tf.zeros((), dtype), *(tf.cast(term, dtype) for term in self.losses)])

    def _log_prob(self, images, condition, training=False):
        """Returns log-probabilities `[batch]` of a batch, which on a replica may be empty."""
        images = tf.ensure_shape(images, (None, *self.event_shape))
        check_condition_spec(condition, self.conditions, self._expected.labels)
        rows, first = None, 0
        if _replicas() > 1:
            # Convolutions refuse an empty batch: it is given a row, whose result is dropped.
            rows = tf.shape(images)[0]
            first = first_row(rows) if training else 0
            images = _at_least_one(images, self.bins // 2)
            condition = None if condition is None else _at_least_one(condition, 0)
        inputs = images if condition is None else (images, condition)
        return self(inputs, training=training, first_row=first)[:rows]

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Builds nothing: a flow is built, and Keras would average batches of unequal replicas."""


def _replicas() -> int:
    return tf.distribute.get_strategy().num_replicas_in_sync


def _cost(log_prob, weight):
    return -log_prob if weight is None else -row_weights(weight, log_prob) * log_prob


def _at_least_one(batch: tf.Tensor, value: int) -> tf.Tensor:
    """Adds a row of `value` to a batch that has none."""
    missing = tf.cast(tf.equal(tf.shape(batch)[0], 0), tf.int32)
    paddings = [[0, missing], *[[0, 0]] * (batch.shape.rank - 1)]
    return tf.pad(batch, paddings, constant_values=tf.cast(value, batch.dtype))
