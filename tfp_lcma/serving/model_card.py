"""The model card: what a version is, readable without TensorFlow."""

import collections
import dataclasses
import datetime
import json
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.repeated import Repeated
from tfp_lcma.export_layout import MAX_ROWS
from tfp_lcma.keras_model.flow_model import FlowModel
from tfp_lcma.serving.encoded import FilePixels
from tfp_lcma.serving.fields import Field
from tfp_lcma.serving.signatures import Signature
from tfp_lcma.version import __version__


def model_card(
    model: FlowModel,
    signatures: Sequence[Signature],
    *,
    recipe: Mapping[str, Any] | None,
    metrics: Mapping[str, Any] | None,
    files: FilePixels | None,
    network_dtype: str | None,
    jit_compile: bool,
    warm_up_requests: int,
) -> dict[str, Any]:
    """Returns what JSON holds about an exported model.

    Args:
        model: The model.
        signatures: Its signatures.
        recipe: How it was trained; None: unknown.
        metrics: How good it is; None: unknown.
        files: What is made of image files; None: none are taken.
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
        "seed": model.seed,
        "flow": {
            "class": type(flow).__name__,
            "parameters": model.count_params(),
            "preprocessing": type(model.preprocessing).__name__,
            "bijectors": _counted(flow),
        },
        "factorization": _described(getattr(flow, "factorization", None)),
        "exit_prior": _described(getattr(flow, "exit_prior", None)),
        "dequantization": _described(model.dequantization),
        "exit_map": None if flow.exit_map is None else flow.exit_map.tolist(),
        "recipe": None if recipe is None else dict(recipe),
        "metrics": None if metrics is None else dict(metrics),
        "pixels": None if files is None else dataclasses.asdict(files),
        "versions": {
            "python": platform.python_version(),
            "tfp_lcma": __version__,
            **{library.__name__: library.__version__ for library in (tf, keras, tfp, np)},
        },
        "max_rows": MAX_ROWS,
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
    """Returns how many parts of each class a flow has, those of every repeated step too."""
    counts = collections.Counter(type(part).__name__ for part in flow.parts[1:])
    for part in flow.parts:
        if isinstance(part, Repeated):
            step = collections.Counter(_counted(part.step))
            step[type(part.step).__name__] += 1
            counts.update({name: part.times * count for name, count in step.items()})
    return dict(sorted(counts.items()))


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
