"""Flow bijectors: invertible maps of images with a log-det per dimension."""

from tfp_lcma.bijectors.convolution import InvertibleConvolution
from tfp_lcma.bijectors.coupling import (
    AdditiveCoupling,
    AffineCoupling,
    Coupling,
    channel_mask,
    checkerboard_mask,
)
from tfp_lcma.bijectors.entropy_shuffles import CouplingShuffle, FrozenShuffle, InvariantShuffle
from tfp_lcma.bijectors.flow_bijector import FlowBijector, Identity
from tfp_lcma.bijectors.flow_chain import FlowChain
from tfp_lcma.bijectors.log_det_estimate import LogDetEstimate, event_log_det_estimate
from tfp_lcma.bijectors.mixture_logistic import MixtureLogisticCoupling
from tfp_lcma.bijectors.multi_scale import LevelRecord, MultiScale, level_shapes
from tfp_lcma.bijectors.normalization import ActNorm, BatchNorm
from tfp_lcma.bijectors.preprocessing import AffinePreprocessing, LogitPreprocessing
from tfp_lcma.bijectors.probes import probing
from tfp_lcma.bijectors.reshaping import Permutation, Rearrangement, Squeeze, Unsqueeze
from tfp_lcma.bijectors.residual import ResidualBlock
from tfp_lcma.bijectors.rotation import Rotation
from tfp_lcma.bijectors.shuffle import Shuffle
from tfp_lcma.bijectors.variable_permutation import VariablePermutation
from tfp_lcma.networks.actnorm import data_dependent_initialization

__all__ = [
    "ActNorm",
    "AdditiveCoupling",
    "AffineCoupling",
    "AffinePreprocessing",
    "BatchNorm",
    "Coupling",
    "CouplingShuffle",
    "FlowBijector",
    "FlowChain",
    "FrozenShuffle",
    "Identity",
    "InvariantShuffle",
    "InvertibleConvolution",
    "LevelRecord",
    "LogDetEstimate",
    "LogitPreprocessing",
    "MixtureLogisticCoupling",
    "MultiScale",
    "Permutation",
    "Rearrangement",
    "ResidualBlock",
    "Rotation",
    "Shuffle",
    "Squeeze",
    "Unsqueeze",
    "VariablePermutation",
    "channel_mask",
    "checkerboard_mask",
    "data_dependent_initialization",
    "event_log_det_estimate",
    "level_shapes",
    "probing",
]
