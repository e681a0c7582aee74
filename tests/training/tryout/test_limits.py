"""Limits of the running command: connections, bytes, time, other sites' pages, and its end."""

import concurrent.futures
import ctypes
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
import numpy as np
import pytest

from tests.training.tryout.clients import Grpc, Rest

IMAGE = np.zeros((8, 8, 1), int).tolist()
GOOD = {"instances": [IMAGE]}
PREDICT = "POST /v1/models/digits:predict HTTP/1.1\r\nHost: localhost\r\n"
COMMAND = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
from tfp_lcma.training.cli.serve import serve
serve()
"""
OPTIONS = ["--rest-port", "0", "--grpc-port", "0", "--timeout", "2"]


class Process:
    """The command, which may open 256 files."""

    def __init__(self, export, log):
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-X", "importtime", "-c", COMMAND, str(export), *OPTIONS],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.lines = [self.process.stdout.readline() for _ in range(6)]
        self.rest_address = re.fullmatch(r" +page  http://(127\.0\.0\.1:\d+)/\n", self.lines[2])[1]
        self.grpc_address = re.fullmatch(r" +gRPC  (127\.0\.0\.1:\d+)\n", self.lines[4])[1]

    def connect(self, address, text=""):
        host, port = address.split(":")
        connection = socket.create_connection((host, int(port)), timeout=60)
        connection.sendall(text.encode())
        return connection

    def proc(self, name):
        return Path(f"/proc/{self.process.pid}/{name}")

    def kilobytes(self, what):
        return int(re.search(rf"{what}:\s+(\d+) kB", self.proc("status").read_text())[1])


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return tmp_path_factory.mktemp("serve") / "log"


@pytest.fixture(scope="module")
def served(export, log):
    served = Process(export, log)
    yield served
    served.process.kill()


@pytest.fixture
def client(served):
    return Rest(served.rest_address)


def test_the_command_says_what_it_serves_and_imports_no_flow(served, log):
    assert served.lines[1] == "digits, version 10; for trying out, not for production.\n"
    imported = set(re.findall(r"import time:.*\| +([\w.]+)$", log.read_text(), flags=re.MULTILINE))
    assert "tensorflow_serving.apis" in imported
    assert not imported & {"tensorflow_probability", "tfp_lcma.bijectors"}


def test_three_hundred_idle_connections_leave_other_clients_served(served, client):
    images, kept_grpc = np.zeros((1, 8, 8, 1), np.uint8), Grpc(served.grpc_address)
    assert client.predict(GOOD)[0] == 200 and kept_grpc.outputs("log_prob", images=images)
    kept = client.connection.sock
    idle = [served.connect(served.rest_address) for _ in range(300)]
    idle += [served.connect(served.grpc_address) for _ in range(300)]
    assert client.predict(GOOD)[0] == 200 and client.connection.sock is kept
    assert Rest(served.rest_address).predict(GOOD)[0] == 200
    assert kept_grpc.outputs("log_prob", images=images)
    # A new channel has to wait until those that sent nothing are closed.
    grpc.channel_ready_future(Grpc(served.grpc_address).channel).result(timeout=60)
    assert len(list(served.proc("fd").iterdir())) < 256
    for connection in idle:
        connection.close()


def test_clients_that_are_slow_to_ask_are_cut_off(served):
    heads = {
        "GET / HTTP/1.1\r\nHost: local": b"",
        PREDICT + "Content-Length: 100\r\n\r\n{": b"HTTP/1.1 408",
        PREDICT + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n": b"HTTP/1.1 408",
    }
    connections = [served.connect(served.rest_address, head) for head in heads]
    for connection, answer in zip(connections, heads.values(), strict=True):
        received = b""
        while part := connection.recv(65536):
            received += part
        assert received.startswith(answer) and bool(received) == bool(answer)


def test_a_request_that_computes_too_long_is_answered_in_time(client):
    status, answer = client.predict({"signature_name": "spin", "instances": [10**9]})
    assert status == 504 and "refused" in answer["error"]


MEBIBYTE = 1 << 20
NESTED = {
    "open lists": b'{"instances": ' + b"[" * 16 * MEBIBYTE,
    "numbers": b'{"instances": [' + b"0," * 8 * MEBIBYTE,
    "short lists": b'{"instances": [' + b"[0]," * 4 * MEBIBYTE,
    "a wide image": b'{"instances": [[[' + b"[0]," * 4 * MEBIBYTE,
    "seeds": b'{"signature_name": "sample", "instances": [' + b"[0,0]," * 2 * MEBIBYTE,
    "objects": b'{"inputs": ' + b'{"":' * 4 * MEBIBYTE,
    "spaces": b'{"inputs": [' + b" " * 16 * MEBIBYTE,
    "text": b'{"signature_name": "log_prob_encoded", "inputs": [' + b'"",' * 5 * MEBIBYTE,
}


@pytest.mark.parametrize("name", NESTED)
def test_sixteen_mebibytes_of_nested_numbers_are_refused_with_little_memory(name, served, client):
    body = NESTED[name][: 16 * MEBIBYTE]
    before = served.kilobytes("VmRSS")
    served.proc("clear_refs").write_text("5")  # forgets the peak
    status, answer = client.request("POST", "/v1/models/digits:predict", body)
    assert status in (400, 429), answer
    assert served.kilobytes("VmHWM") - before < 100_000


@pytest.mark.parametrize("size", [16 * MEBIBYTE + 1, 40 * MEBIBYTE])
def test_a_body_beyond_the_limit_is_refused_and_the_client_learns_why(size, client):
    status, answer = client.request("POST", "/v1/models/digits:predict", b" " * size)
    assert status == 413
    assert answer["error"] == f"the body may have up to {16 * MEBIBYTE} bytes; got {size}."


def test_clients_that_go_away_do_no_harm(served, client, log):
    for sent in ("", "POST", PREDICT + 'Content-Length: 5000\r\n\r\n{"instances": '):
        for _ in range(5):
            connection = served.connect(served.rest_address, sent)
            # A reset, not a farewell.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
    lost = Rest(served.rest_address).connection
    lost.request("POST", "/v1/models/digits:predict", json.dumps({"instances": [IMAGE] * 200}))
    lost.close()
    assert client.predict(GOOD)[0] == 200
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize(
    "headers, status",
    [
        ({"Host": "evil.example"}, 403),  # a name that was made to point here
        ({"Host": "evil.example:8501"}, 403),
        ({"Host": ""}, 403),
        ({"Host": "[::1"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "localhost:1", "Origin": "http://localhost:2"}, 403),
        ({"Host": "localhost:8501", "Origin": "http://localhost:8501"}, 200),
        ({"Host": "[::1]:8501"}, 200),
        ({"Host": "192.168.0.7"}, 200),  # no page has an address for its name
    ],
)
def test_pages_of_other_sites_can_ask_nothing(headers, status, client):
    assert (
        client.request("POST", "/v1/models/digits:predict", json.dumps(GOOD), headers)[0] == status
    )


def test_the_page_can_be_framed_nowhere_and_load_nothing_from_elsewhere(client):
    status, text = client.request("GET", "/")
    assert status == 200 and not re.search(r"https?:|url\(|@import", text)
    assert client.response.headers["X-Frame-Options"] == "DENY"
    policy = client.response.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy


def test_the_end_of_the_command_interrupts_no_request(served, log):
    seen = [[] for _ in range(6)]  # by client: statuses of REST, and codes of gRPC
    ending, deadline = threading.Event(), time.monotonic() + 60

    def ask(client):
        """Asks until there is no answer, or should long have been none."""
        rest, over_grpc = Rest(served.rest_address), Grpc(served.grpc_address)
        images = np.zeros((1, 8, 8, 1), np.uint8)
        while client % 2:
            if time.monotonic() > deadline:
                return
            try:
                seen[client].append(rest.predict(GOOD)[0])
            except OSError:  # a connection that was idle for too long, unless the server ends
                if ending.is_set():
                    return
                rest.connection.close()
        try:
            while time.monotonic() < deadline:
                over_grpc.outputs("log_prob", images=images)
                seen[client].append("OK")
        except grpc.RpcError as error:
            seen[client].append(error.code().name)

    def spin():
        return Rest(served.rest_address).predict({"signature_name": "spin", "instances": [20_000]})

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, client) for client in range(6)]
        while min(map(len, seen)) < 5 and not any(part.done() for part in asked):
            time.sleep(0.01)
        long = pool.submit(spin)
        time.sleep(0.05)
        ending.set()
        # Not the thread of Python's handlers receives it: the system may choose any.
        threads = (int(thread.name) for thread in served.proc("task").iterdir())
        other = min(number for number in threads if number != served.process.pid)
        ctypes.CDLL(None).tgkill(served.process.pid, other, signal.SIGTERM)
        assert long.result() == (200, {"predictions": [20_000]})
        for part in asked:
            part.result()
    assert served.process.wait(timeout=60) == 0
    assert served.process.stdout.read() == "Stopping.\n"
    assert "Traceback" not in log.read_text()
    for client, answers in enumerate(seen):
        pattern = "(200 )+(503 )*" if client % 2 else "(OK )+UNAVAILABLE "
        assert re.fullmatch(pattern, "".join(f"{answer} " for answer in answers))
