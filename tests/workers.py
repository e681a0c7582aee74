"""Trains the same flow as one worker of several, as several replicas, or alone: a script.

`python -m tests.workers FLOW DTYPE REPLICAS FILE`; `TF_CONFIG` makes it a worker of several.
"""

import os
import sys

import keras
import numpy as np
import tensorflow as tf

from tests.toys import SHAPE, pictures
from tfp_lcma import FlowModel, LogDetCollector, models


def strategy_of(replicas):
    """Several processes if the environment names them, else logical processors of this one."""
    if "TF_CONFIG" in os.environ:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        ring = tf.distribute.experimental.CommunicationImplementation.RING
        options = tf.distribute.experimental.CommunicationOptions(implementation=ring)
        return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    if replicas == 1:
        return tf.distribute.get_strategy()
    (processor,) = tf.config.list_physical_devices("CPU")
    logical = [tf.config.LogicalDeviceConfiguration()] * replicas
    tf.config.set_logical_device_configuration(processor, logical)
    return tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(replicas)])


def trained(strategy, make, epochs, callbacks=()):
    """Trains four steps an epoch, of which the last has an odd number of images."""
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = FlowModel(make())
        optimizer = keras.optimizers.SGD(1e-3, momentum=0.9)
        model.compile(optimizer=optimizer, jit_compile=False)
    images, held_out = pictures(61), pictures(19, seed=1)
    fixed = {"shuffle": False, "batch_size": 16, "verbose": 0, "callbacks": list(callbacks)}
    history = model.fit(images, epochs=epochs, validation_data=(held_out,), **fixed)
    return model, history.history


def lcma(strategy, dtype):
    """Pre-trains, chooses the split, and trains."""

    def real_nvp(split):
        size = {"levels": 2, "width": 4, "blocks": 1}
        return models.real_nvp(SHAPE, factorization=split, dtype=dtype, **size)

    collector = LogDetCollector()
    trained(strategy, lambda: real_nvp(None), 1, [collector])
    split = collector.factorization()
    return trained(strategy, lambda: real_nvp(split), 5)


def glow(strategy, dtype):
    return trained(strategy, lambda: models.glow(SHAPE, levels=1, steps=2, width=4, dtype=dtype), 5)


def residual(strategy, dtype):
    return trained(
        strategy, lambda: models.residual_flow(SHAPE, levels=1, steps=1, width=4, dtype=dtype), 5
    )


FLOWS = {function.__name__: function for function in (lcma, glow, residual)}


def main(flow, dtype, replicas, path):
    model, history = FLOWS[flow](strategy_of(int(replicas)), dtype)
    weights = np.concatenate([np.ravel(weight) for weight in model.get_weights()])
    logs = {name: history[name] for name in ("loss", "val_loss", "val_bits_per_dimension")}
    np.savez(path, weights=weights, exit_map=model.flow.exit_map, **logs)


if __name__ == "__main__":
    main(*sys.argv[1:])
