"""normflows' Glow as a contender."""

import normflows
import torch

from tfp_lcma.training.studies.benchmark.cases import Case
from tfp_lcma.training.studies.benchmark.contender import Contender
from tfp_lcma.training.studies.benchmark.torch_contender import TorchContender, use_threads


def build(case: Case, threads: int) -> Contender:
    """Returns the multi-scale flow of normflows' own example of Glow, at the case's sizes."""
    use_threads(threads)
    torch.manual_seed(0)
    base: list[torch.nn.Module] = []
    flows, merges = [], []
    # From the coarsest level, which normflows counts first, to the finest.
    for height, width, channels in reversed(case.level_shapes()):
        height, width, channels = height // 2, width // 2, 4 * channels
        steps = [normflows.flows.GlowBlock(channels, case.width) for _ in range(case.steps)]
        flows.append([*steps, normflows.flows.Squeeze()])
        if base:
            merges.append(normflows.flows.Merge())
        factored_out = channels // 2 if base else channels
        base.append(normflows.distributions.GlowBase((factored_out, height, width)))
    flow = normflows.MultiscaleFlow(base, flows, merges, class_cond=False)
    return TorchContender(
        case,
        flow,
        log_prob=lambda images: flow.log_prob(images, None),
        sample=lambda count: flow.sample(count)[0],
    )
