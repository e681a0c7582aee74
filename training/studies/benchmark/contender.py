"""What an implementation must be able to do, and the check that it does it."""

from typing import Protocol

import numpy as np

from tfp_lcma.training.studies.benchmark.accelerator import Accelerator
from tfp_lcma.training.studies.benchmark.cases import Case

# The methods that are timed, in this order.
TASKS = ("log_prob", "sample", "train_step")
# Of Adam, the same for all: small enough that a flow stays what it is over some dozen steps.
LEARNING_RATE = 1e-4


class Contender(Protocol):
    """A built model with its batch.

    Every method returns numbers in main memory, so that none can return before the work is done.

    Attributes:
        parameters: number of trainable numbers.
        gpu: what it runs on; None for the processor.
    """

    parameters: int
    gpu: Accelerator | None

    def log_prob(self) -> np.ndarray:
        """Returns the log-density of each image of the batch, `[batch]`, in nats."""

    def train_step(self) -> float:
        """Takes one step of Adam; returns the loss before it, the mean of -log_prob, in nats."""

    def sample(self) -> np.ndarray:
        """Returns as many new images, `[batch, height, width, channels]`."""


def check_log_prob(case: Case, log_prob: np.ndarray) -> None:
    """Raises a ValueError unless there is one finite number an image."""
    _check_shape("log_prob", log_prob, (case.batch,))
    _check_finite("log_prob", log_prob)


def check_sample(case: Case, sample: np.ndarray) -> None:
    """Raises a ValueError unless the samples are images of the case, all finite."""
    _check_shape("sample", sample, (case.batch, *case.event_shape))
    _check_finite("sample", sample)


def check_loss(loss: float, log_prob: np.ndarray) -> None:
    """Raises a ValueError unless the loss of the first step is that of the same model."""
    expected = -float(np.mean(log_prob, dtype=np.float64))
    if not np.isclose(loss, expected, rtol=1e-3, atol=1e-3):
        raise ValueError(
            f"train_step must start from the mean of -log_prob, {expected:.6g}; got {loss:.6g}."
        )


def _check_shape(name, array, expected):
    if np.shape(array) != expected:
        raise ValueError(f"{name} must return shape {expected}; got {np.shape(array)}.")


def _check_finite(name, array):
    wrong = int(np.sum(~np.isfinite(array)))
    if wrong:
        raise ValueError(f"{name} must be finite; {wrong} of {np.size(array)} numbers are not.")
