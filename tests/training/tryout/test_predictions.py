"""What both protocols answer is what the session says, in the shapes of TensorFlow Serving."""

import base64
import contextlib
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2, prediction_log_pb2

from tfp_lcma.export_layout import WARM_UP
from tfp_lcma.training.tryout.model import ServedModel

SIGNATURES = [
    "serving_default", "log_prob", "event_log_prob", "log_prob_with_seed", "log_prob_float",
    "log_prob_encoded", "sample", "sample_with_temperature",
]  # fmt: skip


def as_json(array):
    """A column as JSON; bytes as objects with base64."""
    if array.dtype == object:
        return [{"b64": base64.b64encode(item).decode()} for item in array]
    return array.tolist()


def assert_equal(got, expected):
    """Compares JSON with arrays by name; digits must be enough for the same float32."""
    if len(expected) == 1:
        got = {next(iter(expected)): got}
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(np.array(got[name], np.float32), value)


@pytest.mark.parametrize("signature", SIGNATURES)
def test_rest_answers_columns_with_columns_and_rows_with_rows(signature, rest, session, requests):
    expected = session.outputs(signature, **requests[signature])
    columns = {name: as_json(value) for name, value in requests[signature].items()}
    status, answer = rest.predict({"signature_name": signature, "inputs": columns})
    assert status == 200, answer
    assert_equal(answer["outputs"], expected)
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    status, answer = rest.predict({"signature_name": signature, "instances": rows})
    assert status == 200, answer
    assert len(answer["predictions"]) == 3
    for place, row in enumerate(answer["predictions"]):
        assert_equal(row, {name: value[place] for name, value in expected.items()})


@pytest.mark.parametrize("signature", SIGNATURES)
def test_grpc_answers_in_typed_fields(signature, over_grpc, session, requests):
    answer = over_grpc.predict(signature, requests[signature])
    expected = session.outputs(signature, **requests[signature])
    assert answer.outputs.keys() == expected.keys()
    for name, value in expected.items():
        proto = answer.outputs[name]
        assert proto.tensor_content == b"" and len(proto.float_val) == value.size
        np.testing.assert_array_equal(tf.make_ndarray(proto), value)


@pytest.mark.parametrize("signature", ["log_prob", "log_prob_encoded"])
def test_a_single_input_needs_no_name(signature, rest, session, requests):
    (value,) = requests[signature].values()
    expected = session.outputs(signature, **requests[signature])
    for key, answer_key in (("inputs", "outputs"), ("instances", "predictions")):
        status, answer = rest.predict({"signature_name": signature, key: as_json(value)})
        assert status == 200, answer
        got = answer[answer_key]
        bits = got["log_prob"] if key == "inputs" else [row["log_prob"] for row in got]
        np.testing.assert_array_equal(np.array(bits, np.float32), expected["log_prob"])


def test_no_signature_name_and_an_empty_one_mean_the_default(rest, over_grpc, requests):
    images = requests["log_prob"]["images"]
    assert rest.predict({"instances": images.tolist()})[0] == 200
    assert rest.predict({"signature_name": "", "instances": images.tolist()})[0] == 200
    spec = over_grpc.predict("", {"images": images}, version=10).model_spec
    assert (spec.name, spec.version.value) == ("digits", 10)
    assert spec.signature_name == "serving_default"


def test_outputs_can_be_chosen_over_grpc(over_grpc, requests):
    answer = over_grpc.predict("log_prob", requests["log_prob"], outputs=["log_prob"])
    assert list(answer.outputs) == ["log_prob"]


def test_what_the_model_makes_no_sense_of_is_nan(rest, over_grpc):
    image = np.full((1, 8, 8, 1), 200, np.uint8)
    _, answer = rest.predict({"instances": image.tolist()})
    assert np.isnan(answer["predictions"][0]["log_prob"])
    assert np.isnan(over_grpc.outputs("log_prob", images=image)["log_prob"])


def test_images_that_look_scaled_are_answered_with_a_warning(rest, over_grpc, caplog):
    for name, images in (
        ("log_prob_float", np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 8, 8, 1)),
        ("log_prob", np.eye(8, dtype=np.uint8)[None, ..., None]),
    ):
        rest.outputs(name, images=images)
        expected = rest.response.headers["Warning"].removeprefix('299 - "').removesuffix('"')
        assert "images look scaled" in expected and "0 to 1" in expected and "[0, 17)" in expected
        assert over_grpc.warning(name, images=images) == expected
        assert [record.getMessage() for record in caplog.records] == [expected] * 2
        caplog.clear()


def test_images_of_the_whole_range_and_black_ones_are_answered_without_a_warning(
    rest, over_grpc, requests
):
    for images in (requests["log_prob"]["images"], np.zeros((1, 8, 8, 1), np.uint8)):
        rest.outputs("log_prob", images=images)
        assert "Warning" not in rest.response.headers
        assert over_grpc.warning("log_prob", images=images) is None


@pytest.mark.parametrize("path", ["/v1/models/digits", "/v1/models/digits/versions/10"])
def test_status_is_that_of_tensorflow_serving(path, rest):
    status = {"error_code": "OK", "error_message": ""}
    expected = [{"version": "10", "state": "AVAILABLE", "status": status}]
    assert rest.request("GET", path) == (200, {"model_version_status": expected})


@pytest.mark.parametrize("version", [None, 10])
def test_status_over_grpc_is_available(version, over_grpc):
    (state,) = over_grpc.status(version=version).model_version_status
    assert (state.version, state.State.Name(state.state)) == (10, "AVAILABLE")
    assert state.HasField("status") and state.status.error_code == 0


def test_metadata_lists_the_signatures_with_their_types(rest, over_grpc):
    status, answer = rest.request("GET", "/v1/models/digits/metadata")
    assert status == 200
    assert answer["model_spec"] == {"name": "digits", "version": "10", "signature_name": ""}
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    assert set(SIGNATURES) <= set(signatures)
    images = signatures["log_prob"]["inputs"]["images"]
    assert images["dtype"] == "DT_UINT8"
    assert [d["size"] for d in images["tensor_shape"]["dim"]] == ["-1", "8", "8", "1"]
    answer = over_grpc.metadata()
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("digits", 10)
    unpacked = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(unpacked)
    assert set(unpacked.signature_def) == set(signatures)


def test_a_card_with_a_result_that_is_no_number_is_shown(rest, model, monkeypatch):
    monkeypatch.setitem(model.card["metrics"]["test"], "bits_per_dimension", np.nan)
    status, answer = rest.request("GET", "/model.json")
    assert status == 200 and np.isnan(answer["card"]["metrics"]["test"]["bits_per_dimension"])


def test_a_connection_serves_many_requests(rest, requests):
    rest.request("GET", "/v1/models/digits")
    first = rest.connection.sock
    rest.predict({"instances": requests["log_prob"]["images"].tolist()})
    rest.predict("not json")
    rest.request("GET", "/v1/models/digits")
    assert first is not None and rest.connection.sock is first


def test_numbers_have_the_digits_that_a_float32_needs(rest, requests, session):
    images = requests["log_prob"]["images"][:1]
    body = json.dumps({"inputs": images.tolist()})
    rest.connection.request("POST", "/v1/models/digits:predict", body)
    text = rest.connection.getresponse().read().decode()
    expected = session.outputs("log_prob", images=images)["log_prob"][0]
    assert f'"log_prob": [{expected!s}]' in text


@pytest.mark.parametrize(
    "signature, size, error",
    [("log_prob", 8, None), ("log_probs", 8, "got 'log_probs'"), ("log_prob", 7, "feed .* shape")],
)
def test_warm_up_requests_are_run_at_load(signature, size, error, export, tmp_path):
    version = shutil.copytree(export / "10", tmp_path / "digits" / "1")
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = signature
    images = tf.make_tensor_proto(np.zeros((1, size, 8, 1), np.uint8))
    request.inputs["images"].CopyFrom(images)
    log = prediction_log_pb2.PredictLog(request=request)
    with tf.io.TFRecordWriter(str(version / WARM_UP)) as writer:
        writer.write(prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString())
    with pytest.raises(ValueError, match=error) if error else contextlib.nullcontext():
        ServedModel(version.parent).close()
