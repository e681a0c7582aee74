"""What the contenders in PyTorch share."""

from collections.abc import Callable

import numpy as np
import torch

from tfp_lcma.training.studies.benchmark.accelerator import torch_accelerator
from tfp_lcma.training.studies.benchmark.cases import Case
from tfp_lcma.training.studies.benchmark.contender import LEARNING_RATE


def use_threads(threads: int) -> None:
    """Bounds PyTorch's threads; must be called before it has run anything in parallel."""
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(threads)


def device() -> torch.device:
    """Returns where contenders compute: a GPU where PyTorch sees one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class TorchContender:
    """A PyTorch flow as a contender, called as its library's documentation does."""

    def __init__(
        self,
        case: Case,
        module: torch.nn.Module,
        log_prob: Callable[[torch.Tensor], torch.Tensor],
        sample: Callable[[int], torch.Tensor],
    ):
        """Initialises the actnorms by the batch.

        Args:
            case: what the flow was built for.
            module: holds all that is trained.
            log_prob: from images `[batch, channels, height, width]` to `[batch]`.
            sample: from how many to images.
        """
        self.gpu = torch_accelerator()
        self._case, self._module = case, module.to(device())
        self._compute_log_prob, self._draw = log_prob, sample
        images = torch.from_numpy(case.images()).permute(0, 3, 1, 2).contiguous()
        self._images = images.to(device())
        module.train()
        with torch.no_grad():
            log_prob(self._images)
        self._optimizer = torch.optim.Adam(module.parameters(), LEARNING_RATE)
        self.parameters = sum(p.numel() for p in module.parameters() if p.requires_grad)

    def log_prob(self) -> np.ndarray:
        self._module.eval()
        with torch.no_grad():
            return self._compute_log_prob(self._images).cpu().numpy()

    def train_step(self) -> float:
        self._module.train()
        self._optimizer.zero_grad()
        loss = -self._compute_log_prob(self._images).mean()
        loss.backward()
        self._optimizer.step()
        return float(loss.detach())

    def sample(self) -> np.ndarray:
        self._module.eval()
        with torch.no_grad():
            return self._draw(self._case.batch).permute(0, 2, 3, 1).cpu().numpy()
