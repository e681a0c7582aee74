"""A study killed between runs and in the middle of one ends with an undisturbed one's numbers."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.toys import pictures

ROOT = Path(__file__).parents[4]
COMMAND = [
    sys.executable, "-m", "tests.training.tiny", "ablation", "--recipe", "folder",
    "--image-size", "8", "--levels", "2", "--steps", "40", "--pretrain-steps", "20",
    "--batch-size", "8", "--draws", "2", "--validate-every", "20", "--seeds", "1",
    "--arms", "lcma", "--threads", "1",
]  # fmt: skip


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for number, image in enumerate(pictures(60, (8, 8, 3))):
        Image.fromarray(image).save(folder / f"{number}.png")
    return folder


def start(images, folder):
    return subprocess.Popen(
        [*COMMAND, "--images", str(images), "--run-dir", str(folder)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def kill_when(process, condition):
    """Kills the process once the condition holds; it must not have ended before."""
    while not condition() and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    errors = process.communicate()[1].decode()
    assert process.returncode == -signal.SIGKILL, errors


def finish(process):
    errors = process.communicate()[1].decode()
    assert process.returncode == 0, errors


def numbers(folder):
    """All that does not depend on a clock, or on the command's words."""
    lines = (folder / "results.jsonl").read_text().splitlines()
    clocked = ("seconds", "step_seconds", "sample_milliseconds", "pretraining", "command")
    return [{k: v for k, v in json.loads(line).items() if k not in clocked} for line in lines]


def test_a_study_killed_between_and_within_runs_ends_with_the_very_same_numbers(images, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    undisturbed = start(images, whole)
    results = killed / "results.jsonl"
    # Right after the first run has been written down.
    kill_when(start(images, killed), lambda: results.exists() and results.stat().st_size)
    # In the middle of LCMA's training, which the pre-training's cost comes before.
    cost = killed / "statistics" / "seed-0-plain.json"
    kill_when(start(images, killed), cost.exists)
    # And in the middle of writing a line.
    with open(results, "ab") as file:
        file.write(b'{"arm": "lcma", "se')
    finish(start(images, killed))
    finish(undisturbed)
    assert [row["arm"] for row in numbers(whole)] == ["checkerboard", "lcma"]
    assert numbers(killed) == numbers(whole)
    assert (killed / "report" / "report.md").exists()
    assert not [path for path in killed.rglob(".*") if os.fspath(path).endswith(".tmp")]
