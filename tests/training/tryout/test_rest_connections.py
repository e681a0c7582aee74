"""Bodies too large, clients that go away, and what is not HTTP: the server lives on."""

import http.client
import json
import socket

import numpy as np
import pytest

from tests.training.tryout.conftest import LIMIT

IMAGE = np.zeros((8, 8, 1), np.uint8).tolist()


@pytest.fixture(autouse=True)
def and_lives_on(lives_on):
    """After everything here, a good request is answered."""


@pytest.mark.parametrize("size", [LIMIT + 1, 20_000_000])
def test_a_body_beyond_the_limit_is_refused_and_the_client_learns_why(size, rest):
    status, answer = rest.request("POST", "/v1/models/digits:predict", b" " * size)
    assert status == 413
    assert answer["error"] == f"the body may have up to {LIMIT} bytes; got {size}."


def test_a_body_of_the_limit_is_read(rest):
    body = json.dumps({"instances": [IMAGE]}).encode()
    assert rest.predict(body + b" " * (LIMIT - len(body)))[0] == 200


def raw(server, text, more=b""):
    """Sends bytes as they are; returns all that comes back."""
    host, port = server.rest_address.split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(text.replace("\n", "\r\n").encode() + more)
        received = b""
        while part := connection.recv(65536):
            received += part
    return received.decode()


@pytest.mark.parametrize(
    "headers, status",
    [
        ("", 411),
        ("Transfer-Encoding: chunked\n", 411),
        ("Content-Length: -5\n", 400),
        ("Content-Length: many\n", 400),
        (f"Content-Length: {'9' * 5000}\n", 400),
        ("Content-Length: 999999999999\n", 413),
        (f"Content-Length: {LIMIT + 1}\nExpect: 100-continue\n", 413),
        ("Content-Length: 2\nContent-Encoding: gzip\n", 415),
    ],
)
def test_bodies_of_no_known_or_allowed_size_are_refused_unread(headers, status, server):
    answer = raw(server, f"POST /v1/models/digits:predict HTTP/1.1\nHost: x\n{headers}\n")
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert '{"error": "' in answer and "Connection: close" in answer


def test_a_client_that_asks_first_is_told_to_go_on(server):
    body = json.dumps({"instances": [IMAGE]}).encode()
    head = f"Content-Length: {len(body)}\nExpect: 100-continue\nConnection: close\n\n"
    answer = raw(server, f"POST /v1/models/digits:predict HTTP/1.1\nHost: x\n{head}", body)
    assert answer.startswith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


@pytest.mark.parametrize(
    "line", ["nonsense", "GET / HTTP/9.9", "GET " + "/x" * 40_000 + " HTTP/1.1"]
)
def test_what_is_not_http_is_answered_in_json(line, server):
    answer = raw(server, f"{line}\n\n")
    assert '{"error": "' in answer


def test_clients_that_go_away_do_no_harm(server, capfd):
    host, port = server.rest_address.split(":")
    request = (
        "POST /v1/models/digits:predict HTTP/1.1\r\nContent-Length: 5000\r\n\r\n" + '{"instances": '
    )
    for sent in ("", "POST", request):
        for _ in range(5):
            connection = socket.create_connection((host, int(port)), timeout=20)
            connection.sendall(sent.encode())
            # A reset, not a farewell.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
    lost = http.client.HTTPConnection(server.rest_address)
    lost.request("POST", "/v1/models/digits:predict", json.dumps({"instances": [IMAGE] * 200}))
    lost.close()
    assert "Traceback" not in capfd.readouterr().err
