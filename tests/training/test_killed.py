"""A run and a study, killed by the system at bad moments, end as undisturbed ones."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.training.tiny import do_both, make_small


def killed_when(folder, condition):
    """Starts both and kills them once the condition holds; they must not have ended before."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.training.tiny", str(folder)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    while not condition() and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    errors = process.communicate()[1].decode()
    assert process.returncode == -signal.SIGKILL, errors


def weights(folder):
    return [w.numpy() for w in keras.saving.load_model(folder / "model.keras").weights]


def numbers(folder):
    """All that does not depend on a clock."""
    lines = (folder / "results.jsonl").read_text().splitlines()
    clocked = ("seconds", "step_seconds", "sample_milliseconds", "pretraining")
    return [{k: v for k, v in json.loads(line).items() if k not in clocked} for line in lines]


def flat(value):
    if isinstance(value, dict):
        return [x for item in value.values() for x in flat(item)]
    return [x for item in value for x in flat(item)] if isinstance(value, list) else [value]


# Of `make test`, runs/test_kills.py kills a run of two workers.
@pytest.mark.scale
def test_killed_and_started_again_both_end_as_undisturbed_ones(tmp_path, monkeypatch):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    # In the middle of the run.
    killed_when(killed, lambda: list((killed / "run/checkpoints/training").glob("ckpt-*.index")))
    # In the middle of LCMA's training, which the pre-training's cost comes before.
    killed_when(killed, (killed / "study/statistics/seed-0-plain.json").exists)
    make_small(monkeypatch.setattr)
    for folder in (killed, whole):
        do_both(folder)
    for mine, theirs in zip(weights(killed / "run"), weights(whole / "run"), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
    rows = numbers(whole / "study")
    assert [row["arm"] for row in rows] == ["lcma"]
    for mine, theirs in zip(flat(numbers(killed / "study")), flat(rows), strict=True):
        assert mine == (pytest.approx(theirs, rel=1e-4) if isinstance(theirs, float) else theirs)
    assert not list(killed.rglob(".*.tmp"))
