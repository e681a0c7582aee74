"""Tests for flows of one's own: the contract that this package's flows keep."""

from tfp_lcma.testing.contract import PROPERTIES, assert_flow_contract
from tfp_lcma.testing.inputs import data, latents
from tfp_lcma.testing.state import perturbed

__all__ = ["PROPERTIES", "assert_flow_contract", "data", "latents", "perturbed"]
