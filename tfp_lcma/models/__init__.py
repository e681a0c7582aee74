"""Published flows, built from this package's parts."""

from tfp_lcma.models.real_nvp import real_nvp

__all__ = ["real_nvp"]
