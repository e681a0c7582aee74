"""Published flows, built from this package's parts."""

from tfp_lcma.models.eiw_flow import eiw_flow
from tfp_lcma.models.glow import glow
from tfp_lcma.models.jet import jet
from tfp_lcma.models.mar_scf import mar_scf
from tfp_lcma.models.optimizer import recommended_optimizer
from tfp_lcma.models.real_nvp import real_nvp
from tfp_lcma.models.residual_flow import residual_flow

__all__ = [
    "eiw_flow",
    "glow",
    "jet",
    "mar_scf",
    "real_nvp",
    "recommended_optimizer",
    "residual_flow",
]
