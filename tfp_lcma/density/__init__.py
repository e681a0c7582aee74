"""The density of images: distribution, dequantisation, and what is asked of them."""

from tfp_lcma.density.dequantization import Dequantization, Uniform
from tfp_lcma.density.distribution import FlowDistribution
from tfp_lcma.density.image_density import ImageDensity
from tfp_lcma.density.noise_flow import noise_flow
from tfp_lcma.density.variational import Variational

__all__ = [
    "Dequantization",
    "FlowDistribution",
    "ImageDensity",
    "Uniform",
    "Variational",
    "noise_flow",
]
