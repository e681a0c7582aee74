"""A coupling with a checkerboard mask for nflows, whose own couplings split channels only."""

import torch
from nflows.transforms import Transform


class CheckerboardCoupling(Transform):
    """Moves the pixels of one colour by what a network reads off the others.

    ```none
    kept = mask * x;  shift, raw = network([kept, -kept, mask]);  scale = sigmoid(raw + 2) + 0.001
    forward   z = kept + (1 - mask) * (x * scale + shift)
    ```

    The scale is that of nflows' `AffineCouplingTransform`, the inputs are those of this
    package's couplings; the network bounds and rectifies them.
    """

    def __init__(
        self, channels: int, height: int, width: int, parity: int, network: torch.nn.Module
    ):
        """Keeps the pixels with (row + column) % 2 == parity."""
        super().__init__()
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        mask = ((rows + columns) % 2 == parity).float()
        self.register_buffer("mask", mask.expand(1, 1, height, width).clone())
        self._channels, self._network = channels, network

    def forward(self, inputs, context=None):
        kept, scale, shift = self._read(inputs)
        outputs = kept + (1 - self.mask) * (inputs * scale + shift)
        return outputs, self._log_det(scale)

    def inverse(self, inputs, context=None):
        kept, scale, shift = self._read(inputs)
        outputs = kept + (1 - self.mask) * ((inputs - shift) / scale)
        return outputs, -self._log_det(scale)

    def _read(self, inputs):
        kept = self.mask * inputs
        maps = self.mask.expand(len(inputs), -1, -1, -1)
        shift, raw = torch.split(self._network(kept, maps), self._channels, dim=1)
        return kept, torch.sigmoid(raw + 2) + 1e-3, shift

    def _log_det(self, scale):
        return ((1 - self.mask) * torch.log(scale)).sum(dim=(1, 2, 3))
