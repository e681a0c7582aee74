"""An exported SavedModel in a session of TensorFlow's C++ runtime, and what it may be asked."""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from grpc import StatusCode
from tensorflow.core.protobuf import meta_graph_pb2

from tfp_lcma.export_layout import MODEL_CARD
from tfp_lcma.training.data.pixels import PixelSettings
from tfp_lcma.training.tryout.checks import check_inputs, scaled_images
from tfp_lcma.training.tryout.errors import RequestError, shown
from tfp_lcma.training.tryout.session import Served, first_line, warm_up_requests
from tfp_lcma.training.tryout.versions import latest_version

_CODES = {code.value[0]: code for code in StatusCode}


class ServedModel:
    """The largest version of a model, ready to be asked. Threads may ask at the same time.

    Attributes:
        name: That of the model's folder.
        version: Which version is loaded.
        signatures: TensorFlow's own `SignatureDef` of every signature, by name.
        card: The export's model card; None if it has none.
        pixels: How an image file becomes an image of the model; None if unknown.
    """

    def __init__(self, directory: Path):
        """Loads a model and runs the export's warm-up requests.

        Args:
            directory: The model's folder, `<name>/`, with `<version>/` in it.

        Raises:
            ValueError: If there is no version, or it cannot be loaded.
        """
        directory = Path(os.path.abspath(directory))  # a link keeps its own name
        export = latest_version(directory)
        self.name, self.version = directory.name, int(export.name)
        self.card, self.pixels = _read_card(export / MODEL_CARD)
        try:
            self._served = Served(export)
            for name, inputs in warm_up_requests(export):
                self._served.ask(name, inputs)
        except (OSError, RuntimeError, ValueError, tf.errors.OpError) as error:
            raise ValueError(
                f"{export} cannot be loaded as a SavedModel: {first_line(error)}"
            ) from error
        self.signatures = self._served.signatures

    def signature(self, name: str) -> meta_graph_pb2.SignatureDef:
        """Returns a signature by name.

        Raises:
            RequestError: If there is none of that name; TensorFlow Serving's code for it.
        """
        if name not in self.signatures:
            names = ", ".join(sorted(self.signatures))
            raise RequestError(
                f"{shown(name)} must be a signature, one of {names}.",
                StatusCode.FAILED_PRECONDITION,
            )
        return self.signatures[name]

    def predict(
        self, name: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str], seconds: float
    ) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
            name: The signature's.
            inputs: A value for every input of the signature.
            outputs: Which outputs to return; all of them if empty.
            seconds: How long it may take.

        Returns:
            The outputs by name.

        Raises:
            RequestError: If the request does not fit the signature, or the session refuses it.
        """
        signature = self.signature(name)
        wanted = list(outputs) or sorted(signature.outputs)
        if not set(wanted) <= set(signature.outputs) or len(set(wanted)) < len(wanted):
            names = ", ".join(sorted(signature.outputs))
            raise RequestError(f"outputs must be different ones of {names}; got {shown(wanted)}.")
        check_inputs(signature, inputs, self.card and self.card["event_shape"][:2])
        try:
            answer = self._served.ask(name, inputs, seconds)
        except tf.errors.OpError as error:
            code = _CODES.get(error.error_code, StatusCode.INTERNAL)
            raise RequestError(f"the model refused: {first_line(error)}", code) from error
        return {key: answer[key] for key in wanted}

    def warning(self, inputs: Mapping[str, np.ndarray]) -> str | None:
        """Returns, and logs, what is odd about inputs that were answered; None if nothing is."""
        text = scaled_images(inputs, self.card and self.card["bins"])
        if text is not None:
            logging.getLogger("tfp_lcma").warning(text)
        return text

    def close(self) -> None:
        """Frees the session."""
        self._served.close()


def _read_card(path: Path) -> tuple[dict[str, Any] | None, PixelSettings | None]:
    if not path.exists():
        return None, None
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        (_, _, _), _, _ = card["event_shape"], card["bins"], card["conditions"]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} must be a model card with event_shape, bins and conditions; "
            f"got {type(error).__name__}: {error}."
        ) from error
    if card.get("pixels"):
        return card, PixelSettings.from_config(card["pixels"])
    return card, PixelSettings.usual(card["event_shape"], card["bins"])
