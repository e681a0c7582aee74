"""The page on several machines: files parse, options exist, the script names all workers."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import click
import numpy as np
import pytest

from tfp_lcma.training.cli.group import group
from tfp_lcma.training.studies.timing import ratio

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "how_to" / "several_machines.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def options(name):
    command = group.get_command(click.Context(group), name)
    return {flag for option in command.params for flag in option.opts}


def check(words):
    """Checks the options of a command, given without the program's name."""
    command, *given = words
    for word in given:
        if word.startswith("--"):
            assert word.partition("=")[0] in options(command), word


def test_options_of_every_command_on_the_page_exist():
    lines = re.sub(r"\\\n\s*", "", PAGE).splitlines()
    commands = [line.partition("tfp-lcma ")[2] for line in lines if "tfp-lcma train " in line]
    commands += re.findall(r"`tfp-lcma ([^`]*--[^`]*)`", PAGE)
    assert len(commands) >= 6
    for command in commands:
        check(shlex.split(command, comments=True))


def test_manifests_parse_and_every_process_gets_the_same_command():
    yaml = pytest.importorskip("yaml")
    job, vertex = map(yaml.safe_load, blocks("yaml"))
    replicas = job["spec"]["tfReplicaSpecs"]
    assert replicas["Chief"]["replicas"] == 1
    assert replicas["Chief"]["template"] == replicas["Worker"]["template"]
    (container,) = replicas["Worker"]["template"]["spec"]["containers"]
    assert container["name"] == "tensorflow"
    chief, workers = vertex["workerPoolSpecs"]
    assert chief["replicaCount"] == 1
    assert chief["containerSpec"] == workers["containerSpec"]
    for run in (container, chief["containerSpec"]):
        program, *command = run["command"]
        assert program == "tfp-lcma"
        check([*command, *run["args"]])
        assert "--strategy=multi-worker" in run["args"]


def test_the_batch_script_tells_every_task_of_the_others_and_of_itself(tmp_path):
    (script,) = blocks("bash")
    stubs = {
        "scontrol": "printf 'node-1\\nnode-2\\n'",
        "srun": 'shift; for n in 0 1; do SLURM_PROCID=$n "$@"; done',
        "tfp-lcma": 'echo "$TF_CONFIG"; echo "$@" >> "$CALLS"',
    }
    for name, body in stubs.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "SLURM_JOB_NODELIST": "node-[1-2]",
        "CALLS": str(tmp_path / "calls"),
    }
    done = subprocess.run(
        ["bash", "-euc", script], env=environment, capture_output=True, text=True, check=True
    )
    configs = [json.loads(line) for line in done.stdout.splitlines()]
    workers = {"worker": ["node-1:2222", "node-2:2222"]}
    assert configs == [
        {"cluster": workers, "task": {"type": "worker", "index": number}} for number in range(2)
    ]
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[0] == calls[1]
    check(shlex.split(calls[0]))


@pytest.mark.parametrize(("folder", "images"), [("scale", 32), ("scale_batch32", 16)])
def test_the_page_has_the_ratio_of_each_report(folder, images):
    seconds, found = _seconds(folder)
    pair = ratio(seconds["alone"], seconds["communicating"])
    assert found["batch"] == 2 * images
    interval = f"{pair.low:.2f} to {pair.high:.2f}"
    row = f"| {images} | {pair.median:.2f} | {interval} | [report](../results/{folder}/report.md) |"
    assert row in PAGE


def test_two_processes_and_input_are_fast_enough():
    seconds, _ = _seconds("scale")
    input_of_files = ratio(seconds["step"], seconds["files"]).median
    arrays = ratio(seconds["step"], seconds["arrays"]).median
    words = " ".join(PAGE.split())
    assert f"{input_of_files:.0f} times as fast as training steps from TFRecord" in words
    assert f"{arrays:.0f} times from arrays" in words
    assert input_of_files >= 10
    assert ratio(seconds["alone"], seconds["communicating"]).median >= 0.85


def _seconds(folder):
    found = json.loads((DOCS / "results" / folder / "results.json").read_text())
    return {name: np.array(values) for name, values in found["seconds"].items()}, found


def test_the_model_of_the_page_is_made_in_a_scope():
    (code,) = blocks("python")
    names = {"__name__": "docs"}
    exec(code, names)
    assert names["model"].distribute_strategy is names["strategy"]
