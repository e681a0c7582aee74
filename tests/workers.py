"""Trains the same flow as one worker of several, as several replicas, or alone: a script.

`python -m tests.workers FLOW DTYPE REPLICAS FILE`; `TF_CONFIG` makes it a worker of several. With
`refused` as the flow, workers write what they were told.
"""

import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tests.toys import SHAPE, pictures, tiny_model
from tfp_lcma import FlowModel, LogDetCollector, models
from tfp_lcma.bijectors import BatchNorm
from tfp_lcma.density import Variational
from tfp_lcma.factorizations import (
    EntropyInformed,
    OnlineLikelihoodContribution,
    Random,
    Whitened,
)
from tfp_lcma.networks import DenseNet
from tfp_lcma.priors import ConditionalGaussian


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


def trained(
    strategy, make, epochs, callbacks=(), jit_compile=False, dequantization=None, **optimized
):
    """Trains four steps an epoch, of which the last has an odd number of images."""
    # Other workers' own random numbers must not count.
    keras.utils.set_random_seed(number_of(strategy))
    with strategy.scope():
        model = FlowModel(make(), dequantization=dequantization and dequantization())
        optimizer = keras.optimizers.SGD(**{"learning_rate": 1e-3, "momentum": 0.9} | optimized)
        model.compile(optimizer=optimizer, jit_compile=jit_compile)
        shape = model.event_shape
        images, held_out = pictures(61, shape), pictures(19, shape, seed=1)
        fixed = {"batch_size": 16, "verbose": 0, "callbacks": list(callbacks)}
        history = model.fit(images, epochs=epochs, validation_data=(held_out,), **fixed)
    return model, history.history


def number_of(strategy):
    """Which worker this is; 0 of one."""
    several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    return strategy.cluster_resolver.task_id if several else 0


def lcma(strategy, dtype):
    """Pre-trains, chooses the split, and trains."""

    def real_nvp(split):
        size = {"levels": 2, "width": 4, "blocks": 1}
        return models.real_nvp(SHAPE, factorization=split, dtype=dtype, **size)

    collector = LogDetCollector()
    trained(strategy, lambda: real_nvp(None), 1, [collector])
    split = collector.factorization()
    return trained(strategy, lambda: real_nvp(split), 5)


class Case(NamedTuple):
    """A flow and how it is trained."""

    function: Callable
    options: dict[str, Any]
    training: dict[str, Any] = {}
    shape: tuple[int, int, int] = SHAPE


SMALL = {"levels": 1, "steps": 2}
CASES = {
    "glow": Case(models.glow, SMALL),
    "residual": Case(models.residual_flow, {"levels": 1, "steps": 1}),
    "eiw": Case(models.eiw_flow, {"levels": 2, "steps": 1, "network": DenseNet(4, depth=1)}),
    "eiw_invariant": Case(
        models.eiw_flow,
        {"levels": 2, "steps": 1, "factorization": EntropyInformed("invariant")},
    ),
    "eiw_frozen": Case(
        models.eiw_flow,
        {"levels": 2, "steps": 1, "factorization": EntropyInformed("frozen", steps=12)},
    ),
    # Two splits to decide.
    "online": Case(
        models.real_nvp,
        {"levels": 3, "blocks": 1, "factorization": OnlineLikelihoodContribution((3, 6))},
        {"learning_rate": 1e-4},
        (8, 8, 1),
    ),
    # Starts from more than a batch.
    "whitened": Case(
        models.glow,
        {
            "levels": 2,
            "steps": 1,
            "factorization": Whitened("float64"),
            "exit_prior": ConditionalGaussian("least_squares"),
        },
        {"learning_rate": 1e-4},
    ),
    "batch_normalised": Case(
        models.real_nvp, {"levels": 1, "blocks": 1, "normalization": "batch", "unroll": False}
    ),
    "batch_normalised_inverted": Case(
        models.real_nvp, {"levels": 1, "blocks": 1, "normalization": "batch", "memory": "invert"}
    ),
    "clipped": Case(models.glow, SMALL, {"global_clipnorm": 1.0}),
    "accumulated": Case(
        models.glow, SMALL | {"memory": "invert"}, {"gradient_accumulation_steps": 3}
    ),
    "variational": Case(
        models.glow, SMALL, {"dequantization": Variational, "global_clipnorm": 100.0}
    ),
    "variational_inverted": Case(
        models.glow,
        SMALL | {"memory": "invert"},
        {"dequantization": Variational, "gradient_accumulation_steps": 3},
    ),
    "variational_compiled": Case(
        models.glow, SMALL, {"dequantization": Variational, "jit_compile": True}
    ),
    "compiled": Case(models.glow, SMALL, {"jit_compile": True}),
    "residual_compiled": Case(
        models.residual_flow, {"levels": 1, "steps": 1, "memory": "invert"}, {"jit_compile": True}
    ),
}


def run(flow, strategy, dtype):
    if flow == "lcma":
        return lcma(strategy, dtype)
    case = CASES[flow]
    return trained(
        strategy,
        lambda: case.function(case.shape, width=4, dtype=dtype, **case.options),
        5,
        **case.training,
    )


def refused(strategy):
    """Returns what a worker is told whose split, whose weights or whose flow does not go."""
    number, told = number_of(strategy), []
    for split, moved in ((Random(number), False), (Random(0), True)):
        with strategy.scope():
            model = tiny_model(factorization=split)
        if moved:
            model.initialize(pictures(32))
            weight = model.trainable_variables[0]
            weight.assign(weight.numpy() + number)
        told.append(refusal(model))
    with strategy.scope():
        model = tiny_model(norm=BatchNorm)
        model.compile(optimizer="sgd", jit_compile=True)
    return [*told, refusal(model)]


def refusal(model):
    try:
        model.fit(pictures(32), verbose=0)
    except ValueError as error:
        return str(error)
    return "nothing"


def main(flow, dtype, replicas, path):
    strategy = strategy_of(int(replicas))
    if flow == "refused":
        np.savez(path, told=refused(strategy))
        return
    model, history = run(flow, strategy, dtype)
    # Counts and orders are whole numbers, and `exit_map` says what the orders come to.
    weights = [np.ravel(one) for one in model.get_weights() if one.dtype.kind == "f"]
    kinds = [np.full(weight.size, weight.dtype.itemsize) for weight in weights]
    logs = {name: history[name] for name in ("loss", "val_loss", "val_bits_per_dimension")}
    arrays = {"weights": np.concatenate(weights), "bytes": np.concatenate(kinds)}
    np.savez(path, exit_map=model.flow.exit_map, **arrays, **logs)


if __name__ == "__main__":
    main(*sys.argv[1:])
