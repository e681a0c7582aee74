"""The couplings that models offer by name."""

from tfp_lcma.bijectors.coupling import AdditiveCoupling, AffineCoupling, Coupling
from tfp_lcma.bijectors.mixture_logistic import MixtureLogisticCoupling

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
