"""Clients as a user would write them, and a session of its own to compare with."""

import http.client
import json

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)


class Rest:
    """One connection that is kept; `request` returns the status and the JSON, or the text."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address, timeout=60)

    def request(self, method, path, body=None, headers=None):
        if isinstance(body, dict | list):
            body = json.dumps(body)
        self.connection.request(method, path, body, headers or {})
        self.response = self.connection.getresponse()
        text = self.response.read().decode()
        is_json = self.response.headers.get("Content-Type") == "application/json"
        return self.response.status, json.loads(text or "null") if is_json else text

    def predict(self, body, path="/v1/models/digits"):
        return self.request("POST", f"{path}:predict", body)

    def outputs(self, signature, **inputs):
        """Asks in columns; returns arrays by name, or the one that there is."""
        columns = {name: value.tolist() for name, value in inputs.items()}
        status, answer = self.predict({"signature_name": signature, "inputs": columns})
        assert status == 200, answer
        values = answer["outputs"]
        if isinstance(values, dict):
            return {name: np.array(value) for name, value in values.items()}
        return {"": np.array(values)}


class Grpc:
    """A channel with the stubs of tensorflow-serving-api."""

    def __init__(self, address):
        self.channel = grpc.insecure_channel(address)
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def predict(self, signature="", inputs=(), outputs=(), timeout=60, **spec):
        request = predict_pb2.PredictRequest(output_filter=outputs)
        _fill(request.model_spec, signature_name=signature, **spec)
        for key, value in dict(inputs).items():
            message = value if isinstance(value, tensor_pb2.TensorProto) else None
            request.inputs[key].CopyFrom(message or tf.make_tensor_proto(value))
        return self.prediction.Predict(request, timeout=timeout)

    def outputs(self, signature, **inputs):
        answer = self.predict(signature, inputs)
        return {name: tf.make_ndarray(value) for name, value in answer.outputs.items()}

    def warning(self, signature, **inputs):
        """What the server says beside an answer, or None."""
        request = predict_pb2.PredictRequest()
        _fill(request.model_spec, signature_name=signature)
        for key, value in inputs.items():
            request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
        _, call = self.prediction.Predict.with_call(request, timeout=60)
        return dict(call.trailing_metadata()).get("warning")

    def metadata(self, fields=("signature_def",), **spec):
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
        _fill(request.model_spec, **spec)
        return self.prediction.GetModelMetadata(request, timeout=60)

    def status(self, **spec):
        request = get_model_status_pb2.GetModelStatusRequest()
        _fill(request.model_spec, **spec)
        return self.models.GetModelStatus(request, timeout=60)


class Session:
    """The export in a session of TensorFlow, without any server."""

    def __init__(self, export):
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        with self._session.graph.as_default():
            loader = tf.compat.v1.saved_model.loader
            self._signatures = loader.load(self._session, ["serve"], str(export)).signature_def

    def outputs(self, signature, **inputs):
        definition = self._signatures[signature]
        feed = {definition.inputs[name].name: value for name, value in inputs.items()}
        return self._session.run({k: v.name for k, v in definition.outputs.items()}, feed)


def _fill(spec, name="digits", signature_name="", version=None, label=None):
    spec.name, spec.signature_name = name, signature_name
    if version is not None:
        spec.version.value = version
    if label is not None:
        spec.version_label = label
