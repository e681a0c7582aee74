"""Flow bijectors: invertible maps of images with a log-det per dimension."""

from tfp_lcma.bijectors import transforms
from tfp_lcma.bijectors.actnorm import ActNorm
from tfp_lcma.bijectors.batch_norm import BatchNorm
from tfp_lcma.bijectors.chain import FlowChain
from tfp_lcma.bijectors.context import Context, ProbeSeeds
from tfp_lcma.bijectors.convolution import InvertibleConvolution
from tfp_lcma.bijectors.coupling import Coupling
from tfp_lcma.bijectors.flow_bijector import FlowBijector, Identity
from tfp_lcma.bijectors.halves import Halves
from tfp_lcma.bijectors.image_conditioned import ImageConditioned
from tfp_lcma.bijectors.log_det import EventLogDet, Moved, NoLogDet, SummedLogDet
from tfp_lcma.bijectors.moves import Permutation, Rearrangement, Squeeze, Unsqueeze
from tfp_lcma.bijectors.partition import (
    ChannelHalf,
    Mask,
    Partition,
    checkerboard,
    checkerboard_mask,
)
from tfp_lcma.bijectors.patches import Patches
from tfp_lcma.bijectors.preprocessing import (
    AffinePreprocessing,
    LogitPreprocessing,
    SymmetricPreprocessing,
)
from tfp_lcma.bijectors.repeated import Repeated
from tfp_lcma.bijectors.residual import LogDetEstimate, ResidualBlock, event_log_det_estimate
from tfp_lcma.bijectors.rotation import Rotation
from tfp_lcma.bijectors.variable_permutation import VariablePermutation
from tfp_lcma.bijectors.whitening import Whitening

__all__ = [
    "ActNorm",
    "AffinePreprocessing",
    "BatchNorm",
    "ChannelHalf",
    "Context",
    "Coupling",
    "EventLogDet",
    "FlowBijector",
    "FlowChain",
    "Halves",
    "Identity",
    "ImageConditioned",
    "InvertibleConvolution",
    "LogDetEstimate",
    "LogitPreprocessing",
    "Mask",
    "Moved",
    "NoLogDet",
    "Partition",
    "Patches",
    "Permutation",
    "ProbeSeeds",
    "Rearrangement",
    "Repeated",
    "ResidualBlock",
    "Rotation",
    "Squeeze",
    "SummedLogDet",
    "SymmetricPreprocessing",
    "Unsqueeze",
    "VariablePermutation",
    "Whitening",
    "checkerboard",
    "checkerboard_mask",
    "event_log_det_estimate",
    "transforms",
]
