"""The count of the passes of training, of which each draws probes of its own."""

import keras
import tensorflow as tf

from tfp_lcma.bijectors.context import ProbeSeeds
from tfp_lcma.serialization import register


@register
class PassCounter(keras.layers.Layer):
    """Counts the passes of training, of which each draws probes of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.build()

    def build(self, input_shape=None):
        # int64: TensorFlow keeps int32 variables away from accelerators.
        self.passes = self.add_weight(
            (),
            initializer="zeros",
            dtype="int64",
            trainable=False,
            aggregation="only_first_replica",
            name="passes",
        )
        self.built = True

    def next_seeds(self, batch: tf.Tensor, first_row: int | tf.Tensor = 0) -> ProbeSeeds:
        """Returns seeds for every row of the pass that begins, and counts it.

        Args:
            batch: Number of rows.
            first_row: Which row of the batch of all replicas is the first.
        """
        step = tf.cast(self.passes.value, tf.int32)
        self.passes.assign_add(1)
        # From 1 on: what is fixed outside training goes by step 0.
        rows = tf.stack([first_row + tf.range(batch), tf.fill([batch], step + 1)], axis=1)
        return ProbeSeeds(rows, step + 1)
