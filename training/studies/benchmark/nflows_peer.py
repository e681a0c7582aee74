"""Glow and RealNVP put together from nflows' parts."""

import numpy as np
import torch
from nflows.distributions import StandardNormal
from nflows.flows import Flow
from nflows.transforms import (
    ActNorm,
    AffineCouplingTransform,
    CompositeTransform,
    MultiscaleCompositeTransform,
    OneByOneConvolution,
    SqueezeTransform,
)

from tfp_lcma.training.studies.benchmark.cases import Case
from tfp_lcma.training.studies.benchmark.contender import Contender
from tfp_lcma.training.studies.benchmark.nflows_checkerboard import CheckerboardCoupling
from tfp_lcma.training.studies.benchmark.torch_contender import TorchContender, use_threads
from tfp_lcma.training.studies.benchmark.torch_networks import GlowNetwork, ResidualNetwork


def build(case: Case, threads: int) -> Contender:
    """Returns the flow, initialised by the batch."""
    use_threads(threads)
    torch.manual_seed(0)
    flow = build_flow(case)
    return TorchContender(case, flow, flow.log_prob, flow.sample)


def build_flow(case: Case) -> Flow:
    """Returns the flow over standard normal noise."""
    level = {"glow": _glow_level, "real-nvp": _real_nvp_level}[case.family]
    return Flow(
        _multi_scale([level(case, number) for number in range(case.levels)]),
        StandardNormal([int(np.prod(case.event_shape))]),
    )


def _multi_scale(levels):
    """Chains levels, given as transforms and the shape they end in."""
    flow = MultiscaleCompositeTransform(len(levels))
    for transforms, shape in levels:
        flow.add_transform(CompositeTransform(transforms), shape)
    return flow


def _glow_level(case, number):
    height, width, channels = case.level_shapes()[number]
    channels *= 4
    transforms = [SqueezeTransform()]
    for _ in range(case.steps):
        transforms += [
            ActNorm(channels),
            OneByOneConvolution(channels, identity_init=False),
            AffineCouplingTransform(
                half_mask(channels, 0),
                lambda kept, parameters: GlowNetwork(kept, parameters, case.width),
            ),
        ]
    return transforms, (channels, height // 2, width // 2)


def _real_nvp_level(case, number):
    """Returns the masks, networks and widths of `lcma.models.real_nvp`, in its order."""
    height, width, channels = case.level_shapes()[number]
    hidden, last = case.width << number, number == case.levels - 1
    transforms = []
    for parity in (0, 1, 0, 1) if last else (0, 1, 0):
        network = ResidualNetwork(2 * channels + 1, 2 * channels, hidden, case.blocks)
        coupling = CheckerboardCoupling(channels, height, width, parity, network)
        transforms += [coupling, ActNorm(channels)]
    if last:
        return transforms, (channels, height, width)
    transforms.append(SqueezeTransform())
    for half in (0, 1, 0):
        coupling = AffineCouplingTransform(
            half_mask(4 * channels, half),
            lambda kept, parameters: ResidualNetwork(2 * kept, parameters, 2 * hidden, case.blocks),
        )
        transforms += [coupling, ActNorm(4 * channels)]
    return transforms, (4 * channels, height // 2, width // 2)


def half_mask(channels: int, kept: int) -> torch.Tensor:
    """Returns nflows' mask, positive where the input is moved, that keeps half 0 or 1."""
    in_second = torch.arange(channels) >= channels // 2
    return (in_second != bool(kept)).int()
