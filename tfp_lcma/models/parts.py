"""What models make of their arguments: transforms and networks by name, types, counts."""

from typing import NamedTuple

import keras

from tfp_lcma import registry
from tfp_lcma.bijectors.transforms import Affine, MixtureLogistic, Transform
from tfp_lcma.networks.specification import Network
from tfp_lcma.validation import check_count


class Types(NamedTuple):
    """The types that a model computes in.

    Attributes:
        flow: Of activations and log-dets.
        networks: Keras policy of the networks.
    """

    flow: str
    networks: keras.DTypePolicy


def types(dtype: str | None) -> Types:
    """Returns the types that a Keras policy stands for; None: Keras' global policy."""
    policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
    return Types("float64" if policy.variable_dtype == "float64" else "float32", policy)


def transform(coupling: str | Transform, **options) -> Transform:
    """Returns the transform that a coupling stands for.

    Args:
        coupling: A transform, or the name of a standard one.
        **options: Arguments for a standard one that has them.

    Raises:
        ValueError: If there is none of that name.
    """
    if isinstance(coupling, Transform):
        return coupling
    registry.check_name("coupling", coupling, registry.COUPLINGS, "a transform")
    kind = registry.load(registry.COUPLINGS[coupling])
    has_options = kind in (Affine, MixtureLogistic)
    return kind(**options) if has_options else kind()


def network(kind: str | Network, **options) -> Network:
    """Returns the network that a name stands for, or any other as it is.

    Args:
        kind: A specification, a Keras layer's class, a function that makes a layer
            from a number of outputs, or the name of a standard network.
        **options: Arguments of the standard ones; those of others are left out.

    Raises:
        ValueError: If there is none of that name, or it is one layer, which all
            couplings would share.
    """
    if isinstance(kind, str):
        registry.check_name("network", kind, registry.NETWORKS, "a specification")
        made = registry.load(registry.NETWORKS[kind])
        known = made().get_config()
        return made(**{name: value for name, value in options.items() if name in known})
    if isinstance(kind, keras.layers.Layer):
        raise ValueError(
            "network must be a specification or a class, from which every coupling gets a layer "
            f"of its own; got one layer, {kind.name}."
        )
    return kind


def network_beside(transform: Transform, kind: str | Network | None, **options) -> Network:
    """Returns a network; None: "gated" for a mixture of logistics, else "convolutional".

    Args:
        transform: What the couplings do with their parameters.
        kind: As for `network`, or None.
        **options: As for `network`.
    """
    if kind is None:
        kind = "gated" if isinstance(transform, MixtureLogistic) else "convolutional"
    return network(kind, **options)


def check_sizes(**counts: int) -> None:
    """Raises a ValueError unless all are whole numbers >= 1."""
    for name, value in counts.items():
        check_count(value, name)
