"""The GPU that a contender runs on: its name, and how much of its memory was in use at most.

Each library counts what its own allocator hands out.
"""

import dataclasses
from collections.abc import Callable

_BYTES_PER_MEGABYTE = 2**20


@dataclasses.dataclass(frozen=True)
class Accelerator:
    """A GPU.

    Attributes:
        name: what its maker calls it.
        peak_bytes: returns the most bytes in use so far.
    """

    name: str
    peak_bytes: Callable[[], int]

    def peak_megabytes(self) -> float:
        """Returns the peak so far."""
        return round(self.peak_bytes() / _BYTES_PER_MEGABYTE, 1)


def tensorflow_accelerator() -> Accelerator | None:
    """Returns the GPU that TensorFlow places its work on; None without one."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return None
    name = tf.config.experimental.get_device_details(gpus[0]).get("device_name", gpus[0].name)
    return Accelerator(name, lambda: tf.config.experimental.get_memory_info("GPU:0")["peak"])


def torch_accelerator() -> Accelerator | None:
    """Returns the GPU that PyTorch's contenders are put on; None without one."""
    import torch

    if not torch.cuda.is_available():
        return None
    return Accelerator(torch.cuda.get_device_name(0), torch.cuda.max_memory_allocated)
