"""What is copied, pickled, cloned or loaded again answers alike, and shares no variable."""

import copy
import functools
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfp_lcma as lcma
from tests import fields
from tests.eager import eagerly
from tests.registry import ARRANGEMENTS, FLOWS, SHAPE, UNROLLED, WAYS, Leaky, built, coupling
from tests.test_registry import PARTS, named
from tests.toys import pictures, tiny_flow, tiny_model
from tfp_lcma import registry
from tfp_lcma.bijectors import Coupling, FlowChain, Repeated, checkerboard
from tfp_lcma.bijectors.residual.probes import PassCounter
from tfp_lcma.networks.stack import Stack
from tfp_lcma.priors import ConditionalGaussian
from tfp_lcma.testing.inputs import data

statistics = functools.cache(fields.statistics)


def pickled(value):
    return pickle.loads(pickle.dumps(value))


def variables(flow):
    return {id(variable) for layer in flow.layers for variable in layer.variables}


def assert_alone(twin, flow):
    """No variable and no part is in both, and TFP sees the copy's own."""
    assert len(variables(twin)) == len(variables(flow))
    assert not variables(twin) & variables(flow)
    assert not set(map(id, twin.parts)) & set(map(id, flow.parts))
    own = {id(variable.value) for layer in twin.layers for variable in layer.variables}
    assert {id(variable) for variable in twin.trainable_variables} <= own


def assert_same(twin, flow):
    assert type(twin) is type(flow)
    x = data(flow, 2)
    for got, expected in zip(twin.inverse_and_log_det(x), flow.inverse_and_log_det(x), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)


# These hold every class.
CLASSES = [name for name in FLOWS if name not in ARRANGEMENTS | set(UNROLLED)]


@pytest.mark.parametrize("name", CLASSES)
def test_a_pickled_flow_answers_alike_from_variables_of_its_own(name):
    flow = built(name, "float64")
    twin = pickled(flow)
    assert_alone(twin, flow)
    assert_same(twin, flow)


@pytest.mark.parametrize("name", sorted(WAYS))
def test_a_copied_flow_answers_alike_and_a_clone_shares_nothing(name):
    flow = built(name, "float64")
    for twin in (copy.deepcopy(flow), flow.copy()):
        assert_alone(twin, flow)
        assert_same(twin, flow)
    assert_alone(type(flow).from_config(flow.get_config()), flow)


def test_a_copy_goes_its_own_way():
    flow = built("Repeated (Glow step)", "float64")
    twin, x = copy.deepcopy(flow), data(flow, 2)
    before = flow.inverse_and_log_det(x)[1]
    for variable in twin.trainable_variables:
        variable.assign_add(0.1 * tf.ones_like(variable))
    np.testing.assert_array_equal(flow.inverse_and_log_det(x)[1], before)
    assert not np.allclose(twin.inverse_and_log_det(x)[1], before)


def test_what_stands_in_two_places_still_does_in_a_copy():
    board = checkerboard(SHAPE, 0)
    network = coupling(board, "float64").network
    flow = FlowChain([Coupling(board, network, dtype="float64") for _ in range(2)])
    for twin in (pickled(flow), copy.deepcopy(flow), FlowChain.from_config(flow.get_config())):
        assert twin.bijectors[0].network is twin.bijectors[1].network
        assert_alone(twin, flow)
    # And made anew within another flow's making.
    twin = pickled(Repeated(flow, times=2)).step
    assert twin.bijectors[0].network is twin.bijectors[1].network


class NotRegistered(Leaky):
    """A user's flow of which Keras has not been told."""


def test_a_flow_that_is_not_registered_is_copied_too():
    flow = FlowChain([NotRegistered(SHAPE), NotRegistered(SHAPE)])
    for twin in (pickled(flow), copy.deepcopy(flow), FlowChain.from_config(flow.get_config())):
        assert isinstance(twin.bijectors[1], NotRegistered)
        assert_alone(twin, flow)


def test_a_copy_may_differ_in_an_argument_but_not_in_its_variables():
    flow = tiny_flow(factorization=lcma.factorizations.Checkerboard())
    twin = flow.copy(memory="invert")
    assert (twin.memory, flow.memory) == ("invert", "keep")
    assert_alone(twin, flow)
    assert_same(twin, flow)
    with pytest.raises(ValueError, match="must have the variables of its original"):
        flow.copy(exit_prior=ConditionalGaussian())
    with pytest.raises(ValueError, match=r"MultiScale, which are flows, .*; got memry"):
        flow.copy(memry="invert")


@functools.cache
def layers():
    """One layer of every class that the flows hold, or that a layer in them holds."""
    found = {PassCounter: PassCounter()}
    parts = [part for name in CLASSES for part in built(name, "float64").kinds]
    for layer in (layer for part in parts for layer in part.layers):
        for inner in layer._flatten_layers():
            if type(inner).__module__.startswith("tfp_lcma"):
                found.setdefault(type(inner), inner)
    # A `Stack` is a `Repeated`'s, which makes it anew.
    del found[Stack]
    return found


def test_every_layer_is_copied_as_keras_saves_and_loads_it():
    known = {k for n, k in keras.saving.get_custom_objects().items() if n.startswith("tfp_lcma>")}
    kinds = {k for k in known if isinstance(k, type) and issubclass(k, keras.layers.Layer)}
    assert set(layers()) == kinds - {lcma.FlowModel}
    for layer in layers().values():
        twin = copy.deepcopy(layer)
        assert type(twin) is type(layer)
        assert len(twin.variables) == len(layer.variables)
        for own, original in zip(twin.variables, layer.variables, strict=True):
            assert own is not original
            np.testing.assert_array_equal(own.numpy(), original.numpy())


def test_factorizations_priors_and_specifications_are_copied():
    parts = [
        registry.factorization(name, steps=30, seed=3, statistics=statistics())
        for name, entry in registry.FACTORIZATIONS.items()
        if entry.kind is not None
    ]
    parts += [named(table, name)() for table, name in PARTS]
    for part in parts:
        config = keras.saving.serialize_keras_object(part)
        for twin in (pickled(part), copy.deepcopy(part), type(part).from_config(part.get_config())):
            assert twin is not part
            np.testing.assert_equal(keras.saving.serialize_keras_object(twin), config)


@pytest.fixture(scope="module")
def model():
    channel = lcma.factorizations.Channel()
    model = tiny_model(factorization=channel, exit_prior=ConditionalGaussian())
    model.initialize(pictures(32))
    return model


@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")
@pytest.mark.parametrize("twin_of", [pickled, copy.deepcopy], ids=["pickled", "copied"])
def test_a_model_and_its_distribution_are_copied(model, twin_of):
    images = pictures(3, seed=1)
    twin = twin_of(model)
    assert_alone(twin.flow, model.flow)
    np.testing.assert_allclose(twin.log_prob(images), model.log_prob(images), rtol=1e-6)
    density = twin_of(model.distribution)
    assert isinstance(density, lcma.FlowDistribution)
    assert_alone(density.bijector, model.distribution.bijector)
    x = tf.cast(images, tf.float32) + 0.5
    expected = model.distribution.log_prob(x)
    np.testing.assert_allclose(density.log_prob(x), expected, rtol=1e-6)


def test_a_model_from_a_live_configuration_shares_no_weight(model):
    clones = lcma.FlowModel.from_config(model.get_config()), keras.models.clone_model(model)
    with eagerly():
        expected = model.log_prob(pictures(3))
    for clone in clones:
        assert_alone(clone.flow, model.flow)
        assert not {id(w) for w in clone.weights} & {id(w) for w in model.weights}
        clone.set_weights(model.get_weights())
        with eagerly():
            np.testing.assert_allclose(clone.log_prob(pictures(3)), expected, rtol=1e-6)


def test_a_copied_distribution_may_be_given_another_flow(model):
    # As any of TFP's: what is not named stays the same object.
    density = lcma.FlowDistribution(model.flow)
    assert density.copy(name="twin").bijector is model.flow
    other = model.flow.copy()
    assert density.copy(bijector=other).bijector is other
