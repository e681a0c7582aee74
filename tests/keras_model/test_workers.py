"""Several processes, or several replicas in one, train as one process does."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.processor import computes_in_bfloat16
from tests.workers import CASES

ROOT = Path(__file__).parents[2]


def free_addresses(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


def results(folder, flow, dtype, replicas, tasks):
    """Runs a process for every task and returns what each trained."""
    arguments = [sys.executable, "-m", "tests.workers", flow, dtype, str(replicas)]
    files = [folder / f"{replicas}-{number}.npz" for number in range(len(tasks))]
    logs = [file.with_suffix(".log") for file in files]
    processes = []
    for file, log, task in zip(files, logs, tasks, strict=True):
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", **task}
        # A file: workers wait for each other, and one would wait for whoever reads its pipe.
        with log.open("w") as errors:
            command = [*arguments, str(file)]
            processes.append(subprocess.Popen(command, cwd=ROOT, env=environment, stderr=errors))
    try:
        for process, log in zip(processes, logs, strict=True):
            assert process.wait(timeout=300) == 0, log.read_text()[-3000:]
    finally:
        for process in processes:
            process.kill()  # a worker whose peer has failed waits for it
            process.wait()
    return [dict(np.load(file)) for file in files]


def of_workers(folder, flow, dtype):
    cluster = {"worker": free_addresses(2)}
    tasks = [{"cluster": cluster, "task": {"type": "worker", "index": i}} for i in range(2)]
    return results(folder, flow, dtype, 2, [{"TF_CONFIG": json.dumps(task)} for task in tasks])


def check_alike(several, one):
    """Compares trainings: variables in float64 to 1e-10, all of them by their norm to 1e-4.

    Routers are float32 whatever the flow's type.
    """
    norm = np.linalg.norm(one["weights"])
    exact = one["bytes"] == 8
    for got in several:
        assert np.array_equal(got["exit_map"], one["exit_map"])
        apart = np.abs(got["weights"] - one["weights"])
        assert apart[exact].max(initial=0) < 1e-10
        assert np.linalg.norm(apart) < 1e-4 * norm
        bits = np.abs(got["val_bits_per_dimension"] - one["val_bits_per_dimension"])
        assert bits.max() < (1e-5 if exact.any() else 1e-3)
        np.testing.assert_allclose(got["loss"], one["loss"], rtol=1e-5 if exact.any() else 1e-3)


def check_replicas_and_workers(folder, flow, dtype):
    (alone,) = results(folder, flow, dtype, 1, [{}])
    check_alike(results(folder, flow, dtype, 2, [{}]), alone)
    check_alike(of_workers(folder, flow, dtype), alone)


# Of `make test`, training/runs/test_kills.py trains RealNVP with LCMA on two workers.
@pytest.mark.scale
@pytest.mark.parametrize("flow", ["lcma", *CASES])
def test_two_replicas_and_two_workers_train_as_one_process_does(flow, tmp_path):
    check_replicas_and_workers(tmp_path, flow, "float64")


@pytest.mark.scale
@pytest.mark.parametrize("flow", ["lcma", "glow", "residual", "eiw", "online"])
def test_replicas_and_workers_in_float32_stay_near_one_process(flow, tmp_path):
    check_replicas_and_workers(tmp_path, flow, "float32")


@pytest.mark.scale
@computes_in_bfloat16
def test_replicas_and_workers_in_bfloat16_stay_near_one_process(tmp_path):
    check_replicas_and_workers(tmp_path, "glow", "mixed_bfloat16")


@pytest.mark.scale
def test_workers_that_differ_or_cannot_be_compiled_stop_with_a_sentence(tmp_path):
    for worker in of_workers(tmp_path, "refused", "float32"):
        split, weights, compiled = worker["told"]
        assert re.match(r"the model's shapes, its split.* on worker 0, \w+ on worker 1\.", split)
        assert compiled.startswith("jit_compile must be False on several replicas for a flow with")
        assert re.match(r"the weights of the model.* on worker 0, \w+ on worker 1\.", weights)
