"""Malformed requests get TensorFlow Serving's status and a short message; the server lives on."""

import base64
import json

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import classification_pb2, inference_pb2, regression_pb2

from tests.training.tryout.conftest import png

IMAGE = np.zeros((8, 8, 1), np.uint8).tolist()
SMALL = png(np.full((8, 8, 1), 3, np.uint8))
LARGE = png(np.zeros((4000, 4000, 1), np.uint8))
GIF = png(np.full((8, 8, 1), 3, np.uint8), "GIF")


def with_pixel(value):
    image = json.loads(json.dumps(IMAGE))
    image[2][3][0] = value
    return {"instances": [image]}


def files(*contents):
    rows = [{"b64": base64.b64encode(content).decode()} for content in contents]
    return {"signature_name": "log_prob_encoded", "instances": rows}


def named(signature, **inputs):
    return {"signature_name": signature, "inputs": inputs}


# Name: path after /v1/models/, body, status, part of the message. GET without a body.
REST = {
    "an unknown model": ("letters", None, 404, "'letters', version 10, is not served"),
    "an unknown version": ("digits/versions/3", None, 404, "version 3, is not served"),
    "a vast version": (f"digits/versions/{'9' * 40}", None, 400, "64 bits"),
    "a longer one": (f"digits/versions/{'9' * 5000}", None, 400, "64 bits"),
    "a version that is no number": ("digits/versions/x", None, 400, "malformed request"),
    "a label": ("digits/labels/stable", None, 400, "no labels"),
    "metadata of an unknown model": ("letters/metadata", None, 404, "is not served"),
    "no model": ("", None, 400, "malformed request"),
    "predict by GET": ("digits:predict", None, 400, "malformed request"),
    "status by POST": ("digits", {}, 400, "malformed request"),
    "an unknown method": ("digits:explain", {}, 400, "malformed request"),
    "classify": ("digits:classify", {"examples": [{}]}, 400, "tensorflow/serving/classify"),
    "regress": ("digits:regress", {"examples": [{}]}, 400, "tensorflow/serving/regress"),
    "predict of an unknown model": ("letters:predict", with_pixel(0), 404, "is not served"),
    "no JSON for an unknown model": ("letters:predict", "no", 400, "truncated"),
    "nothing": ("", b"", 400, "truncated"),
    "no JSON": ("", "{", 400, "truncated"),
    "a cut": ("", json.dumps(with_pixel(0))[:-5], 400, "truncated"),
    "not UTF-8": ("", b'{"signature_name": "\xff\xfe"}', 400, "utf-8"),
    "a deep nest": ("", '{"inputs": ' + "[" * 50_000, 400, "recursion"),
    "a deep list": ("", '{"instances": ' + "[" * 20 + "]" * 20 + "}", 400, "got `array`"),
    "no object": ("", [IMAGE], 400, "Expected `object`, got `array`"),
    "no inputs": ("", {"signature_name": "log_prob"}, 400, "either instances or inputs"),
    "both": ("", {"instances": [IMAGE], "inputs": [IMAGE]}, 400, "either instances or inputs"),
    "no list": ("", {"instances": 3}, 400, "Expected `array`, got `int`"),
    "no rows": ("", {"instances": []}, 400, "length >= 1"),
    "a name that is no text": ("", {"signature_name": 3}, 400, "Expected `str`, got `int`"),
    "an unknown signature": ("", named("log_probs", images=[]), 400, "'log_probs' must be a sig"),
    "an unknown input": ("", named("", images=[IMAGE], mask=[]), 400, "unknown field `mask`"),
    "a missing input": ("", named("log_prob_with_seed", images=[]), 400, "required field `seed`"),
    "no names": ("", {"signature_name": "log_prob_with_seed", "inputs": []}, 400, "images, seed"),
    "rows of two kinds": ("", {"instances": [{"images": IMAGE}, IMAGE]}, 400, "at `instances[1]`"),
    "a small image": ("", {"instances": [IMAGE[:7]]}, 400, "length 8 - at `instances[0]`"),
    "a large image": ("", {"instances": [IMAGE * 2]}, 400, "length 8"),
    "no batch": ("", {"inputs": IMAGE}, 400, "inputs[0][0][0]`"),
    "a number for a list": ("", {"instances": [IMAGE, 3]}, 400, "got `int` - at `instances[1]`"),
    "text": ("", with_pixel("7"), 400, "`int`, got `str` - at `instances[0][2][3][0]`"),
    "true": ("", with_pixel(True), 400, "`int`, got `bool`"),
    "null": ("", with_pixel(None), 400, "`int`, got `null`"),
    "a fraction": ("", with_pixel(1.5), 400, "`int`, got `float`"),
    "not a number": ("", with_pixel(float("nan")), 400, "malformed"),
    "beyond a byte": ("", with_pixel(256), 400, "`int` <= 255"),
    "below a byte": ("", with_pixel(-1), 400, "`int` >= 0"),
    "rows that do not match": (
        "", named("log_prob_with_seed", images=[IMAGE], seed=[[1, 2]] * 2), 400, "'seed': 2",
    ),
    "bad base64": ("", named("log_prob_encoded", image_bytes=[{"b64": "a?b"}]), 400, "`inputs"),
    "a number for text": ("", named("log_prob_encoded", image_bytes=[3]), 400, "a string"),
    "no image": ("", files(b"hello"), 400, "image_bytes[0] must be a PNG or JPEG"),
    "a GIF": ("", files(SMALL, GIF), 400, "image_bytes[1] must be a PNG or JPEG"),
    "a truncated PNG": ("", files(SMALL[:-20]), 400, "the model refused"),
    "a large PNG": ("", files(LARGE), 400, "8×8 pixels; got 4000×4000"),
    "too many rows": ("", {"signature_name": "sample", "instances": [[0, 0]] * 1025}, 429, "1024"),
    "too many values": ("", {"instances": [[0] * 99_999]}, 429, "up to 1024 rows"),
}  # fmt: skip


@pytest.mark.parametrize("name", REST)
def test_rest_requests_that_do_not_fit(name, rest):
    path, body, status, message = REST[name]
    path = "digits:predict" if path == "" and body is not None else path
    method = "GET" if body is None else "POST"
    got, answer = rest.request(method, f"/v1/models/{path}", body)
    assert got == status, answer
    assert message in answer["error"]
    assert len(json.dumps(answer)) < 500 and "Traceback" not in answer["error"]
    assert rest.predict({"instances": [IMAGE]})[0] == 200


def test_paths_and_methods_that_are_not_there(rest):
    assert rest.request("GET", "/v2")[0] == 404
    assert rest.request("GET", "/../server.py")[0] == 404
    assert rest.request("GET", "/%2e%2e/server.py")[0] == 404
    assert rest.request("DELETE", "/v1/models/digits")[0] == 405
    assert rest.request("PUT", "/")[0] == 405


BATCH = np.zeros((1, 8, 8, 1), np.uint8)
FLOATS = BATCH.astype(np.float32)
SEED = np.array([[1, 2]], np.int32)


def message(shape, dtype=tf.uint8.as_datatype_enum, **values):
    """A tensor as bytes of a client's own making."""
    proto = tensor_pb2.TensorProto(dtype=dtype, **values)
    for size in shape:
        proto.tensor_shape.dim.add().size = size
    return proto


def predict(signature="log_prob", outputs=(), timeout=60, name="digits", **inputs):
    return lambda client: client.predict(signature, inputs, outputs, timeout, name=name)


def encoded(*contents):
    return predict("log_prob_encoded", image_bytes=np.array(contents, object))


SERVICE = "tensorflow.serving.PredictionService"
INVALID, EXHAUSTED = "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"
GRPC = {
    "a small image": (predict(images=BATCH[:, :7]), INVALID, "got uint8 (1, 7, 8, 1)"),
    "a large image": (predict(images=BATCH.repeat(9, 1)), INVALID, "got uint8 (1, 72, 8, 1)"),
    "no batch": (predict(images=BATCH[0]), INVALID, "uint8 (n, 8, 8, 1); got uint8 (8, 8, 1)"),
    "a number": (predict(images=np.uint8(3)), INVALID, "got uint8 ()"),
    "another type": (predict(images=FLOATS), INVALID, "got float32"),
    "a wider type": (predict("sample", seed=SEED.astype(np.int64)), INVALID, "got int64"),
    "text": (predict(images=np.array(["x"], object)), INVALID, "got object"),
    "an unknown input": (predict(images=BATCH, mask=BATCH), INVALID, "['images', 'mask']"),
    "vast unknown inputs": (
        predict(**{f"x{n}": message((10**6,), int_val=[1]) for n in range(5000)}), INVALID, "'x0'",
    ),
    "another input": (predict(image=BATCH), INVALID, "got ['image']"),
    "no input": (predict(), INVALID, "got []"),
    "a missing input": (predict("log_prob_with_seed", images=BATCH), INVALID, "images, seed"),
    "rows that do not match": (
        predict("log_prob_with_seed", images=BATCH, seed=SEED.repeat(2, 0)), INVALID, "'seed': 2",
    ),
    "a seed of one number": (predict("sample", seed=SEED[:, :1]), INVALID, "got int32 (1, 1)"),
    "an unknown output": (predict(outputs=["logprob"], images=BATCH), INVALID, "got ['logprob']"),
    "an output twice": (predict(outputs=["log_prob"] * 2, images=BATCH), INVALID, "different"),
    "no image": (encoded(b"hello"), INVALID, "image_bytes[0] must be a PNG or JPEG"),
    "an empty file": (encoded(b""), INVALID, "image_bytes[0] must be a PNG or JPEG"),
    "a GIF": (encoded(SMALL, GIF), INVALID, "image_bytes[1] must be a PNG or JPEG"),
    "a truncated file": (encoded(SMALL[:-25]), INVALID, "the model refused"),
    "a large file": (encoded(LARGE), INVALID, "got 4000×4000"),
    "too few bytes": (predict(images=message((1, 8, 8, 1), tensor_content=b"a")), INVALID, "[1, 8"),
    "too many values": (predict(images=message((1, 8, 8, 1), int_val=[1] * 65)), INVALID, "[1, 8"),
    "beyond a byte": (predict(images=message((1, 8, 8, 1), int_val=[300])), INVALID, "uint8 has"),
    "below a byte": (predict(images=message((1, 8, 8, 1), int_val=[-1])), INVALID, "uint8 has"),
    "a negative size": (predict(images=message((-1, 8, 8, 1), int_val=[1])), INVALID, "[-1, 8"),
    "no shape": (predict(images=tensor_pb2.TensorProto(dtype=4)), INVALID, "got uint8 ()"),
    "a type that is none": (predict(images=message((1,), 999)), INVALID, "type 999"),
    "no type": (predict(images=message((1,), 0)), INVALID, "type 0"),
    "a reference's type": (predict(images=message((1,), 104)), INVALID, "images must"),
    "no model": (predict(name="", images=BATCH), INVALID, "must name a model"),
    "a label": (lambda client: client.predict(label="stable"), INVALID, "no labels"),
    "no metadata": (lambda client: client.metadata([]), INVALID, "must be signature_def; got []"),
    "other metadata": (lambda client: client.metadata(["x"]), INVALID, "got ['x']"),
    "classify": (
        lambda client: client.prediction.Classify(ask(classification_pb2.ClassificationRequest)),
        INVALID, "tensorflow/serving/classify; got tensorflow/serving/predict",
    ),
    "regress": (
        lambda client: client.prediction.Regress(ask(regression_pb2.RegressionRequest, "x")),
        INVALID, "'x' must be a signature of method tensorflow/serving/regress; got none",
    ),
    "an unknown signature": (predict("x", images=BATCH), "FAILED_PRECONDITION", "'x' must be"),
    "an unknown model": (predict(name="letters"), "NOT_FOUND", "digits, version 10, is"),
    "an unknown version": (lambda client: client.predict(version=3), "NOT_FOUND", "version 3"),
    "status of a version": (lambda client: client.status(version=3), "NOT_FOUND", "version 3"),
    "status of a model": (lambda client: client.status(name="x"), "NOT_FOUND", "'x', version 10"),
    "metadata of a model": (lambda client: client.metadata(name="x"), "NOT_FOUND", "'x'"),
    "too many rows": (predict("sample", seed=SEED.repeat(1025, 0)), EXHAUSTED, "1024 rows; got"),
    # A few bytes that claim to be 64 GB.
    "vast": (predict(images=message((10**9, 8, 8, 1), int_val=[1])), EXHAUSTED, "images may have"),
    "many dimensions": (predict(images=message((9,) * 10_000)), EXHAUSTED, "got shape [9, 9, 9"),
    "too many bytes": (predict(images=BATCH.repeat(300_000, 0)), EXHAUSTED, "larger than max"),
    "no time": (predict("spin", timeout=0.5, steps=np.int32([10**9])), "DEADLINE_EXCEEDED", ""),
    "another method": (
        lambda client: client.prediction.MultiInference(inference_pb2.MultiInferenceRequest()),
        "UNIMPLEMENTED", "not served here",
    ),
    "no message": (
        lambda client: client.channel.unary_unary(f"/{SERVICE}/Predict")(b"\xff"), "INTERNAL", "",
    ),
}  # fmt: skip


def ask(request, signature_name=""):
    made = request()
    made.model_spec.name, made.model_spec.signature_name = "digits", signature_name
    return made


@pytest.mark.parametrize("name", GRPC)
def test_grpc_requests_that_do_not_fit(name, over_grpc):
    call, code, expected = GRPC[name]
    with pytest.raises(grpc.RpcError) as caught:
        call(over_grpc)
    assert caught.value.code().name == code, caught.value.details()
    details = caught.value.details()
    assert expected in details
    assert len(details.encode()) < 500 and "Traceback" not in details
    assert over_grpc.outputs("log_prob", images=BATCH)["log_prob"].shape == (1,)


def test_an_error_of_the_servers_own_is_answered_without_its_trace(rest, over_grpc, monkeypatch):
    def fail(*_):
        raise KeyError("secret")

    monkeypatch.setattr("tfp_lcma.training.tryout.model.ServedModel.predict", fail)
    assert rest.predict({"instances": [IMAGE]}) == (500, {"error": "the server failed."})
    with pytest.raises(grpc.RpcError) as caught:
        over_grpc.predict(inputs={"images": BATCH})
    assert caught.value.code().name == "INTERNAL"
    assert caught.value.details() == "the server failed; its log says how."
