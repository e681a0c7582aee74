"""Modules inside a module are those that TensorFlow finds, in its order."""

import tensorflow as tf
import tensorflow_probability as tfp

from tests.registry import built
from tfp_lcma.bijectors.inside import modules_inside


def test_modules_in_lists_mappings_and_bijectors_of_tfp_are_found():
    first, second, third = tf.Module(), tf.Module(), built("FlowChain", "float64")
    outer = tf.Module()
    outer.b, outer.a = [first, (second, 3)], {"x": {"y": [second]}, "chain": {}}
    outer.c = tfp.bijectors.Invert(tfp.bijectors.Chain([third]))
    outer.again = outer
    found = list(modules_inside(outer))
    assert list(map(id, found)) == list(map(id, outer.submodules))
    assert third in found and first in found and found.count(second) == 1
