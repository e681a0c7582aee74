"""What stands for a coupling's network."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfp_lcma.networks import Convolutional, Gated, Residual, Specification, Transformer
from tfp_lcma.networks.specification import built_network

SPECIFICATIONS = [
    Residual(4, 1),
    Convolutional(4),
    Gated(4, 1, heads=2),
    Transformer(4, 1, heads=2, patch=2),
]
EACH = pytest.mark.parametrize("specification", SPECIFICATIONS, ids=lambda s: type(s).__name__)


def built(specification, maps=0, conditions=None, dtype="float32"):
    shape = (4, 4, 2 + maps)
    return built_network(specification, 3, shape, maps, conditions, dtype)


@EACH
@pytest.mark.parametrize("conditions", [None, 3, (2,)])
def test_specified_network_is_built_and_called_with_inputs_and_condition(specification, conditions):
    network = built(specification, maps=1, conditions=conditions)
    assert network.built
    x = tf.ones((2, 4, 4, 3))
    given = {None: (), 3: (tf.constant([0, 1]),), (2,): (tf.ones((2, 2)),)}[conditions]
    for training in (False, True):
        out = network(x, *given, training=training)
        assert out.shape == (2, 4, 4, 3)
        assert not np.any(out), "it starts at zero"
    assert network.compute_output_shape((None, 4, 4, 3)) == (None, 4, 4, 3)


@EACH
def test_specification_comes_back_from_json_and_prints_its_arguments(specification):
    text = json.dumps(keras.saving.serialize_keras_object(specification))
    again = keras.saving.deserialize_keras_object(json.loads(text))
    assert again.get_config() == specification.get_config()
    assert repr(again) == repr(specification)
    assert f"{type(specification).__name__}(width=4" in repr(specification)


@EACH
def test_specification_makes_another_network_every_time(specification):
    one, other = built(specification), built(specification)
    assert not {id(v) for v in one.variables} & {id(v) for v in other.variables}


@EACH
def test_type_is_the_specifications_own_or_that_of_the_flow(specification):
    assert built(specification, dtype="float64").compute_dtype == "float64"
    kind, config = type(specification), specification.get_config()
    own = kind.from_config({**config, "dtype": "mixed_bfloat16"})
    network = built(own, dtype="float64")
    assert (network.compute_dtype, network.variable_dtype) == ("bfloat16", "float32")


@pytest.mark.parametrize(
    "kind", [Residual, Convolutional, Gated, Transformer], ids=lambda kind: kind.__name__
)
def test_sizes_out_of_range_are_refused_by_name(kind):
    for name in {"width", "blocks", "heads", "patch"} & set(kind().get_config()):
        with pytest.raises(ValueError, match=f"{name} must be a whole number >= 1; got 0"):
            kind(**{name: 0})


def test_a_users_specification_is_as_good():
    class Conditioned(keras.layers.Conv2D):
        def call(self, inputs, condition):
            return super().call(inputs)

    class Pointwise(Specification):
        def layer(self, outputs, maps, conditions, dtype):
            seen.append((outputs, maps, conditions, dtype.name))
            return Conditioned(outputs, 1, dtype=dtype)

        def get_config(self):
            return {}

    seen = []
    network = built(Pointwise(), maps=1, conditions=3, dtype="mixed_bfloat16")
    assert seen == [(3, 1, 3, "mixed_bfloat16")]
    assert network.compute_dtype == "bfloat16"
    assert repr(Pointwise()) == "Pointwise()"


def test_specification_that_lacks_its_layer_raises_its_name():
    with pytest.raises(NotImplementedError, match=r"Specification lacks layer\(\)"):
        built(Specification())


def test_layer_that_is_built_stays_as_it_is():
    layer = keras.layers.Conv2D(3, 1)
    layer.build((None, 4, 4, 2))
    before = layer.get_weights()
    assert built(layer) is layer
    for got, expected in zip(layer.get_weights(), before, strict=True):
        assert got is expected or np.array_equal(got, expected)


@pytest.mark.parametrize(
    "network",
    [
        keras.layers.Conv2D(3, 1),
        lambda outputs: keras.layers.Conv2D(outputs, 1),
        lambda outputs: keras.Sequential([keras.Input((4, 4, 2)), keras.layers.Conv2D(outputs, 1)]),
    ],
    ids=["layer", "function", "model"],
)
def test_network_that_takes_no_condition_is_refused_where_there_is_one(network):
    message = r"network must be called as network\(inputs, condition, .*conditions=3; got .*call\("
    with pytest.raises(ValueError, match=message):
        built(network, conditions=3)
    assert built(network).compute_output_shape((None, 4, 4, 2)) == (None, 4, 4, 3)
