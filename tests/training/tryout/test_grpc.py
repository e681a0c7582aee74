"""What gRPC answers is what the session says; what does not fit gets TensorFlow Serving's code."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import classification_pb2, get_model_metadata_pb2, predict_pb2

from tests.training.tryout.conftest import LIMIT
from tests.training.tryout.test_rest import SIGNATURES
from tests.training.tryout.test_rest_rejects import BRIGHT, GIF, LARGE, SMALL
from tests.training.tryout.toy_export import BINS

IMAGE = np.zeros((1, 8, 8, 1), np.uint8)
FLOAT = np.zeros((1, 8, 8, 1), np.float32)
SEED = np.array([[1, 2]], np.int32)


@pytest.fixture(autouse=True)
def lives_on(grpc_client):
    """After everything here, a good request is answered."""
    yield
    assert grpc_client.outputs("log_prob", images=IMAGE)["log_prob"].shape == (1,)


@pytest.mark.parametrize("signature", SIGNATURES)
def test_outputs_are_those_of_the_session(signature, grpc_client, session, requests):
    got = grpc_client.outputs(signature, **requests[signature])
    expected = session.outputs(signature, **requests[signature])
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        assert got[name].dtype == value.dtype
        np.testing.assert_array_equal(got[name], value)


def test_an_answer_says_which_model_version_and_signature_it_is_of(grpc_client):
    spec = grpc_client.predict("", {"images": IMAGE}, version=10).model_spec
    assert (spec.name, spec.version.value) == ("digits", 10)
    assert spec.signature_name == "serving_default"


def test_outputs_can_be_chosen(grpc_client):
    answer = grpc_client.predict("log_prob", {"images": IMAGE}, outputs=["log_prob"])
    assert list(answer.outputs) == ["log_prob"]


def test_metadata_are_the_signatures(grpc_client):
    answer = grpc_client.metadata()
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("digits", 10)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    assert set(SIGNATURES) <= set(signatures.signature_def)
    assert signatures.signature_def["sample"].inputs["seed"].dtype == tf.int32.as_datatype_enum


@pytest.mark.parametrize("version", [None, 10])
def test_status_is_available(version, grpc_client):
    (state,) = grpc_client.status(version=version).model_version_status
    assert (state.version, state.State.Name(state.state)) == (10, "AVAILABLE")
    assert state.HasField("status") and state.status.error_code == 0


def changed(image, value):
    image = image.copy()
    image[0, 2, 3, 0] = value
    return image


def message(shape, dtype=tf.uint8.as_datatype_enum, **values):
    """A tensor as bytes of a client's own making."""
    proto = tensor_pb2.TensorProto(dtype=dtype, **values)
    for size in shape:
        proto.tensor_shape.dim.add().size = size
    return proto


def files(*contents):
    return {"image_bytes": np.array(contents, object)}


CODE = grpc.StatusCode
REFUSED = {
    "a small image": ("log_prob", {"images": IMAGE[:, :7]}, "got shape [1, 7, 8, 1]"),
    "a large image": ("log_prob", {"images": IMAGE.repeat(9, 1)}, "got shape [1, 72, 8, 1]"),
    "no batch": ("log_prob", {"images": IMAGE[0]}, "uint8 [n, 8, 8, 1]; got shape [8, 8, 1]"),
    "a number": ("log_prob", {"images": np.uint8(3)}, "got shape []"),
    "another type": ("log_prob", {"images": FLOAT}, "images must be uint8; got float32"),
    "a wider type": ("sample", {"seed": SEED.astype(np.int64)}, "seed must be int32; got int64"),
    "text": ("log_prob", {"images": np.array(["x"], object)}, "must be uint8; got string"),
    "an intensity beyond the bins": (
        "log_prob",
        {"images": changed(IMAGE, BINS)},
        "whole intensities from 0 to 16; got 17 at [0, 2, 3, 0]",
    ),
    "NaN": ("log_prob_float", {"images": changed(FLOAT, np.nan)}, "must be finite; got nan"),
    "infinity": ("log_prob_float", {"images": changed(FLOAT, -np.inf)}, "finite; got -inf"),
    "a negative intensity": ("log_prob_float", {"images": changed(FLOAT, -0.1)}, "at least 0"),
    "an unknown input": ("log_prob", {"images": IMAGE, "mask": IMAGE}, "'mask' is unknown"),
    "a missing input": ("log_prob_with_seed", {"images": IMAGE}, "seed is missing"),
    "rows that do not match": (
        "log_prob_with_seed",
        {"images": IMAGE, "seed": SEED.repeat(2, 0)},
        "images has 1, seed has 2",
    ),
    "an infinite temperature": (
        "sample_with_temperature",
        {"seed": SEED, "temperature": np.float32([np.inf])},
        "temperature must be finite",
    ),
    "no image": ("log_prob_encoded", files(b"hello"), "image_bytes[0] must be a PNG or JPEG"),
    "a GIF": ("log_prob_encoded", files(SMALL, GIF), "image_bytes[1] must be a PNG or JPEG"),
    "a truncated file": ("log_prob_encoded", files(SMALL[:-25]), "image"),
    "a large file": ("log_prob_encoded", files(LARGE), "got one of 4000×4000"),
    "a bright file": ("log_prob_encoded", files(BRIGHT), "from 0 to 16; got 200"),
    "too few values": ("log_prob", {"images": message((1, 8, 8, 1), tensor_content=b"abc")}, "64"),
    "too many values": ("log_prob", {"images": message((1, 8, 8, 1), int_val=[1] * 65)}, "as many"),
    "many dimensions": ("log_prob", {"images": message((9,) * 10_000)}, "got shape [9, 9, 9"),
    "a negative size": ("log_prob", {"images": message((-1, 8, 8, 1), int_val=[1])}, "its shape"),
    "a type that is none": ("log_prob", {"images": message((1,), dtype=999)}, "got type 999"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_inputs_that_do_not_fit_are_invalid_arguments(name, grpc_client):
    signature, inputs, expected = REFUSED[name]
    with pytest.raises(grpc.RpcError) as caught:
        grpc_client.predict(signature, inputs)
    assert caught.value.code() == CODE.INVALID_ARGUMENT
    details = caught.value.details()
    assert expected in details or name in ("too few values", "a truncated file")
    assert "Traceback" not in details and "File" not in details and len(details) < 1000


@pytest.mark.parametrize(
    "code, details, ask",
    [
        (
            CODE.FAILED_PRECONDITION,  # as TensorFlow Serving says it
            "signature must be one of event_log_prob",
            lambda client: client.predict("log_probs", {"images": IMAGE}),
        ),
        (
            CODE.NOT_FOUND,
            "'letters' is not served here; digits, version 10, is",
            lambda client: client.predict("log_prob", {"images": IMAGE}, name="letters"),
        ),
        (
            CODE.NOT_FOUND,
            "version 2, is not served here",
            lambda client: client.predict("log_prob", {"images": IMAGE}, version=2),
        ),
        (CODE.NOT_FOUND, "not served", lambda client: client.status("letters")),
        (CODE.NOT_FOUND, "not served", lambda client: client.status(version=3)),
        (CODE.NOT_FOUND, "not served", lambda client: client.metadata("letters")),
        (CODE.INVALID_ARGUMENT, "got []", lambda client: client.metadata(fields=())),
        (CODE.INVALID_ARGUMENT, "got ['all']", lambda client: client.metadata(fields=["all"])),
        (
            CODE.INVALID_ARGUMENT,
            "outputs of log_prob are bits_per_dimension, log_prob; got 'bits'",
            lambda client: client.predict("log_prob", {"images": IMAGE}, outputs=["bits"]),
        ),
        (
            CODE.RESOURCE_EXHAUSTED,
            "up to 1024 rows; got 1025",
            lambda client: client.predict("sample", {"seed": SEED.repeat(1025, 0)}),
        ),
        (
            CODE.RESOURCE_EXHAUSTED,
            "max",
            lambda client: client.predict("log_prob", {"images": IMAGE.repeat(LIMIT, 0)}),
        ),
        (
            # A few bytes that claim to be 64 GB.
            CODE.RESOURCE_EXHAUSTED,
            f"images may have up to {LIMIT} bytes",
            lambda client: client.predict(
                "log_prob", {"images": message((10**9, 8, 8, 1), int_val=[1])}
            ),
        ),
        (
            CODE.UNIMPLEMENTED,
            "",
            lambda client: client.prediction.Classify(classification_pb2.ClassificationRequest()),
        ),
    ],
)
def test_other_refusals_have_their_codes(code, details, ask, grpc_client):
    with pytest.raises(grpc.RpcError) as caught:
        ask(grpc_client)
    assert caught.value.code() == code
    assert details in caught.value.details()


def test_bytes_that_are_no_message_are_refused(grpc_client):
    call = grpc_client.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\xff\xff\xff", timeout=20)
    assert caught.value.code() == CODE.INTERNAL
    assert "Traceback" not in caught.value.details()


def test_calls_that_are_cancelled_do_no_harm(grpc_client, capfd):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "digits"
    request.inputs["images"].CopyFrom(tf.make_tensor_proto(IMAGE.repeat(500, 0)))
    calls = [grpc_client.prediction.Predict.future(request) for _ in range(20)]
    for call in calls:
        call.cancel()
    assert all(call.cancelled() for call in calls[-10:])
    assert "Traceback" not in capfd.readouterr().err
