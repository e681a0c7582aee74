"""What the command refuses to serve, where, and that a stopped server is gone."""

import signal
import socket

import pytest
from click.testing import CliRunner

from tests.training.tryout.clients import Rest
from tfp_lcma.training.cli.serve import serve
from tfp_lcma.training.tryout.model import ServedModel
from tfp_lcma.training.tryout.server import TryOutServer
from tfp_lcma.training.tryout.versions import latest_version


@pytest.fixture
def run():
    """Runs the command and puts the handlers of signals back."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield lambda *words: CliRunner().invoke(serve, [str(word) for word in words])
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_it_listens_on_loopback_only_unless_asked_otherwise(server):
    for address in (server.rest_address, server.grpc_address):
        host, port = address.split(":")
        assert host == "127.0.0.1"
        socket.create_connection((host, int(port)), timeout=5).close()
        with pytest.raises(OSError):
            # Also loopback, but reached only by who listens on every address.
            socket.create_connection(("127.0.0.2", int(port)), timeout=5)


def test_a_busy_port_is_named(export, server, run):
    rest, grpc = (address.split(":")[1] for address in (server.rest_address, server.grpc_address))
    for rest_port, grpc_port, busy in ((rest, 0, rest), (0, grpc, grpc)):
        result = run(export, "--rest-port", rest_port, "--grpc-port", grpc_port)
        assert result.exit_code == 1
        assert f"cannot listen on 127.0.0.1, port {busy}: " in result.output


@pytest.mark.parametrize("made", [(), ("latest",)])
def test_a_folder_without_versions_is_refused(made, run, tmp_path):
    for name in made:
        (tmp_path / name).mkdir()
    result = run(tmp_path)
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


def test_a_stopped_server_does_not_answer_even_on_a_connection_that_was_kept(model):
    with TryOutServer(model, rest_port=0, grpc_port=0) as server:
        kept = Rest(server.rest_address)
        assert kept.request("GET", "/v1/models/digits")[0] == 200
        host, port = server.rest_address.split(":")
    assert kept.connection.sock.recv(1) == b""
    with pytest.raises(OSError):
        socket.create_connection((host, int(port)), timeout=5)
