"""TensorFlow Serving's gRPC services, as far as a model's user needs them."""

import logging
import math
from collections.abc import Callable
from concurrent import futures

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from tfp_lcma.training.tryout import descriptions
from tfp_lcma.training.tryout.checks import check_shape
from tfp_lcma.training.tryout.errors import RequestError, shown
from tfp_lcma.training.tryout.model import DEFAULT_SIGNATURE, ServedModel
from tfp_lcma.training.tryout.signatures import Tensor

_WORKERS = 8


def start_grpc(
    model: ServedModel, host: str, port: int, max_request_bytes: int
) -> tuple[grpc.Server, int]:
    """Starts to serve; returns the server and the port it listens on.

    Args:
        model: what is served.
        host: address to listen on.
        port: 0 for any that is free.
        max_request_bytes: larger messages are refused unread.

    Raises:
        OSError: the port cannot be had.
    """
    server = grpc.server(
        futures.ThreadPoolExecutor(_WORKERS, thread_name_prefix="grpc"),
        options=[
            ("grpc.max_receive_message_length", max_request_bytes),
            ("grpc.max_send_message_length", -1),
            # Without this a second server on the same port would start, and take half the calls.
            ("grpc.so_reuseport", 0),
        ],
    )
    prediction = PredictionService(model, max_request_bytes)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(prediction, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(model), server)
    try:
        bound = server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    except RuntimeError as error:
        raise OSError(f"cannot listen on {host}, port {port}: {error}") from error
    server.start()
    return server, bound


def _answers(method: Callable) -> Callable:
    """Turns errors of a service's method into gRPC's codes; what is unforeseen is only logged."""

    def answered(self, request, context):
        try:
            return method(self, request)
        except RequestError as error:
            code, message = error.code, str(error)
        except Exception:
            logging.exception("%s failed", method.__name__)
            code, message = grpc.StatusCode.INTERNAL, "the server failed; its log says how."
        context.abort(code, message)

    return answered


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict and GetModelMetadata; the other methods are not implemented."""

    def __init__(self, model: ServedModel, max_request_bytes: int):
        self._model, self._max_bytes = model, max_request_bytes

    @_answers
    def Predict(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:  # noqa: N802
        _check_servable(self._model, request.model_spec)
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        wanted = self._model.signature(name).inputs
        # Inputs that the signature does not have are refused by name.
        inputs = {
            key: _to_array(key, tensor, wanted[key], self._max_bytes)
            if key in wanted
            else np.empty(0)
            for key, tensor in request.inputs.items()
        }
        outputs = self._model.predict(name, inputs, list(request.output_filter))
        return predict_pb2.PredictResponse(
            model_spec=descriptions.model_spec(self._model, name),
            outputs={key: tf.make_tensor_proto(value) for key, value in outputs.items()},
        )

    @_answers
    def GetModelMetadata(  # noqa: N802
        self, request: get_model_metadata_pb2.GetModelMetadataRequest
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        _check_servable(self._model, request.model_spec)
        fields = list(request.metadata_field)
        if fields != ["signature_def"]:
            raise RequestError(f"metadata_field must be signature_def; got {shown(fields)}.")
        return descriptions.metadata(self._model)


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus; the configuration cannot be changed."""

    def __init__(self, model: ServedModel):
        self._model = model

    @_answers
    def GetModelStatus(  # noqa: N802
        self, request: get_model_status_pb2.GetModelStatusRequest
    ) -> get_model_status_pb2.GetModelStatusResponse:
        _check_servable(self._model, request.model_spec)
        return descriptions.status(self._model)


def _check_servable(model: ServedModel, spec: model_pb2.ModelSpec) -> None:
    model.check_servable(spec.name, spec.version.value if spec.HasField("version") else None)
    if spec.version_label:
        raise RequestError(f"versions have no labels here; got {shown(spec.version_label)}.")


def _to_array(
    name: str, tensor: tensor_pb2.TensorProto, wanted: Tensor, max_bytes: int
) -> np.ndarray:
    """Returns the value of a message, which may claim any shape and hold any bytes."""
    if tensor.dtype != wanted.dtype.as_datatype_enum:
        try:
            got = tf.as_dtype(tensor.dtype).name
        except TypeError:
            got = f"type {tensor.dtype}"
        raise RequestError(f"{name} must be {wanted.dtype.name}; got {got}.")
    shape = [dimension.size for dimension in tensor.tensor_shape.dim]
    if tensor.tensor_shape.unknown_rank or min(shape, default=0) < 0:
        raise RequestError(f"{name} must say its shape; got {shown(shape)}.")
    check_shape(name, wanted, shape)
    # A single value may stand for a whole tensor, so that a short message can be a vast tensor.
    size = math.prod(shape) * np.dtype(wanted.dtype.as_numpy_dtype).itemsize
    if size > max_bytes:
        raise RequestError(
            f"{name} may have up to {max_bytes} bytes; got shape {shape}, which is {size}.",
            grpc.StatusCode.RESOURCE_EXHAUSTED,
        )
    try:
        return tf.make_ndarray(tensor)
    except (ValueError, TypeError, IndexError) as error:
        raise RequestError(f"{name} must hold as many values as its shape {shape} has.") from error
