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

    def next_seeds(self, batch: tf.Tensor) -> ProbeSeeds:
        """Returns seeds for every row of the pass that begins, and counts it."""
        step = tf.cast(self.passes.value, tf.int32)
        self.passes.assign_add(1)
        context = tf.distribute.get_replica_context()
        replica = 0 if context is None else context.replica_id_in_sync_group
        rows = tf.range(batch) + tf.cast(replica, tf.int32) * 2**20
        # From 1 on: what is fixed outside training goes by step 0.
        rows = tf.stack([rows, tf.fill([batch], step + 1)], axis=1)
        return ProbeSeeds(rows, step + 1)
