"""What a server says of its model: TensorFlow Serving's protos, for gRPC and, as JSON, for REST."""

from typing import Any

from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, model_pb2
from tfp_lcma.training.tryout.model import ServedModel


def model_spec(model: ServedModel, signature_name: str = "") -> model_pb2.ModelSpec:
    """Returns the model's name and version."""
    spec = model_pb2.ModelSpec(name=model.name, signature_name=signature_name)
    spec.version.value = model.version
    return spec


def status(model: ServedModel) -> get_model_status_pb2.GetModelStatusResponse:
    """Returns the states of the versions: one, available."""
    version = get_model_status_pb2.ModelVersionStatus(
        version=model.version, state=get_model_status_pb2.ModelVersionStatus.AVAILABLE
    )
    version.status.SetInParent()  # OK, without a message
    return get_model_status_pb2.GetModelStatusResponse(model_version_status=[version])


def metadata(model: ServedModel) -> get_model_metadata_pb2.GetModelMetadataResponse:
    """Returns the signatures."""
    answer = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=model_spec(model))
    answer.metadata["signature_def"].Pack(_signature_map(model))
    return answer


def status_json(model: ServedModel) -> dict[str, Any]:
    """Returns `status` as TensorFlow Serving's REST API writes it."""
    return _as_json(status(model))


def metadata_json(model: ServedModel) -> dict[str, Any]:
    """Returns `metadata` as TensorFlow Serving's REST API writes it."""
    return {
        "model_spec": _as_json(model_spec(model)),
        "metadata": {"signature_def": _as_json(_signature_map(model))},
    }


def page_json(model: ServedModel) -> dict[str, Any]:
    """Returns what the page asks for: name, version, signatures' names and the model card."""
    return {
        "name": model.name,
        "version": model.version,
        "signatures": list(model.signatures),
        "card": model.card and model.card.contents,
    }


def _signature_map(model):
    signatures = get_model_metadata_pb2.SignatureDefMap()
    for name, definition in model.definitions.items():
        signatures.signature_def[name].CopyFrom(definition)
    return signatures


def _as_json(message):
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
