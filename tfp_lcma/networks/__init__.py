"""Keras layers that parameterise flow bijectors."""

from tfp_lcma.networks.residual_network import ResidualNetwork, WeightNormConv

__all__ = ["ResidualNetwork", "WeightNormConv"]
