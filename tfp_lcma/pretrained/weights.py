"""A trained model in one file: its configuration, as Keras has it, and its weights."""

import hashlib
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfp_lcma.files import written_whole
from tfp_lcma.keras_model.flow_model import FlowModel
from tfp_lcma.pretrained.cards import FORMAT, check_format, read_card

MODEL = "model.npz"


def write_model(folder: Path, model: FlowModel, dtype: str) -> str:
    """Writes a model's configuration and weights, the same bytes for the same model.

    Args:
        folder: Where its file is put.
        model: A trained model.
        dtype: What weights of 32 bits are rounded to, "float16" or "float32".

    Returns:
        The file's checksum, of SHA-256.
    """
    config = json.dumps(keras.saving.serialize_keras_object(model)).encode()
    arrays: dict[str, Any] = {"format": FORMAT, "config": np.frombuffer(config, np.uint8)}
    for number, weight in enumerate(model.get_weights()):
        arrays[f"weight_{number}"] = rounded(weight, dtype)
    with written_whole(folder / MODEL) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)
    return _checksum(folder / MODEL)


def rounded(weight: np.ndarray, dtype: str) -> np.ndarray:
    """Returns a weight as it is written; one that is not of 32 bits stays as it is."""
    return weight.astype(dtype) if weight.dtype == np.float32 else weight


def read_model(folder: Path) -> FlowModel:
    """Reads the model in a folder, having checked that its card is of this very file.

    Raises:
        ValueError: If card or model are of another format, or the checksum is another.
    """
    path = folder / MODEL
    expected = read_card(folder)["sha256"]
    if not path.is_file() or _checksum(path) != expected:
        raise ValueError(
            f"{path} must be the file that its card was written for, with SHA-256 {expected}; it "
            f"{'is damaged or another' if path.is_file() else 'is missing'}."
        )
    with np.load(path, allow_pickle=False) as arrays:
        check_format(path, int(arrays["format"]))
        model = keras.saving.deserialize_keras_object(json.loads(arrays["config"].tobytes()))
        model.set_weights([arrays[f"weight_{n}"] for n in range(len(model.weights))])
    return model


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
