"""Residual blocks: the identity plus a contraction."""

from tfp_lcma.bijectors.residual.block import ResidualBlock
from tfp_lcma.bijectors.residual.estimate import LogDetEstimate, event_log_det_estimate

__all__ = ["LogDetEstimate", "ResidualBlock", "event_log_det_estimate"]
