"""An exported version in a plain TensorFlow session, which is what TensorFlow Serving runs."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf import message
from tensorflow_serving.apis import prediction_log_pb2

from tfp_lcma.export_layout import WARM_UP
from tfp_lcma.training.tryout.quiet import quiet

# What TensorFlow lists among the signatures but nobody may ask.
_OWN = "__saved_model"


def warm_up_requests(version: Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yields the signature and the inputs of every warm-up request of a version.

    Raises:
        ValueError: If the file holds something else.
        tf.errors.OpError: If it is damaged.
    """
    if not (version / WARM_UP).exists():
        return
    for record in tf.data.TFRecordDataset(str(version / WARM_UP)).as_numpy_iterator():
        try:
            request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        except message.DecodeError as error:
            raise ValueError(f"{WARM_UP} must hold PredictionLogs: {error}") from error
        inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
        yield request.model_spec.signature_name, inputs


def first_line(error: Exception) -> str:
    """Returns what an error says, without TensorFlow's names of nodes and traces."""
    # A session raises its error anew with the trace of the graph's making put before the
    # message, which the first one has.
    text = str(getattr(error.__context__, "message", "") or getattr(error, "message", error))
    text = text.rpartition("}} ")[2].split("\n")[0].split("[[")[0].strip()
    return text or type(error).__name__


class Served:
    """Loads a SavedModel without any of the Python objects it was made of.

    Attributes:
        signatures: TensorFlow's own `SignatureDef` of every signature, by name.
    """

    def __init__(self, version: Path):
        """Loads the version in a folder; `close` gives its memory back."""
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        # The loader of TensorFlow 1 is what is wanted, and says that it is old.
        with self._session.graph.as_default(), quiet("tensorflow"):
            loaded = tf.compat.v1.saved_model.loader.load(
                self._session, [tf.saved_model.SERVING], str(version)
            )
        self.signatures = {
            name: definition
            for name, definition in loaded.signature_def.items()
            if not name.startswith(_OWN)
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """Ends the session."""
        self._session.close()

    def ask(
        self, name: str, inputs: Mapping[str, np.ndarray], seconds: float | None = None
    ) -> dict[str, np.ndarray]:
        """Returns the outputs of a signature, by name.

        Args:
            name: The signature's.
            inputs: The inputs by name.
            seconds: How long it may take; None: as long as it needs.

        Raises:
            ValueError: If there is no such signature, or it takes other inputs.
        """
        if name not in self.signatures:
            known = ", ".join(sorted(self.signatures))
            raise ValueError(f"signature must be one of {known}; got {name!r}.")
        definition = self.signatures[name]
        if set(inputs) != set(definition.inputs):
            raise ValueError(
                f"{name} takes {', '.join(sorted(definition.inputs))}; got "
                f"{', '.join(sorted(inputs)) or 'nothing'}."
            )
        feed = {definition.inputs[key].name: value for key, value in inputs.items()}
        outputs = {key: info.name for key, info in definition.outputs.items()}
        options = None
        if seconds is not None:
            options = tf.compat.v1.RunOptions(timeout_in_ms=max(1, int(1000 * seconds)))
        return self._session.run(outputs, feed, options)

    def prepared(self, name: str, given: str, wanted: str) -> Callable[[np.ndarray], np.ndarray]:
        """Returns the shortest way from one input of a signature to one of its outputs."""
        definition = self.signatures[name]
        return self._session.make_callable(
            definition.outputs[wanted].name, [definition.inputs[given].name]
        )
