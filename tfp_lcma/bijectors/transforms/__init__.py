"""What a coupling does to each number that it moves, by parameters that a network computes."""

from tfp_lcma.bijectors.transforms.additive import Additive
from tfp_lcma.bijectors.transforms.affine import Affine
from tfp_lcma.bijectors.transforms.mixture_logistic import MixtureLogistic
from tfp_lcma.bijectors.transforms.rational_quadratic import RationalQuadratic
from tfp_lcma.bijectors.transforms.scalar import Scalar
from tfp_lcma.bijectors.transforms.sigmoid_affine import SigmoidAffine
from tfp_lcma.bijectors.transforms.transform import Transform

__all__ = [
    "Additive",
    "Affine",
    "MixtureLogistic",
    "RationalQuadratic",
    "Scalar",
    "SigmoidAffine",
    "Transform",
]
