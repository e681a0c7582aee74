"""Commands under a strategy give what they give without one, and only the chief writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.keras_model.test_workers import free_addresses
from tfp_lcma.training.studies.results import ResultsFile

ROOT = Path(__file__).parents[3]
# Batches of an odd number of images, a level of few channels.
SMALL = (
    "--data", "digits", "--limit", "24", "--steps", "2", "--threads", "1",
    "--set", "model.width=2", "--set", "model.blocks=1", "--set", "training.batch_size=9",
    "--set", "training.learning_rate=1e-5", "--set", "evaluation.draws=1",
)  # fmt: skip


def called(folder, count, *arguments):
    """Calls a command in so many workers, which must all succeed; returns what they say."""
    addresses, running = free_addresses(count), []
    command = [sys.executable, "-m", "tfp_lcma", *arguments, *SMALL, "--run-dir", str(folder)]
    logs = [folder.with_name(f"{folder.name}-{number}.log") for number in range(count)]
    for number, log in enumerate(logs):
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
        strategy = "mirrored"
        if count > 1:
            task = {"type": "worker", "index": number}
            environment["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": task})
            strategy = "multi-worker"
        with log.open("w") as said:
            line = [*command, "--strategy", strategy]
            process = subprocess.Popen(line, cwd=ROOT, env=environment, stdout=said, stderr=said)
        running.append(process)
    try:
        for process, log in zip(running, logs, strict=True):
            assert process.wait(300) == 0, log.read_text()[-3000:]
    finally:
        for process in running:
            process.kill()
            process.wait()
    return [log.read_text() for log in logs]


@pytest.mark.scale
def test_two_workers_train_draw_and_export_as_one_process_does(tmp_path):
    export = ("--export-dir", str(tmp_path / "export"))
    chief, other = called(tmp_path / "two", 2, "train", *export)
    called(tmp_path / "one", 1, "train", "--no-export")
    two, one = (json.loads((tmp_path / n / "metrics.json").read_text()) for n in ("two", "one"))
    assert two["test"]["bits_per_dimension"] == pytest.approx(one["test"]["bits_per_dimension"])
    assert "2 replicas: of the 9 images of a step at most 5 each" in chief
    assert "Everything is in" in chief and "bits/dim" not in other
    files = {path.name for path in (tmp_path / "two").iterdir()}
    assert files == {path.name for path in (tmp_path / "one").iterdir()}
    assert Path(two["export"]).is_dir()
    # Started again, none waits for the others.
    for said in called(tmp_path / "two", 2, "train", "--no-export"):
        assert "is complete" in said


@pytest.mark.scale
def test_two_workers_compare_as_one_process_does(tmp_path):
    compare = ("compare", "--seeds", "1", "--arms", "checkerboard,lcma")
    chief, other = called(tmp_path / "two", 2, *compare)
    called(tmp_path / "one", 1, *compare)
    two, one = (ResultsFile(tmp_path / n / "results.jsonl").rows() for n in ("two", "one"))
    for mine, theirs in zip(two, one, strict=True):
        assert mine["arm"] == theirs["arm"]
        bits = theirs["validation"]["bits_per_dimension"]
        assert mine["validation"]["bits_per_dimension"] == pytest.approx(bits)
    assert "The report is" in chief and "The report is" not in other
    assert (tmp_path / "two" / "report" / "report.md").exists()
