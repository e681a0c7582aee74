"""The command: says where it listens, on loopback, needs no TFP, and stops when asked to."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tfp_lcma.training.tryout.__main__ import main
from tfp_lcma.training.tryout.errors import RequestError
from tfp_lcma.training.tryout.model import ServedModel
from tfp_lcma.training.tryout.server import TryOutServer
from tfp_lcma.training.tryout.session import latest_version

from tests.training.tryout.clients import Rest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def kept_signals():
    """Puts back the handlers that the command replaces."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_it_serves_on_loopback_until_ctrl_c(export, tmp_path):
    command = [sys.executable, "-X", "importtime", "-m", "tfp_lcma.training.tryout", str(export)]
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [*command, "--rest-port", "0", "--grpc-port", "0"],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        )
    try:
        lines = [process.stdout.readline() for _ in range(6)]
        assert lines[1] == "digits, version 10; for trying out, not for production.\n"
        address = re.fullmatch(r" +page  http://(127\.0\.0\.1:\d+)/\n", lines[2])[1]
        assert re.fullmatch(r" +gRPC  127\.0\.0\.1:\d+\n", lines[4])
        connection = http.client.HTTPConnection(address, timeout=60)
        connection.request("GET", "/v1/models/digits")
        assert b"AVAILABLE" in connection.getresponse().read()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, output) == (0, "Stopping.\n")
    errors = log.read_text()
    assert "Traceback" not in errors
    imported = set(re.findall(r"import time:.*\| +([\w.]+)$", errors, flags=re.MULTILINE))
    assert "tensorflow_serving.apis" in imported
    assert not {name.split(".")[0] for name in imported} & {"tensorflow_probability", "tfp_lcma"}


def test_it_stops_when_it_is_terminated(export, kept_signals, monkeypatch):
    start = TryOutServer.__init__

    def start_and_terminate(*args):
        start(*args)
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()

    monkeypatch.setattr(TryOutServer, "__init__", start_and_terminate)
    result = CliRunner().invoke(main, [str(export), "--rest-port", "0", "--grpc-port", "0"])
    assert result.exit_code == 0
    assert result.output.endswith("Ctrl-C stops it.\nStopping.\n")


def test_it_listens_on_loopback_only_unless_told_otherwise(server):
    for address in (server.rest_address, server.grpc_address):
        host, port = address.split(":")
        assert host == "127.0.0.1"
        socket.create_connection((host, int(port)), timeout=5).close()
        with pytest.raises(OSError):
            # Also loopback, but reached only by who listens on every address.
            socket.create_connection(("127.0.0.2", int(port)), timeout=5)


def test_a_busy_port_is_told(export, server, kept_signals):
    rest, grpc = (address.split(":")[1] for address in (server.rest_address, server.grpc_address))
    for rest_port, grpc_port, busy in ((rest, "0", rest), ("0", grpc, grpc)):
        result = CliRunner().invoke(
            main, [str(export), "--rest-port", rest_port, "--grpc-port", grpc_port]
        )
        assert result.exit_code == 1
        assert f"cannot listen on 127.0.0.1, port {busy}: " in result.output


def test_help_says_what_it_is_not_for():
    result = CliRunner().invoke(main, ["--help"])
    assert "For trying out, not for production" in result.output
    assert "[default: 127.0.0.1]" in " ".join(result.output.split())


@pytest.mark.parametrize("made", [(), ("latest",)])
def test_a_folder_without_versions_is_refused(made, tmp_path):
    for name in made:
        (tmp_path / name).mkdir()
    result = CliRunner().invoke(main, [str(tmp_path)])
    assert result.exit_code == 1
    assert f"{tmp_path} must hold versions of an exported model" in result.output


def test_a_folder_that_is_not_there_or_holds_no_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match="it is not a folder"):
        ServedModel(tmp_path / "nothing")
    (tmp_path / "1").mkdir()
    with pytest.raises(ValueError, match="1 cannot be loaded as a SavedModel"):
        ServedModel(tmp_path)


def test_the_largest_version_is_chosen(tmp_path):
    for name in ("2", "10", "9.5", "latest", ".11.tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "99").write_text("a file")
    assert latest_version(tmp_path) == tmp_path / "10"


def test_a_damaged_model_card_is_refused(tmp_path):
    extra = tmp_path / "1" / "assets.extra"
    extra.mkdir(parents=True)
    (extra / "model.json").write_text('{"bins": 17}')
    with pytest.raises(ValueError, match=r"model\.json must be a model card .*event_shape"):
        ServedModel(tmp_path)


def test_a_stopped_server_answers_nobody_not_even_on_a_connection_that_was_kept(export):
    model = ServedModel(export)
    with TryOutServer(model, rest_port=0, grpc_port=0) as server:
        kept = Rest(server.rest_address)
        assert kept.request("GET", "/v1/models/digits")[0] == 200
        open_socket = kept.connection.sock
        host, port = server.rest_address.split(":")
    assert open_socket.recv(1) == b""
    with pytest.raises(OSError):
        socket.create_connection((host, int(port)), timeout=5)
    model.close()
    with pytest.raises(RequestError, match="the server is stopping"):
        model.predict("sample", {"seed": np.array([[1, 2]], np.int32)})
