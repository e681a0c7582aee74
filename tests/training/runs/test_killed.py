"""A process killed by the system in either phase ends with the weights of an undisturbed one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np

import tfp_lcma  # noqa: F401, registers what a saved model is made of

COMMAND = [
    sys.executable, "-m", "tests.training.tiny", "train", "--recipe", "digits",
    "--threads", "1", "--quiet", "--limit", "40", "--no-export", "--steps", "24",
    "--batch-size", "8", "--draws", "1", "--validate-every", "8", "--checkpoint-every", "2",
]  # fmt: skip


def command(folder):
    return [*COMMAND, "--run-dir", str(folder)]


def weights(folder):
    model = keras.saving.load_model(folder / "model.keras")
    return [w.numpy() for w in model.weights]


def test_a_process_killed_in_each_phase_ends_with_the_very_weights_of_an_undisturbed_one(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    undisturbed = subprocess.Popen(command(whole), env=environment, stdout=subprocess.DEVNULL)
    for phase in ("pretraining", "training"):
        process = subprocess.Popen(
            command(killed), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        checkpoints = killed / "checkpoints" / phase
        while not list(checkpoints.glob("ckpt-*")) and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.returncode == -signal.SIGKILL, process.stderr.read().decode()
    subprocess.run(command(killed), env=environment, check=True, capture_output=True)
    assert undisturbed.wait() == 0
    for phase in ("pretraining", "training"):
        name = f"history_{phase}.json"
        histories = [json.loads((f / name).read_text()) for f in (whole, killed)]
        assert [row["step"] for row in histories[0]] == [row["step"] for row in histories[1]]
    for mine, theirs in zip(weights(whole), weights(killed), strict=True):
        np.testing.assert_array_equal(mine, theirs)
