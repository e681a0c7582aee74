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
        bytes_in_use: returns how many bytes are in use, and the most that were so far.
    """

    name: str
    bytes_in_use: Callable[[], tuple[int, int]]

    def megabytes(self) -> float:
        """Returns how much is in use."""
        return self.bytes_in_use()[0] / _BYTES_PER_MEGABYTE

    def peak_megabytes(self) -> float:
        """Returns the most that was in use so far."""
        return self.bytes_in_use()[1] / _BYTES_PER_MEGABYTE


def tensorflow_accelerator() -> Accelerator | None:
    """Returns the GPU that TensorFlow places its work on; None without one."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return None
    name = tf.config.experimental.get_device_details(gpus[0]).get("device_name", gpus[0].name)

    def bytes_in_use():
        found = tf.config.experimental.get_memory_info("GPU:0")
        return found["current"], found["peak"]

    return Accelerator(name, bytes_in_use)


def torch_accelerator() -> Accelerator | None:
    """Returns the GPU that PyTorch's contenders are put on; None without one."""
    import torch

    if not torch.cuda.is_available():
        return None
    return Accelerator(
        torch.cuda.get_device_name(0),
        lambda: (torch.cuda.memory_allocated(), torch.cuda.max_memory_allocated()),
    )
