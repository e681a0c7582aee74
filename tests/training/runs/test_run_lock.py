"""A folder has one holder; a holder that died has nothing."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tfp_lcma.training.runs.run_lock import folder_turn, own_turn, run_lock

# The module alone: the package need not be imported to hold a lock.
HOLDER = """
import importlib.util, pathlib, sys, time
spec = importlib.util.spec_from_file_location("run_lock", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
with module.run_lock(pathlib.Path(sys.argv[2])):
    print("held", flush=True)
    time.sleep(60)
"""


def held_by_another(folder):
    file = sys.modules[run_lock.__module__].__file__
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, file, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_refused_and_told_who_has_the_folder(tmp_path):
    other = held_by_another(tmp_path / "run")
    try:
        expected = rf"process {other.pid} on {socket.gethostname()}, since 20"
        with pytest.raises(ValueError, match=expected), run_lock(tmp_path / "run"):
            pass
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()
    # It died without a word: its lock went with it.
    with run_lock(tmp_path / "run"):
        assert json.loads((tmp_path / "run" / ".lock").read_text())["pid"] == os.getpid()


def test_a_folder_is_free_again_after_the_block_even_if_it_raised(tmp_path):
    with pytest.raises(KeyError), run_lock(tmp_path):
        raise KeyError
    with run_lock(tmp_path), pytest.raises(ValueError, match="--run-dir"), run_lock(tmp_path):
        pass


def test_those_who_share_a_folder_keep_out_who_does_not(tmp_path):
    with run_lock(tmp_path, shared=True), run_lock(tmp_path, shared=True):
        with pytest.raises(ValueError, match="--run-dir"), run_lock(tmp_path):
            pass
        with own_turn(tmp_path, "task", True) as first, own_turn(tmp_path, "task", True) as second:
            assert (first, second) == (True, False)
        with own_turn(tmp_path, "task", True) as again:
            assert again


def test_a_folder_is_changed_by_one_at_a_time(tmp_path):
    file = tmp_path / "folder" / "number"

    def count(_):
        with folder_turn(file.parent):
            number = int(file.read_text()) if file.exists() else 0
            time.sleep(0.002)
            file.write_text(str(number + 1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(20)))
    assert file.read_text() == "20"
    assert list(file.parent.iterdir()) == [file]
