"""Configuration in, object out: how flows, factorizations and priors are saved and copied.

Every class of this package that a model is made of has `get_config()`, a dictionary of its
constructor's arguments, and is known to Keras by name. A class that a user writes joins in with
the same two lines: inherit `get_config` from the base class, or write it, and decorate the class
with `keras.saving.register_keras_serializable()`.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, Self, TypeVar

import keras
from keras.src.backend.common import global_state
from keras.src.saving.object_registration import get_registered_name
from keras.src.saving.serialization_lib import ObjectSharingScope

register = keras.saving.register_keras_serializable(package="tfp_lcma")

_T = TypeVar("_T")
# Where Keras keeps what it shares between the objects that it saves or loads.
_SHARED = ("shared_objects/id_to_obj_map", "shared_objects/id_to_config_map")


class Configurable:
    """Rebuilds an object from its configuration, nested objects included."""

    def get_config(self) -> dict:
        """Returns the constructor's arguments, by name."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_config().")

    @classmethod
    def from_config(cls, config: dict) -> Self:
        """Returns the object that `get_config` described, with variables of its own."""
        return cls(**revived(config))


def revived(config: dict, custom_objects: dict | None = None) -> dict:
    """Returns a configuration's arguments as objects.

    What is an object already, as in what `get_config` returns, is made anew: nothing shares a
    variable with it.
    """
    if classes_in(config):
        return anew(config)

    def revive(value):
        if isinstance(value, list | tuple):
            return type(value)(map(revive, value))
        if isinstance(value, dict):
            return keras.saving.deserialize_keras_object(value, custom_objects=custom_objects)
        return value

    return {name: revive(value) for name, value in config.items()}


def anew(built: _T) -> _T:
    """Returns an object like another, with variables of its own, from its configuration."""
    return from_description(*description(built))


def description(built: Any) -> tuple[Any, dict[str, Any]]:
    """Returns what `from_description` makes an object anew of: its configuration and classes."""
    with _own_sharing():
        return keras.saving.serialize_keras_object(built), classes_in(built)


def from_description(config: Any, classes: dict[str, Any]) -> Any:
    """Makes an object of what `description` returned, with variables of its own."""
    with _own_sharing():
        return keras.saving.deserialize_keras_object(config, custom_objects=classes)


def classes_in(value: Any) -> dict[str, Any]:
    """Returns the classes and functions in a live object or nest, by the names Keras knows.

    Keras finds those that are registered by itself; a process that unpickles, and a user's class
    that is not registered, need them.
    """
    if isinstance(value, list | tuple):
        return {name: kind for one in value for name, kind in classes_in(one).items()}
    if isinstance(value, dict):
        # What is serialised already says its class itself.
        return {} if "class_name" in value else classes_in(list(value.values()))
    if isinstance(value, keras.layers.Layer):
        found = [type(layer) for layer in value._flatten_layers()]
        return {get_registered_name(kind): kind for kind in found}
    if isinstance(value, Configurable):
        return {get_registered_name(type(value)): type(value), **classes_in(value.get_config())}
    if callable(value) and hasattr(value, "__name__"):
        return {get_registered_name(value): value}
    return {}


@contextlib.contextmanager
def _own_sharing() -> Iterator[None]:
    """Opens Keras' scope for objects that stand in two places; an outer one stays as it was."""
    outer = {name: global_state.get_global_attribute(name) for name in _SHARED}
    try:
        with ObjectSharingScope():
            yield
    finally:
        for name, shared in outer.items():
            global_state.set_global_attribute(name, shared)
