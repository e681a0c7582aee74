"""Copies of a flow: its configuration, and the values of its variables."""

import inspect
from typing import Any, Self, TypeVar

import keras
import numpy as np

from tfp_lcma.serialization import Configurable, description, from_description

_Flow = TypeVar("_Flow", bound="Copyable")


class Copyable(Configurable):
    """What `copy.deepcopy`, pickle and `copy` make another of, with variables of its own.

    TensorFlow's own copies fail on TFP's caches, and would leave Keras' layers and the lists in
    which TFP finds their variables apart from each other.
    """

    @property
    def layers(self) -> list[keras.layers.Layer]:
        """The Keras layers that hold all variables, each once."""
        raise NotImplementedError(f"{type(self).__name__} lacks layers.")

    def copy(self, **changes: Any) -> Self:
        """Returns a copy with the same values in variables of its own.

        Args:
            **changes: Arguments of the constructor that are to be others, such as
                `memory="invert"`.

        Raises:
            ValueError: If a change is of no such argument, or alters which variables there are.
        """
        known = inspect.signature(type(self)).parameters
        if unknown := changes.keys() - known.keys():
            raise ValueError(
                f"copy() takes arguments of {type(self).__name__}, which are {', '.join(known)}; "
                f"got {', '.join(sorted(unknown))}."
            )
        twin = type(self).from_config({**self.get_config(), **changes})
        return _with_values(twin, _values(self))

    def __reduce__(self):
        return _copied, (*description(self), _values(self))


def _copied(config, classes, values):
    return _with_values(from_description(config, classes), values)


def _variables(flow: Copyable) -> list[keras.Variable]:
    """Returns a flow's variables, each once, in the same order for flows that are built alike."""
    return list({id(v): v for layer in flow.layers for v in layer.variables}.values())


def _values(flow: Copyable) -> list[np.ndarray]:
    return [variable.numpy() for variable in _variables(flow)]


def _with_values(flow: _Flow, values: list[np.ndarray]) -> _Flow:
    """Gives values to the variables of a flow that is built like the one they are of."""
    variables = _variables(flow)
    own, given = [tuple(v.shape) for v in variables], [v.shape for v in values]
    if own != given:
        raise ValueError(
            f"A copy must have the variables of its original, of shapes {given}; got {own}. Build "
            "another flow by its constructor instead."
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return flow
