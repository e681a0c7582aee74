"""Configuration in, object out: how flows, factorizations and priors are saved.

Every class of this package that a model is made of has `get_config()`, a dictionary of its
constructor's arguments, and is known to Keras by name. A class that a user writes joins in with
the same two lines: inherit `get_config` from the base class, or write it, and decorate the class
with `keras.saving.register_keras_serializable()`.
"""

import keras

register = keras.saving.register_keras_serializable(package="tfp_lcma")


class Configurable:
    """Rebuilds an object from its configuration, nested objects included."""

    def get_config(self) -> dict:
        """Returns the constructor's arguments, by name."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_config().")

    @classmethod
    def from_config(cls, config: dict) -> "Configurable":
        """Returns the object that `get_config` described."""
        return cls(**revived(config))


def revived(config: dict, custom_objects: dict | None = None) -> dict:
    """Returns a configuration's arguments as objects, whether serialised or live already."""

    def revive(value):
        if isinstance(value, list | tuple):
            return type(value)(map(revive, value))
        if isinstance(value, dict):
            return keras.saving.deserialize_keras_object(value, custom_objects=custom_objects)
        return value

    return {name: revive(value) for name, value in config.items()}


def anew(built):
    """Returns an object like another, with variables of its own, from its configuration."""
    return keras.saving.deserialize_keras_object(
        _unshared(keras.saving.serialize_keras_object(built))
    )


def _unshared(config):
    """Takes away the numbers by which Keras finds objects that it is just rebuilding elsewhere."""
    if isinstance(config, dict):
        return {k: _unshared(v) for k, v in config.items() if k != "shared_object_id"}
    return [_unshared(v) for v in config] if isinstance(config, list) else config
