"""Published flows, built from this package's parts."""

from tfp_lcma.models.glow import glow
from tfp_lcma.models.real_nvp import real_nvp
from tfp_lcma.models.residual_flow import residual_flow

__all__ = ["glow", "real_nvp", "residual_flow"]
