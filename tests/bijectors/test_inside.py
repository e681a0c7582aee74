"""Modules inside a module are those that TensorFlow finds, in its order."""

import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.registry import FLOWS, built
from tfp_lcma.bijectors.inside import modules_inside


@pytest.mark.parametrize("name", FLOWS)
def test_modules_of_flows_are_those_that_tensorflow_finds(name):
    flow = built(name, "float64")
    assert list(map(id, modules_inside(flow))) == list(map(id, flow.submodules))


def test_modules_in_lists_mappings_and_bijectors_of_tfp_are_found():
    first, second, third = tf.Module(), tf.Module(), built("FlowChain", "float64")
    outer = tf.Module()
    outer.b, outer.a = [first, (second, 3)], {"x": {"y": [second]}, "chain": {}}
    outer.c = tfp.bijectors.Invert(tfp.bijectors.Chain([third]))
    outer.again = outer
    found = list(modules_inside(outer))
    assert list(map(id, found)) == list(map(id, outer.submodules))
    assert third in found and first in found and found.count(second) == 1
