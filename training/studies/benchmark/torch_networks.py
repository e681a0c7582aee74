"""The coupling networks of the flows, in PyTorch, for libraries that leave them to their user."""

import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

# As in `tfp_lcma.networks`.
_INPUT_BOUND = 6.0


class GlowNetwork(nn.Sequential):
    """conv3x3, ReLU, conv1x1, ReLU, conv3x3, which starts at zero.

    References:
        Kingma, Dhariwal: Glow, section 5; without the actnorms of openai/glow.
    """

    def __init__(self, inputs: int, outputs: int, width: int):
        super().__init__(
            nn.Conv2d(inputs, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 1),
            nn.ReLU(),
            nn.Conv2d(width, outputs, 3, padding=1),
        )
        nn.init.zeros_(self[-1].weight)
        nn.init.zeros_(self[-1].bias)

    def forward(self, inputs, context=None):
        return super().forward(inputs)


class ResidualNetwork(nn.Module):
    """`tfp_lcma.networks.ResidualNetwork`, layer by layer."""

    def __init__(self, features: int, outputs: int, width: int, blocks: int):
        """Creates the network.

        Args:
            features: channels of what the first convolution reads: the input, its negative and
                the context.
            outputs: channels of the result.
            width: channels of the hidden layers.
            blocks: number of residual blocks.
        """
        super().__init__()
        self.conv_in = _conv(features, width, 3)
        self.inner = nn.ModuleList([_conv(width, width, 3) for _ in range(blocks)])
        self.outer = nn.ModuleList([_conv(width, width, 3) for _ in range(blocks)])
        self.skip = _conv(width * (blocks + 1), width, 1)
        self.conv_out = _conv(width, outputs, 1)
        nn.init.zeros_(self.conv_out.parametrizations.weight.original0)
        nn.init.zeros_(self.conv_out.bias)

    def forward(self, inputs, context=None):
        inputs = _INPUT_BOUND * torch.tanh(inputs / _INPUT_BOUND)
        features = [inputs, -inputs] if context is None else [inputs, -inputs, context]
        hidden = self.conv_in(torch.relu(torch.cat(features, dim=1)))
        stages = [hidden]
        for inner, outer in zip(self.inner, self.outer, strict=True):
            hidden = hidden + outer(torch.relu(inner(torch.relu(hidden))))
            stages.append(hidden)
        return self.conv_out(torch.relu(self.skip(torch.cat(stages, dim=1))))


def _conv(inputs, outputs, size):
    """Returns a weight-normalised convolution, one gain an output channel."""
    return weight_norm(nn.Conv2d(inputs, outputs, size, padding="same"), dim=0)
