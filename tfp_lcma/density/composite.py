"""What TensorFlow sees in a flow's distribution that is held by a module, or passed to a graph."""

from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

_Metaclass: Any = type(tfd.TransformedDistribution)


class ShowsFlow(_Metaclass):
    """Makes a class of distributions show its flow to whatever holds it.

    TFP makes every class of its transformed distributions a composite tensor of the constructor's
    arguments that are tensors. A flow is none, so a `tf.Module`, a mixture or a joint distribution
    that holds one would have nothing to train.
    """

    def __new__(mcs, name, bases, namespace):
        made = super().__new__(mcs, name, bases, namespace)
        made._type_spec = property(_FlowDistributionSpec)
        made._convert_variables_to_tensors = lambda self: _again(self, shows_flow=False)
        made._shows_flow = True
        return made


def _again(distribution, shows_flow):
    """Returns a distribution of the same flow, made in the graph that is traced now.

    Where loops carry it and functions return it TensorFlow takes nothing but tensors.
    """
    made = distribution.copy()
    made._shows_flow = shows_flow
    return made


class _FlowDistributionSpec(tf.TypeSpec):
    """A composite whose only component is the flow."""

    def __init__(self, distribution):
        self._distribution = distribution

    @property
    def value_type(self):
        return type(self._distribution)

    @property
    def _component_specs(self):
        return [_Same(flow) for flow in self._to_components(self._distribution)]

    def _to_components(self, value):
        return [value.bijector] if value._shows_flow else []

    def _from_components(self, components):
        return _again(self._distribution, self._distribution._shows_flow)

    def _serialize(self):
        # The spec holds the flow: its id is no other's meanwhile.
        distribution = self._distribution
        return type(distribution).__name__, id(distribution.bijector), distribution._shows_flow

    def most_specific_common_supertype(self, others):
        return self if all(self == other for other in others) else None

    def _without_tensor_names(self):
        return self


class _Same(tf.types.experimental.TraceType):
    """The type of one object, of which a graph has no inputs: it captures what it reads."""

    def __init__(self, value):
        self._value = value

    def is_subtype_of(self, other):
        return self == other

    def most_specific_common_supertype(self, others):
        return self if all(self == other for other in others) else None

    def placeholder_value(self, placeholder_context):
        return self._value

    def to_tensors(self, value):
        return []

    def from_tensors(self, tensors):
        return self._value

    def flatten(self):
        return []

    def cast(self, value, casting_context):
        return value

    def __eq__(self, other):
        return isinstance(other, _Same) and other._value is self._value

    def __hash__(self):
        return id(self._value)
