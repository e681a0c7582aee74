"""Requests that do not fit get the right status and a message; the server lives on."""

import base64
import json
import re

import numpy as np
import pytest

from tests.training.tryout.conftest import png
from tests.training.tryout.toy_export import BINS

IMAGE = np.zeros((8, 8, 1), np.uint8).tolist()
FLOAT = np.zeros((8, 8, 1)).tolist()
SEED = [1, 2]


@pytest.fixture(autouse=True)
def and_lives_on(lives_on):
    """After every refusal here, a good request is answered."""


def b64(content):
    return {"b64": base64.b64encode(content).decode()}


def with_pixel(image, value):
    changed = json.loads(json.dumps(image))
    changed[2][3][0] = value
    return changed


def encoded(*files):
    return {"signature_name": "log_prob_encoded", "inputs": {"image_bytes": list(files)}}


SMALL = png(np.full((8, 8, 1), 3, np.uint8))
LARGE = png(np.zeros((4000, 4000, 1), np.uint8))
BRIGHT = png(np.full((8, 8, 1), 200, np.uint8))
JPEG = png(np.full((8, 8, 1), 3, np.uint8), "JPEG")
GIF = png(np.full((8, 8, 1), 3, np.uint8), "GIF")

BODIES = {
    "nothing": ("", "must be JSON"),
    "no JSON": ("{", "must be JSON"),
    "a cut": (json.dumps({"instances": [IMAGE]})[:-5], "must be JSON"),
    "not UTF-8": (b'{"instances": "\xff\xfe"}', "must be JSON"),
    "a deep nest": ("[" * 50_000, "nested too deeply"),
    "a deep list": ('{"instances": ' + "[" * 200 + "1" + "]" * 200 + "}", "at most 16 dimensions"),
    "a huge number": ('{"instances": [[' + "9" * 5000 + "]]}", "must be JSON"),
    "no object": ([IMAGE], "must be a JSON object"),
    "no inputs": ({"signature_name": "log_prob"}, "either instances or inputs; got none"),
    "both": ({"instances": [IMAGE], "inputs": [IMAGE]}, "got instances and inputs"),
    "no list": ({"instances": 3}, "list of at least one; got 3"),
    "no rows": ({"instances": []}, r"list of at least one; got \[\]"),
    "a signature that is no text": ({"signature_name": 3, "inputs": 1}, "must be a string; got 3"),
    "an unknown signature": (
        {"signature_name": "log_probs", "instances": [IMAGE]},
        "one of event_log_prob, .*got 'log_probs'",
    ),
    "an unknown input": (
        {"inputs": {"images": [IMAGE], "pictures": [IMAGE]}},
        r"takes images \(uint8 \[n, 8, 8, 1\]\); 'pictures' is unknown",
    ),
    "a missing input": (
        {"signature_name": "log_prob_with_seed", "inputs": {"images": [IMAGE]}},
        "seed is missing",
    ),
    "no names for two inputs": (
        {"signature_name": "log_prob_with_seed", "instances": [IMAGE]},
        "must be objects with images, seed",
    ),
    "rows of two kinds": (
        {"instances": [{"images": IMAGE}, IMAGE]},
        r"objects that all have images; got .* at \[1\]",
    ),
    "a small image": (
        {"instances": [IMAGE[:7]]},
        r"images must be uint8 \[n, 8, 8, 1\]; got shape \[1, 7, 8, 1\]",
    ),
    "an image without its channel": (
        {"inputs": np.zeros((1, 8, 8)).astype(int).tolist()},
        r"got shape \[1, 8, 8\]",
    ),
    "no batch": ({"inputs": IMAGE}, r"got shape \[8, 8, 1\]"),
    "a large image": (
        {"inputs": np.zeros((1, 64, 64, 1), int).tolist()},
        r"got shape \[1, 64, 64, 1\]",
    ),
    "ragged rows": (
        {"instances": [IMAGE, IMAGE[:7]]},
        r"images at \[1\] must be a list of 8.*got a list of 7",
    ),
    "a number for a list": (
        {"instances": [with_pixel(IMAGE, 0), with_pixel(IMAGE, [0])]},
        r"at \[1, 2, 3, 0\] must be a whole number from 0 to 255; got a list",
    ),
    "a list for a number": ({"instances": [IMAGE, 3]}, r"at \[1\] must be a list of 8; got 3"),
    "text for a number": (
        {"instances": [with_pixel(IMAGE, "7")]},
        r"images at \[0, 2, 3, 0\] must be a whole number from 0 to 255; got '7'",
    ),
    "true for a number": ({"instances": [with_pixel(IMAGE, True)]}, "got True"),
    "null for a number": ({"instances": [with_pixel(IMAGE, None)]}, "got None"),
    "a fraction for an intensity": ({"instances": [with_pixel(IMAGE, 1.5)]}, "got 1.5"),
    "NaN for an intensity": ({"instances": [with_pixel(IMAGE, float("nan"))]}, "got nan"),
    "a negative intensity": ({"instances": [with_pixel(IMAGE, -1)]}, "got -1"),
    "an intensity beyond a byte": ({"instances": [with_pixel(IMAGE, 256)]}, "got 256"),
    "an intensity beyond the bins": (
        {"instances": [with_pixel(IMAGE, BINS)]},
        r"images must be whole intensities from 0 to 16; got 17 at \[0, 2, 3, 0\]",
    ),
    "NaN in an image": (
        {"signature_name": "log_prob_float", "instances": [with_pixel(FLOAT, float("nan"))]},
        r"images must be finite; got nan at \[0, 2, 3, 0\]",
    ),
    "infinity in an image": (
        {"signature_name": "log_prob_float", "instances": [with_pixel(FLOAT, float("inf"))]},
        "images must be finite; got inf",
    ),
    "a number too large for its type": (
        {"signature_name": "log_prob_float", "instances": [with_pixel(FLOAT, 1e300)]},
        "images must be finite; got inf",
    ),
    "a float image beyond the bins": (
        {"signature_name": "log_prob_float", "instances": [with_pixel(FLOAT, 17.0)]},
        "images must be at least 0 and less than 17; got 17.0",
    ),
    "a negative temperature": (
        {
            "signature_name": "sample_with_temperature",
            "instances": [{"seed": SEED, "temperature": -0.5}],
        },
        r"temperature must be at least 0; got -0.5 at \[0\]",
    ),
    "rows that do not match": (
        {
            "signature_name": "sample_with_temperature",
            "inputs": {"seed": [SEED, SEED], "temperature": [1.0]},
        },
        "same number of rows; seed has 2, temperature has 1",
    ),
    "a seed of one number": (
        {"signature_name": "sample", "instances": [[1]]},
        r"seed must be int32 \[n, 2\]; got shape \[1, 1\]",
    ),
    "a seed beyond its type": ({"signature_name": "sample", "instances": [[1, 2**31]]}, "got 2147"),
    "bad base64": (encoded({"b64": "a?b"}), r"image_bytes at \[0\] must be .*base64"),
    "base64 that is no text": (encoded({"b64": 3}), "in base64; got {'b64': 3}"),
    "no image": (encoded("hello"), r"image_bytes\[0\] must be a PNG or JPEG .*got 5 bytes"),
    "no bytes": (encoded(b64(b"")), "got 0 bytes"),
    "a GIF": (encoded(b64(GIF)), "must be a PNG or JPEG"),
    "a truncated PNG": (encoded(b64(SMALL), b64(SMALL[:-20])), "model refused.*PNG"),
    "a truncated JPEG": (encoded(b64(JPEG[: len(JPEG) // 2])), r"image_bytes\[0\] must be"),
    "a PNG of a header": (encoded(b64(SMALL[:20])), "bytes that are not"),
    "a damaged PNG": (encoded(b64(SMALL[:45] + b"\0" * 8 + SMALL[53:])), "damaged"),
    "a large PNG": (encoded(b64(LARGE)), "8×8 pixels; got one of 4000×4000"),
    "a PNG too bright": (encoded(b64(BRIGHT)), r"intensities from 0 to 16; got 200"),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies_that_do_not_fit_are_bad_requests_with_a_message(name, rest):
    body, message = BODIES[name]
    status, answer = rest.predict(body)
    assert status == 400, answer
    assert set(answer) == {"error"}
    assert re.search(message, answer["error"]), answer["error"]
    assert "Traceback" not in answer["error"] and len(answer["error"]) < 1000


@pytest.mark.parametrize(
    "method, path, status, message",
    [
        ("GET", "/v2", 404, "nothing is at '/v2'"),
        ("GET", "//[", 404, "nothing is at '/['"),
        ("GET", "/page/../__main__.py", 404, "nothing is at"),
        ("GET", "/page/%2e%2e/__main__.py", 404, "nothing is at"),
        ("GET", "/v1/models/letters", 404, "'letters' is not served here; digits, version 10"),
        ("GET", "/v1/models/digits/versions/3", 404, "version 3, is not served"),
        ("GET", "/v1/models/digits/versions/x", 404, "nothing is at"),
        ("POST", "/v1/models/letters:predict", 404, "'letters' is not served"),
        ("POST", "/v1/models/digits:classify", 404, "nothing is at"),
        ("GET", "/v1/models/digits:predict", 405, "must be POST here; got GET"),
        ("POST", "/v1/models/digits", 405, "must be GET here; got POST"),
        ("DELETE", "/v1/models/digits", 405, "must be GET here; got DELETE"),
        ("PUT", "/", 405, "must be GET here; got PUT"),
        ("BREW", "/", 501, "BREW"),
    ],
)
def test_paths_and_methods_that_are_not_there(method, path, status, message, rest):
    got, answer = rest.request(method, path, "{}" if method == "POST" else None)
    assert got == status
    assert message in answer["error"]
    if status == 405:
        assert rest.response.headers["Allow"] in message


def test_too_many_rows_are_told_how_many_are_allowed(rest):
    body = {"signature_name": "sample", "instances": [[0, 0]] * 1025}
    status, answer = rest.predict(body)
    assert status == 429
    assert "up to 1024 rows; got 1025" in answer["error"]


def test_an_error_of_the_servers_own_is_told_without_its_trace(rest, monkeypatch, caplog):
    def fail(*_):
        raise KeyError("secret")

    monkeypatch.setattr("tfp_lcma.training.tryout.model.ServedModel.predict", fail)
    status, answer = rest.predict({"instances": [IMAGE]})
    assert status == 500
    assert answer == {"error": "the server failed; its log says how."}
    assert "secret" in caplog.text
    monkeypatch.undo()
