"""The model card: what a version is, readable without TensorFlow."""

import collections
import datetime
import json
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

import tfp_lcma
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.flow_model import FlowModel
from tfp_lcma.serving.fields import Field
from tfp_lcma.serving.signatures import Signature

MODEL_CARD = "assets.extra/model.json"


def model_card(
    model: FlowModel,
    signatures: Sequence[Signature],
    *,
    recipe: Mapping[str, Any] | None,
    metrics: Mapping[str, Any] | None,
    network_dtype: str | None,
    jit_compile: bool,
    warm_up_requests: int,
) -> dict[str, Any]:
    """Returns what JSON holds about an exported model.

    Args:
      model: The model.
      signatures: Its signatures.
      recipe: How it was trained; None: not told.
      metrics: How good it is; None: not told.
      network_dtype: The type that its networks were exported in; None: their own.
      jit_compile: Whether XLA compiles its signatures.
      warm_up_requests: Number of requests in the warm-up file.
    """
    flow = model.flow
    return {
        "event_shape": list(model.event_shape),
        "bins": model.bins,
        "dtype": flow.dtype.name,
        "network_dtype": network_dtype,
        "jit_compile": jit_compile,
        "conditions": model.conditions,
        "flow": {
            "class": type(flow).__name__,
            "parameters": model.count_params(),
            "preprocessing": type(model.preprocessing).__name__,
            "bijectors": _counted(flow),
        },
        "factorization": _described(getattr(flow, "factorization", None)),
        "exit_prior": _described(getattr(flow, "exit_prior", None)),
        "exit_map": None if flow.exit_map is None else flow.exit_map.tolist(),
        "recipe": None if recipe is None else dict(recipe),
        "metrics": None if metrics is None else dict(metrics),
        "versions": {
            "python": platform.python_version(),
            **{library.__name__: library.__version__ for library in (tfp_lcma, tf, keras, tfp, np)},
        },
        "warm_up_requests": warm_up_requests,
        "signatures": {signature.name: _table(signature) for signature in signatures},
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def card_text(card: Mapping[str, Any]) -> str:
    """Returns a model card as JSON, one line for each of its keys."""
    lines = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in card.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _table(signature: Signature) -> dict[str, Any]:
    return {
        "meaning": signature.meaning,
        "inputs": {name: _row(field) for name, field in signature.inputs.items()},
        "outputs": {name: _row(field) for name, field in signature.outputs.items()},
    }


def _row(field: Field) -> dict[str, Any]:
    # The number of rows is open, as it is in TensorFlow's own signature.
    return {
        "dtype": field.dtype.name,
        "shape": [None, *field.shape],
        "meaning": field.meaning,
    }


def _counted(flow: FlowBijector) -> dict[str, int]:
    """Returns how many parts of each class a flow has."""
    parts = [type(part).__name__ for part in flow.submodules if isinstance(part, FlowBijector)]
    return dict(sorted(collections.Counter(parts).items()))


def _described(configured) -> dict[str, Any] | None:
    """Returns an object's class and those of its arguments that are a word or a number."""
    if configured is None:
        return None
    plain = {
        name: value
        for name, value in configured.get_config().items()
        if isinstance(value, str | int | float | bool)
    }
    return {"class": type(configured).__name__} | plain
