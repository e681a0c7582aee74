"""The density of images: distribution, dequantisation, and what is asked of them."""

from tfp_lcma.density.dequantization import Uniform
from tfp_lcma.density.distribution import FlowDistribution
from tfp_lcma.density.image_density import ImageDensity

__all__ = ["FlowDistribution", "ImageDensity", "Uniform"]
