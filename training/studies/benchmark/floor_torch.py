"""The convolutions of a case alone, in PyTorch."""

import torch

from tfp_lcma.training.studies.benchmark.accelerator import torch_accelerator
from tfp_lcma.training.studies.benchmark.cases import Case
from tfp_lcma.training.studies.benchmark.contender import Contender
from tfp_lcma.training.studies.benchmark.floor import Convolution, convolutions
from tfp_lcma.training.studies.benchmark.torch_contender import device, use_threads


def build(case: Case, threads: int) -> Contender:
    """Returns the convolutions, one after the other."""
    use_threads(threads)
    torch.manual_seed(0)
    return _Convolutions(case)


class _Convolutions:
    """Reads the result before it where the channels fit, else an input that stands ready."""

    def __init__(self, case):
        self.gpu = torch_accelerator()
        self._chain = convolutions(case)
        self._batch = case.batch
        kernels = [torch.from_numpy(c.kernel(i)) for i, c in enumerate(self._chain)]
        self._kernels = [_laid_out(k.permute(3, 2, 0, 1)) for k in kernels]
        self._inputs = {}
        for conv, before in zip(self._chain, [None, *self._chain], strict=False):
            if not conv.follows(before):
                shape = (case.batch, conv.inputs, conv.side, conv.side)
                self._inputs[conv] = _laid_out(torch.randn(shape))
        self.parameters = sum(kernel.numel() for kernel in self._kernels)

    def log_prob(self):
        with torch.no_grad():
            return self._run().cpu().numpy()

    def train_step(self):
        loss = -self._run().mean()
        torch.autograd.grad(loss, [*self._kernels, *self._inputs.values()])
        return float(loss.detach())

    sample = log_prob

    def _run(self):
        sums = torch.zeros(self._batch, device=device())
        x = torch.zeros(self._batch, 1, 1, 1, device=device())
        before: Convolution | None = None
        for conv, kernel in zip(self._chain, self._kernels, strict=True):
            if conv.follows(before):
                x = x[:, : conv.inputs]
            else:
                sums, x = sums + x.mean(dim=(1, 2, 3)), self._inputs[conv]
            x, before = torch.nn.functional.conv2d(x, kernel, padding=conv.size // 2), conv
        return sums + x.mean(dim=(1, 2, 3))


def _laid_out(tensor):
    """Returns a copy with its channels last, in which these convolutions are a fifth faster."""
    laid_out = tensor.to(device()).contiguous(memory_format=torch.channels_last)
    return laid_out.requires_grad_()
