"""What REST answers is what the session says, in the shapes of TensorFlow Serving's API."""

import base64
import json
import re

import numpy as np
import pytest

from tests.training.tryout.toy_export import BINS


def as_json(array):
    """A column as JSON; bytes as objects with base64."""
    if array.dtype == object:
        return [{"b64": base64.b64encode(item).decode()} for item in array]
    return array.tolist()


SIGNATURES = [
    *(f"{e}log_prob{s}" for e in ("", "event_") for s in ("", "_with_seed", "_float", "_encoded")),
    "serving_default",
    "sample",
    "sample_with_temperature",
]


@pytest.mark.parametrize("signature", SIGNATURES)
def test_columns_are_answered_with_the_columns_of_the_session(signature, rest, session, requests):
    inputs = requests[signature]
    body = {
        "signature_name": signature,
        "inputs": {name: as_json(value) for name, value in inputs.items()},
    }
    status, answer = rest.predict(body)
    assert status == 200, answer
    expected = session.outputs(signature, **inputs)
    got = answer["outputs"]
    if len(expected) == 1:
        got = {next(iter(expected)): got}
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        # Digits enough for the same float32.
        np.testing.assert_array_equal(np.array(got[name], np.float32), value)


@pytest.mark.parametrize("signature", SIGNATURES)
def test_instances_are_answered_one_by_one(signature, rest, session, requests):
    inputs = requests[signature]
    columns = {name: as_json(value) for name, value in inputs.items()}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    status, answer = rest.predict({"signature_name": signature, "instances": rows})
    assert status == 200, answer
    expected = session.outputs(signature, **inputs)
    assert len(answer["predictions"]) == 3
    for place, got in enumerate(answer["predictions"]):
        if len(expected) == 1:
            got = {next(iter(expected)): got}
        assert got.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(np.array(got[name], np.float32), value[place])


def test_a_single_input_needs_no_name_and_the_signature_has_a_default(rest, session, requests):
    images = requests["log_prob"]["images"]
    expected = session.outputs("log_prob", images=images)
    status, answer = rest.predict({"instances": images.tolist()})
    assert status == 200
    got = [row["log_prob"] for row in answer["predictions"]]
    np.testing.assert_array_equal(np.array(got, np.float32), expected["log_prob"])
    status, answer = rest.predict({"inputs": images.tolist()})
    got = np.array(answer["outputs"]["bits_per_dimension"], np.float32)
    np.testing.assert_array_equal(got, expected["bits_per_dimension"])


def test_binary_instances_need_no_name_either(rest, session, requests):
    inputs = requests["log_prob_encoded"]
    body = {"signature_name": "log_prob_encoded", "instances": as_json(inputs["image_bytes"])}
    status, answer = rest.predict(body)
    assert status == 200, answer
    expected = session.outputs("log_prob_encoded", **inputs)["log_prob"]
    got = [row["log_prob"] for row in answer["predictions"]]
    np.testing.assert_array_equal(np.array(got, np.float32), expected)


def test_the_version_may_be_named_and_is_the_largest(rest, requests):
    body = {"instances": requests["log_prob"]["images"].tolist()}
    assert rest.predict(body, "/v1/models/digits/versions/10")[0] == 200
    status, answer = rest.predict(body, "/v1/models/digits/versions/2")
    assert status == 404
    assert "version 2" in answer["error"] and "version 10" in answer["error"]


@pytest.mark.parametrize("path", ["/v1/models/digits", "/v1/models/digits/versions/10"])
def test_status_is_that_of_tensorflow_serving(path, rest):
    status, answer = rest.request("GET", path)
    assert status == 200
    assert answer == {
        "model_version_status": [
            {
                "version": "10",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }


def test_metadata_lists_the_signatures_with_their_types(rest):
    status, answer = rest.request("GET", "/v1/models/digits/metadata")
    assert status == 200
    assert answer["model_spec"] == {"name": "digits", "version": "10", "signature_name": ""}
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    assert set(SIGNATURES) <= set(signatures)
    images = signatures["log_prob"]["inputs"]["images"]
    assert images["dtype"] == "DT_UINT8"
    assert [d["size"] for d in images["tensor_shape"]["dim"]] == ["-1", "8", "8", "1"]


def test_a_connection_serves_many_requests(rest, requests):
    rest.request("GET", "/v1/models/digits")
    first = rest.connection.sock
    rest.predict({"instances": requests["log_prob"]["images"].tolist()})
    rest.predict("not json")
    rest.request("GET", "/v1/models/digits")
    assert first is not None and rest.connection.sock is first


def test_the_page_and_its_parts_are_served_with_nothing_from_elsewhere(rest):
    kinds = {"/": "text/html", "/page/main.js": "text/javascript", "/page/style.css": "text/css"}
    for path, kind in kinds.items():
        rest.connection.request("GET", path)
        response = rest.connection.getresponse()
        text = response.read().decode()
        assert response.status == 200 and kind in response.headers["Content-Type"]
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        assert not re.search(r"https?:|url\(|@import", text)
    status, answer = rest.request("GET", "/page/model.json")
    assert status == 200
    assert (answer["name"], answer["version"]) == ("digits", 10)
    assert answer["card"]["bins"] == BINS and "sample" in answer["signatures"]


def test_head_is_answered_without_a_body(rest):
    rest.connection.request("HEAD", "/v1/models/digits")
    response = rest.connection.getresponse()
    assert response.status == 200 and int(response.headers["Content-Length"]) > 50
    assert response.read() == b""


def test_numbers_have_the_digits_that_a_float32_needs(rest, requests, session):
    images = requests["log_prob"]["images"][:1]
    rest.connection.request(
        "POST", "/v1/models/digits:predict", json.dumps({"inputs": images.tolist()})
    )
    text = rest.connection.getresponse().read().decode()
    expected = session.outputs("log_prob", images=images)["log_prob"][0]
    assert f'"log_prob": [{expected!s}]' in text
