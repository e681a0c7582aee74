"""A worker times what computes what it says, and refuses what does not."""

from types import SimpleNamespace

import numpy as np
import pytest

from tfp_lcma.training.studies.benchmark.accelerator import Accelerator
from tfp_lcma.training.studies.benchmark.cases import ALL_CASES
from tfp_lcma.training.studies.benchmark.worker import WARMUPS, measure

CASE = ALL_CASES["tiny-glow"]
LOG_PROB = np.linspace(-300.0, -100.0, CASE.batch)
LOSS = 200.0  # the mean of -LOG_PROB


class Peer:
    """Answers as it should, but for what a test changes."""

    parameters, gpu = 7, None

    def __init__(self, log_prob=LOG_PROB, sample=None, loss=LOSS):
        self._log_prob, self._loss = log_prob, loss
        self._sample = np.zeros((CASE.batch, *CASE.event_shape)) if sample is None else sample
        self.steps = 0

    def log_prob(self):
        return self._log_prob

    def train_step(self):
        self.steps += 1
        return self._loss

    def sample(self):
        return self._sample


def timed(peer, kind="peer"):
    implementation = SimpleNamespace(
        kind=kind, load=lambda: None, build=lambda case, threads: peer, versions=lambda: {}
    )
    return measure(implementation, CASE, threads=1, repetitions=4)


def test_every_task_is_called_as_often_as_asked_after_a_first_call_and_warm_ups():
    peer = Peer()
    found = timed(peer)
    assert {task: len(calls) for task, calls in found["seconds"].items()} == {
        "log_prob": 4, "sample": 4, "train_step": 4,
    }  # fmt: skip
    assert peer.steps == 1 + WARMUPS + 4
    assert found["parameters"] == 7


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"log_prob": LOG_PROB[:, None]}, r"log_prob must return shape \(4,\); got \(4, 1\)"),
        ({"log_prob": LOG_PROB.sum()}, r"log_prob must return shape \(4,\); got \(\)"),
        ({"log_prob": LOG_PROB * np.nan}, "log_prob must be finite; 4 of 4 numbers are not"),
        (
            {"sample": np.zeros((CASE.batch, 3, 8, 8))},
            r"sample must return shape \(4, 8, 8, 3\); got \(4, 3, 8, 8\)",
        ),
        (
            {"sample": np.full((CASE.batch, *CASE.event_shape), np.inf)},
            "sample must be finite; 768 of 768",
        ),
        ({"loss": 100.0}, "train_step must start from the mean of -log_prob, 200; got 100"),
    ],
)
def test_a_peer_of_wrong_shape_or_numbers_is_rejected(changes, message):
    with pytest.raises(ValueError, match=message):
        timed(Peer(**changes))


def test_memory_is_that_of_the_gpu_if_there_is_one():
    assert timed(Peer())["gpu"] is None
    peer = Peer()
    peer.gpu = Accelerator("A GPU", lambda: (2**20, 3 * 2**20))
    found = timed(peer)
    assert (found["gpu"], found["peak_megabytes"]) == ("A GPU", 3.0)


def test_a_floor_need_not_draw_images():
    timed(Peer(sample=np.zeros(3)), kind="floor")
