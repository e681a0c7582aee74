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
    """One connection that is kept; `request` returns the status and the JSON."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address, timeout=60)

    def request(self, method, path, body=None, headers=None):
        if isinstance(body, dict | list):
            body = json.dumps(body)
        self.connection.request(method, path, body, headers or {})
        self.response = self.connection.getresponse()
        return self.response.status, json.loads(self.response.read() or "null")

    def predict(self, body, path="/v1/models/digits"):
        return self.request("POST", f"{path}:predict", body)

    def outputs(self, signature, **inputs):
        """Asks in columns; returns arrays by name."""
        columns = {name: value.tolist() for name, value in inputs.items()}
        status, answer = self.predict({"signature_name": signature, "inputs": columns})
        assert status == 200, answer
        values = answer["outputs"]
        return (
            {name: np.array(value) for name, value in values.items()}
            if isinstance(values, dict)
            else {"": np.array(values)}
        )


class Grpc:
    """A channel with the stubs of tensorflow-serving-api."""

    def __init__(self, address):
        self.channel = grpc.insecure_channel(address)
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def predict(self, signature, inputs, name="digits", version=None, outputs=()):
        request = predict_pb2.PredictRequest(output_filter=outputs)
        request.model_spec.name, request.model_spec.signature_name = name, signature
        if version is not None:
            request.model_spec.version.value = version
        for key, value in inputs.items():
            message = value if isinstance(value, tensor_pb2.TensorProto) else None
            request.inputs[key].CopyFrom(message or tf.make_tensor_proto(value))
        return self.prediction.Predict(request, timeout=60)

    def outputs(self, signature, **inputs):
        answer = self.predict(signature, inputs)
        return {name: tf.make_ndarray(value) for name, value in answer.outputs.items()}

    def metadata(self, name="digits", fields=("signature_def",)):
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
        request.model_spec.name = name
        return self.prediction.GetModelMetadata(request, timeout=60)

    def status(self, name="digits", version=None):
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = name
        if version is not None:
            request.model_spec.version.value = version
        return self.models.GetModelStatus(request, timeout=60)


class Session:
    """The export in a session of TensorFlow, without any server."""

    def __init__(self, export):
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        with self._session.graph.as_default():
            self._loaded = tf.compat.v1.saved_model.loader.load(
                self._session, ["serve"], str(export)
            )

    def outputs(self, signature, **inputs):
        definition = self._loaded.signature_def[signature]
        feed = {definition.inputs[name].name: value for name, value in inputs.items()}
        return self._session.run({k: v.name for k, v in definition.outputs.items()}, feed)
