"""The couplings that models offer by name, and their networks."""

from collections.abc import Callable

import keras

from tfp_lcma.bijectors.coupling import AdditiveCoupling, AffineCoupling, Coupling
from tfp_lcma.bijectors.mixture_logistic import MixtureLogisticCoupling
from tfp_lcma.networks.condition import Conditions
from tfp_lcma.networks.convolutional_network import ConvolutionalNetwork
from tfp_lcma.networks.gated_network import GatedNetwork

COUPLINGS = {
    "affine": AffineCoupling,
    "additive": AdditiveCoupling,
    "mixture_logistic": MixtureLogisticCoupling,
}


def coupling_kind(name: str) -> type[Coupling]:
    """Returns the class of couplings called `name`.

    Raises:
      ValueError: If there is none of that name.
    """
    if name not in COUPLINGS:
        raise ValueError(f"coupling must be one of {', '.join(COUPLINGS)}; got {name!r}.")
    return COUPLINGS[name]


def network_maker(
    coupling: str, width: int, blocks: int, conditions: Conditions, dtype
) -> Callable[[int], keras.layers.Layer]:
    """Returns what makes a coupling's network, given its number of outputs.

    Flow++'s gated network for mixtures of logistics, Glow's for all others.

    Args:
      coupling: Name of the couplings.
      width: Hidden channels.
      blocks: Gated blocks of a gated network.
      conditions: What the networks are told beside their input.
      dtype: Keras dtype policy.
    """

    def make(outputs: int) -> keras.layers.Layer:
        if coupling == "mixture_logistic":
            return GatedNetwork(outputs, width, blocks, conditions=conditions, dtype=dtype)
        return ConvolutionalNetwork(outputs, width, conditions, dtype=dtype)

    return make
