"""TensorFlow Serving's services over gRPC, as far as a model's user needs them."""

import logging
import math
from concurrent import futures

import grpc
import numpy as np
import tensorflow as tf
from grpc import StatusCode
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tfp_lcma.training.tryout.errors import RequestError, shown
from tfp_lcma.training.tryout.model import ServedModel
from tfp_lcma.training.tryout.traffic import Traffic

# Where a message holds values of a type; those of other types come as bytes.
_FIELDS = dict.fromkeys(("int8", "uint8", "int16", "uint16", "int32"), "int_val") | {
    "float32": "float_val",
    "float64": "double_val",
    "int64": "int64_val",
    "bool": "bool_val",
}


class Services(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """Predict, GetModelMetadata and GetModelStatus of one model.

    All methods take a request and gRPC's context, and raise RequestError where the
    request does not fit. REST asks them, too, without a context.
    """

    def __init__(self, model: ServedModel, max_bytes: int, seconds: float):
        """Takes the model, how large a tensor may be and how long a prediction may take."""
        self.model, self._max_bytes, self._seconds = model, max_bytes, seconds

    def Predict(self, request, context):  # noqa: N802
        name = self.requested(request.model_spec)
        known = self.model.signature(name).inputs
        inputs = {
            # Others are refused by their names.
            key: self._to_array(key, tensor) if key in known else np.empty(0)
            for key, tensor in request.inputs.items()
        }
        seconds = min(self._seconds, context.time_remaining() or math.inf)
        outputs = self.model.predict(name, inputs, request.output_filter, seconds)
        if warning := self.model.warning(inputs):
            context.set_trailing_metadata((("warning", warning),))
        protos = {key: _to_proto(value) for key, value in outputs.items()}
        return predict_pb2.PredictResponse(model_spec=self._spec(name), outputs=protos)

    def GetModelMetadata(self, request, context):  # noqa: N802
        if set(request.metadata_field) != {"signature_def"}:
            fields = shown(list(request.metadata_field))
            raise RequestError(f"metadata_field must be signature_def; got {fields}.")
        self.requested(request.model_spec)
        answer = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=self._spec())
        signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=self.model.signatures)
        answer.metadata["signature_def"].Pack(signatures)
        return answer

    def GetModelStatus(self, request, context):  # noqa: N802
        self.requested(request.model_spec)
        answer = get_model_status_pb2.GetModelStatusResponse()
        state = answer.model_version_status.add(version=self.model.version)
        state.state = get_model_status_pb2.ModelVersionStatus.AVAILABLE
        state.status.SetInParent()  # OK, without a message
        return answer

    def Classify(self, request, context):  # noqa: N802
        raise self._not_for(request.model_spec, tf.saved_model.CLASSIFY_METHOD_NAME)

    def Regress(self, request, context):  # noqa: N802
        raise self._not_for(request.model_spec, tf.saved_model.REGRESS_METHOD_NAME)

    def requested(self, spec: model_pb2.ModelSpec) -> str:
        """Checks that a request means this model; returns the signature that it asks for."""
        if not spec.name:
            raise RequestError("model_spec must name a model; got none.")
        if spec.version_label:
            raise RequestError(f"versions have no labels here; got {shown(spec.version_label)}.")
        version = spec.version.value if spec.HasField("version") else self.model.version
        if (spec.name, version) != (self.model.name, self.model.version):
            raise RequestError(
                f"{shown(spec.name)}, version {version}, is not served here; {self.model.name}, "
                f"version {self.model.version}, is.",
                StatusCode.NOT_FOUND,
            )
        return spec.signature_name or tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY

    def _spec(self, signature_name=""):
        spec = model_pb2.ModelSpec(name=self.model.name, signature_name=signature_name)
        spec.version.value = self.model.version
        return spec

    def _not_for(self, spec, method):
        """Returns the error of a request to classify or regress: exports only predict."""
        name = self.requested(spec)
        got = self.model.signatures[name].method_name if name in self.model.signatures else "none"
        return RequestError(f"{shown(name)} must be a signature of method {method}; got {got}.")

    def _to_array(self, key: str, tensor: tensor_pb2.TensorProto) -> np.ndarray:
        """Returns the value of a message, which may claim any shape and hold any bytes."""
        shape = [dimension.size for dimension in tensor.tensor_shape.dim]
        try:
            # One value may stand for a whole tensor: a short message can be a vast one.
            if math.prod(shape) * tf.as_dtype(tensor.dtype).size <= self._max_bytes:
                return tf.make_ndarray(tensor)
        except OverflowError as error:
            name = tf.as_dtype(tensor.dtype).name
            raise RequestError(f"{key} must hold whole numbers that {name} has.") from error
        except (ValueError, TypeError, IndexError) as error:
            wanted = f"values of its type {tensor.dtype} and shape {shown(shape)}"
            raise RequestError(f"{key} must hold {wanted}.") from error
        text = f"{key} may have up to {self._max_bytes} bytes; got shape {shown(shape)}."
        raise RequestError(text, StatusCode.RESOURCE_EXHAUSTED)


def start_grpc(
    services: Services,
    traffic: Traffic,
    host: str,
    port: int,
    max_bytes: int,
    max_connections: int,
) -> tuple[grpc.Server, int]:
    """Starts to serve; returns the server and the port it listens on.

    Raises:
        OSError: If the port cannot be had.
    """
    server = grpc.server(
        futures.ThreadPoolExecutor(8, thread_name_prefix="grpc"),
        interceptors=[_Errors(traffic)],
        maximum_concurrent_rpcs=64,
        options=[
            ("grpc.max_receive_message_length", max_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_allowed_incoming_connections", max_connections),
            ("grpc.server_handshake_timeout_ms", 2_000),  # of connections that send nothing
            ("grpc.max_connection_idle_ms", 20_000),  # clients connect again by themselves
            # Without this a second server on the same port would start, and take half the calls.
            ("grpc.so_reuseport", 0),
        ],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(services, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(services, server)
    try:
        bound = server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    except RuntimeError as error:
        raise OSError(f"cannot listen on {host}, port {port}: {error}") from error
    server.start()
    return server, bound


class _Errors(grpc.ServerInterceptor):
    """Turns the services' errors into gRPC's codes; what is unforeseen is only logged."""

    def __init__(self, traffic):
        self._traffic = traffic

    def intercept_service(self, continuation, details):
        handler = continuation(details)
        if handler is None:
            return None

        def answer(request, context):
            try:
                with self._traffic.request():
                    return handler.unary_unary(request, context)
            except RequestError as error:
                context.abort(error.code, str(error))
            except NotImplementedError:
                context.abort(StatusCode.UNIMPLEMENTED, "the method is not served here.")
            except Exception:
                logging.exception("%s failed", details.method)
                context.abort(StatusCode.INTERNAL, "the server failed; its log says how.")

        return grpc.unary_unary_rpc_method_handler(
            answer, handler.request_deserializer, handler.response_serializer
        )


def _to_proto(value: np.ndarray) -> tensor_pb2.TensorProto:
    """Returns a message with typed fields, as TensorFlow Serving answers."""
    if value.dtype.name not in _FIELDS:
        return tf.make_tensor_proto(value)
    field = {_FIELDS[value.dtype.name]: value.ravel().tolist()}
    dtype, shape = tf.as_dtype(value.dtype), tf.TensorShape(value.shape)
    return tensor_pb2.TensorProto(
        dtype=dtype.as_datatype_enum, tensor_shape=shape.as_proto(), **field
    )
