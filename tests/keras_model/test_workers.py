"""Several processes, or several replicas in one, train as one process does."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

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


def check_alike(several, one, weights, bits):
    for got in several:
        assert np.array_equal(got["exit_map"], one["exit_map"])
        np.testing.assert_allclose(got["weights"], one["weights"], rtol=0, atol=weights)
        apart = np.abs(got["val_bits_per_dimension"] - one["val_bits_per_dimension"])
        assert apart.max() < bits
        np.testing.assert_allclose(got["loss"], one["loss"], rtol=1e-5)


def test_two_workers_train_real_nvp_with_lcma_as_one_process_does(tmp_path):
    (alone,) = results(tmp_path, "lcma", "float64", 1, [{}])
    check_alike(of_workers(tmp_path, "lcma", "float64"), alone, 1e-10, 1e-5)


@pytest.mark.scale
@pytest.mark.parametrize("flow", ["lcma", "glow", "residual"])
def test_two_replicas_and_two_workers_train_as_one_process_does(flow, tmp_path):
    (alone,) = results(tmp_path, flow, "float64", 1, [{}])
    replicas = results(tmp_path, flow, "float64", 2, [{}])
    check_alike(replicas, alone, 1e-10, 1e-5)
    check_alike(of_workers(tmp_path, flow, "float64"), alone, 1e-10, 1e-5)
