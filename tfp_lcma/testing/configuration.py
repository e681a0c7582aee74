"""A flow comes back from its configuration."""

import json

import keras
import numpy as np

from tfp_lcma.bijectors.names import named_variables
from tfp_lcma.testing.compare import agree, equal, require
from tfp_lcma.testing.passes import both_ways


def check_configuration(flow):
    """A flow comes back from its configuration, as JSON, up to its weights."""
    text = json.dumps(keras.saving.serialize_keras_object(flow))
    copy = keras.saving.deserialize_keras_object(json.loads(text))
    equal(type(copy), type(flow), "class of the copy")
    equal(copy.dtype, flow.dtype, "dtype of the copy")
    equal(copy.event_shape, flow.event_shape, "event_shape of the copy")
    shapes = [[w.shape for w in layer.get_weights()] for layer in flow.layers]
    copied = [[w.shape for w in layer.get_weights()] for layer in copy.layers]
    equal(copied, shapes, "shapes of the copy's weights")
    equal(list(named_variables(copy)), list(named_variables(flow)), "names of its variables")
    for source, target in zip(flow.layers, copy.layers, strict=True):
        target.set_weights(source.get_weights())
    require(np.array_equal(copy.exit_map, flow.exit_map), "the copy has another exit_map")
    for name, (value, *expected) in zip(
        ("inverse_and_event_log_det", "forward_and_event_log_det"), both_ways(flow), strict=True
    ):
        for got, of_the_flow in zip(getattr(copy, name)(value), expected, strict=True):
            agree(got, of_the_flow, 1e-12, f"{name} of the copy")
