"""Training steps hold nothing but what a TPU can run: of static shapes, compiled as a whole."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.toys import SHAPE, pictures
from tfp_lcma import FlowModel, LogDetCollector, models

# What TPUs lack, by the beginning of an operation's name: Python and the host, text, files,
# tables, and results whose shapes depend on values.
REFUSED = (
    "PyFunc",
    "EagerPyFunc",
    "HostSend",
    "HostRecv",
    "XlaHostCompute",
    "Outfeed",
    "Infeed",
    "Assert",
    "Print",
    "String",
    "AsString",
    "Regex",
    "Unicode",
    "Decode",
    "Encode",
    "ReadFile",
    "WriteFile",
    "Save",
    "Restore",
    "MergeV2Checkpoints",
    "LookupTable",
    "HashTable",
    "Iterator",
    "Where",
    "Unique",
    "ListDiff",
    "SetSize",
    "DenseToSparse",
    "SparseTo",
    "RandomShuffle",
    "StatefulUniform",
    "NonMaxSuppression",
    "DynamicPartition",
    "Timestamp",
)
TYPES = {tf.string.as_datatype_enum: "string", tf.double.as_datatype_enum: "float64"}


def operations(function):
    """All nodes of a traced function and of the functions that it calls."""
    graph = function.graph.as_graph_def()
    yield from graph.node
    for inner in graph.library.function:
        yield from inner.node_def


def refused(function):
    """The operations of a traced function that a TPU does not run."""
    found = set()
    for node in operations(function):
        if node.op.startswith(REFUSED):
            found.add(node.op)
        for value in node.attr.values():
            for kind in {value.type, *value.list.type} & TYPES.keys():
                found.add(f"{node.op} of {TYPES[kind]}")
    return found


def real_nvp(memory):
    def made(split):
        return models.real_nvp(
            SHAPE, levels=2, width=4, blocks=1, factorization=split, memory=memory
        )

    model = FlowModel(made(None))
    model.initialize(pictures(32))
    collector = LogDetCollector()
    collector.collect(model, pictures(32))
    return made(collector.factorization())


def glow(memory):
    return models.glow(SHAPE, levels=2, steps=2, width=4, memory=memory)


def residual(memory):
    return models.residual_flow(
        SHAPE, levels=1, steps=2, width=4, log_det="truncated", memory=memory
    )


def step_of(flow):
    """A model and its training step, compiled by XLA, of 8 images."""
    model = FlowModel(flow)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), jit_compile=True)
    model.initialize(pictures(32))
    model.optimizer.build(model.trainable_variables)
    step = tf.function(model.train_step, jit_compile=True, autograph=False)
    return model, step


@pytest.mark.scale
@pytest.mark.parametrize("memory", ["keep", "invert"])
@pytest.mark.parametrize("make", [real_nvp, glow, residual])
def test_training_step_compiles_and_holds_nothing_that_tpus_lack(make, memory):
    model, step = step_of(make(memory))
    batch = (tf.constant(pictures(8)),)
    assert refused(step.get_concrete_function(batch)) == set()
    compiled = step.experimental_get_compiler_ir(batch)(stage="hlo")
    # Bounded sizes, calls of the host, and types of 64 floating bits.
    assert re.findall(r"\[[^\]]*<=|custom-call|infeed|outfeed|f64\[", compiled) == []
    before = model.get_weights()
    assert np.isfinite(float(step(batch)["loss"]))
    moved = [np.abs(a - b).max() for a, b in zip(model.get_weights(), before, strict=True)]
    assert max(moved) > 1e-4


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (lambda x: tf.numpy_function(np.sin, [x], tf.float32), "PyFunc"),
        (lambda x: tf.where(x > 0), "Where"),
        (lambda x: tf.unique(tf.reshape(x, (-1,)))[0], "Unique"),
        (lambda x: tf.cast(x, tf.float64), "Cast of float64"),
        (lambda x: tf.strings.as_string(x), "AsString"),
        (lambda x: tf.map_fn(lambda row: tf.boolean_mask(row, row > 0)[0], x), "Where"),
    ],
)
def test_what_tpus_lack_is_found(function, found):
    traced = tf.function(function, autograph=False)
    concrete = traced.get_concrete_function(tf.TensorSpec((2, 3), tf.float32))
    assert any(name.startswith(found) for name in refused(concrete))
