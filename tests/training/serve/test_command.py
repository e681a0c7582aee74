"""The command: says where it listens, on loopback, needs no TFP, and stops when asked to."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from training.serve.__main__ import main
from training.serve.model import ServedModel, latest_version
from training.serve.server import TryOutServer

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_on_loopback_until_it_is_told_to_stop(number, export, tmp_path):
    command = [sys.executable, "-X", "importtime", "-m", "training.serve", str(export)]
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
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, output) == (0, "Stopping.\n")
    errors = log.read_text()
    assert "Traceback" not in errors
    imported = set(re.findall(r"import time:.*\| +([\w.]+)$", errors, flags=re.MULTILINE))
    assert "tensorflow_serving.apis" in imported
    assert not {name.split(".")[0] for name in imported} & {"tensorflow_probability", "tfp_lcma"}


def test_it_listens_on_loopback_only_unless_told_otherwise(server):
    others = [info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    elsewhere = [host for host in others if not host.startswith("127.")]
    if not elsewhere:
        pytest.skip("this machine has no address but loopback")
    for address in (server.rest_address, server.grpc_address):
        host, port = address.split(":")
        assert host == "127.0.0.1"
        socket.create_connection((host, int(port)), timeout=5).close()
        with pytest.raises(OSError):
            socket.create_connection((elsewhere[0], int(port)), timeout=5)


def test_a_busy_port_is_told(export, server):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        port = server.rest_address.split(":")[1]
        result = CliRunner().invoke(main, [str(export), "--rest-port", port, "--grpc-port", "0"])
        assert result.exit_code == 1
        assert f"cannot listen on 127.0.0.1, port {port}: " in result.output
        port = server.grpc_address.split(":")[1]
        result = CliRunner().invoke(main, [str(export), "--rest-port", "0", "--grpc-port", port])
        assert result.exit_code == 1
        assert f"cannot listen on 127.0.0.1, port {port}: " in result.output
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)


def test_help_says_what_it_is_not_for():
    result = CliRunner().invoke(main, ["--help"])
    assert "For trying out, not for production" in result.output
    assert re.search(r"--host TEXT .*\s.*\[default: 127\.0\.0\.1\]", result.output)


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


def test_a_stopped_server_answers_nobody_and_its_model_says_so(export):
    model = ServedModel(export)
    with TryOutServer(model, rest_port=0, grpc_port=0) as server:
        host, port = server.rest_address.split(":")
    with pytest.raises(OSError):
        socket.create_connection((host, int(port)), timeout=5)
    model.close()
