"""A run of two workers, killed at any moment and started again, ends as an undisturbed one."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.keras_model.test_workers import free_addresses
from tests.training.killed import MOMENTS, killed_run, make_lcma
from tests.training.tiny import make_eager, tiny_dataset

ROOT = Path(__file__).parents[3]
CHIEF, OTHER = 0, 1
PEER_TIMEOUT = 4
KILLED = {True: ("split", 1), False: ()}


class Pair:
    """Two workers of one run, and what they say."""

    def __init__(self, folder, steps=6, peer_timeout=PEER_TIMEOUT):
        self.folder, self.how = folder, "eager"
        self._arguments = list(map(str, (folder, steps, peer_timeout)))
        self._addresses = free_addresses(2)
        self.logs = [folder.with_name(f"{folder.name}-{number}.log") for number in (CHIEF, OTHER)]

    def start(self, number, *kills):
        task = {"type": "worker", "index": number}
        config = json.dumps({"cluster": {"worker": self._addresses}, "task": task})
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CONFIG": config}
        command = [sys.executable, "-m", "tests.training.killed", *self._arguments]
        command += map(str, (self.how, *kills))
        with self.logs[number].open("a") as log:
            return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)

    def supervised(self, victim=None, moment=None, times=0, seconds=300):
        """Runs both, starts again whichever ends before its time; returns how often each did."""
        kills = {victim: (moment, times)}
        running = {number: self.start(number, *kills.get(number, ())) for number in (CHIEF, OTHER)}
        restarts, end = [0, 0], time.monotonic() + seconds
        try:
            while running:
                assert time.monotonic() < end, self.said()
                time.sleep(0.1)
                for number, process in list(running.items()):
                    code = process.poll()
                    if code is not None:
                        del running[number]
                    if code:
                        restarts[number] += 1
                        running[number] = self.start(number, *kills.get(number, ()))
        finally:
            for process in running.values():
                process.kill()
                process.wait()
        return restarts

    def said(self):
        return "\n".join(log.read_text()[-2000:] for log in self.logs)


def assert_ends_as(folder, undisturbed):
    mine, theirs = (keras.saving.load_model(run / "model.keras") for run in (folder, undisturbed))
    assert np.array_equal(mine.flow.exit_map, theirs.flow.exit_map)
    for one, other in zip(mine.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=0, atol=1e-10)
    histories = [
        json.loads((run / "history_training.json").read_text()) for run in (folder, undisturbed)
    ]
    assert [row["step"] for row in histories[0]] == [row["step"] for row in histories[1]]


def undisturbed(folder, steps=6):
    """Runs the same in one process."""
    with pytest.MonkeyPatch.context() as patch:
        make_lcma(patch.setattr)
        make_eager(patch.setattr)
        killed_run(folder, steps).execute(tiny_dataset())
    return folder


@pytest.mark.parametrize("victim", [pytest.param(CHIEF, marks=pytest.mark.scale), OTHER])
def test_a_run_that_loses_a_worker_ends_with_a_sentence_and_carries_on_when_started_again(
    tmp_path, victim
):
    pair, survivor = Pair(tmp_path / "run"), 1 - victim
    processes = [pair.start(number, *KILLED[number == victim]) for number in (CHIEF, OTHER)]
    assert processes[victim].wait(300) == -9, pair.said()
    # Long after the deadline, for a machine that has much to do.
    assert processes[survivor].wait(20 * PEER_TIMEOUT) == 1, pair.said()
    assert "Another worker was lost" in pair.logs[survivor].read_text()
    pair.how = "graphs"  # as people train, where there is something to train with
    assert pair.supervised() == [0, 0], pair.said()
    assert_ends_as(pair.folder, undisturbed(tmp_path / "undisturbed"))


@pytest.mark.scale
def test_a_worker_whose_chief_does_not_come_names_it_and_ends(tmp_path):
    pair = Pair(tmp_path / "run", peer_timeout=1)
    code = pair.start(OTHER).wait(300)
    said = pair.logs[OTHER].read_text()
    assert code == 1 and "within 10 s of each other" in said, said


@pytest.mark.scale
@pytest.mark.parametrize("victim", [CHIEF, OTHER])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_killed_ten_times_at_a_moment_ends_as_an_undisturbed_one(tmp_path, victim, moment):
    # A worker that is killed while the chief saves does not keep it from saving: a step each time.
    pair = Pair(tmp_path / "run", 12)
    restarts = pair.supervised(victim, moment, 10, seconds=1800)
    assert len((tmp_path / "run-kills").read_text()) == 10
    assert restarts[victim] >= 10
    assert_ends_as(pair.folder, undisturbed(tmp_path / "undisturbed", 12))
