"""An exported SavedModel in a session of TensorFlow's C++ runtime."""

import os
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from tfp_lcma.training.tryout.checks import check_inputs
from tfp_lcma.training.tryout.errors import RequestError, from_session, shown
from tfp_lcma.training.tryout.model_card import ModelCard, read_card
from tfp_lcma.training.tryout.session import Served, latest_version
from tfp_lcma.training.tryout.signatures import Signature, read_signatures

DEFAULT_SIGNATURE = "serving_default"


class ServedModel:
    """The largest version of a model, ready to be asked. Threads may ask at the same time.

    Attributes:
        name: that of the model's folder.
        version: which version is loaded.
        definitions: the signatures as protos, by name.
        signatures: the same, read.
        card: the export's model card; None if it has none.
    """

    def __init__(self, directory: Path):
        """Loads a model.

        Args:
            directory: the model's folder, `<name>/`, with `<version>/` in it.

        Raises:
            ValueError: there is no version, or it cannot be loaded.
        """
        directory = Path(os.path.abspath(directory))  # a link keeps its own name
        export = latest_version(directory)
        self.name, self.version = directory.name, int(export.name)
        self.card: ModelCard | None = read_card(export)
        try:
            self._served = Served(export)
        except (OSError, RuntimeError, tf.errors.OpError) as error:
            raise ValueError(f"{export} cannot be loaded as a SavedModel: {error}") from error
        self.definitions = self._served.signatures
        self.signatures: dict[str, Signature] = read_signatures(self.definitions)

    def check_servable(self, name: str, version: int | None = None) -> None:
        """Checks that a request means this model.

        Raises:
            RequestError: it means another model or version.
        """
        if name != self.name or version not in (None, self.version):
            raise RequestError(
                f"{shown(name)}{'' if version is None else f', version {version},'} is not served "
                f"here; {self.name}, version {self.version}, is.",
                grpc.StatusCode.NOT_FOUND,
            )

    def signature(self, name: str) -> Signature:
        """Returns a signature by name.

        Raises:
            RequestError: there is none of that name; TensorFlow Serving's code for it.
        """
        if name not in self.signatures:
            raise RequestError(
                f"signature must be one of {', '.join(self.signatures)}; got {shown(name)}.",
                grpc.StatusCode.FAILED_PRECONDITION,
            )
        return self.signatures[name]

    def predict(
        self, name: str, inputs: dict[str, np.ndarray], outputs: list[str] | None = None
    ) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
            name: the signature's.
            inputs: a value for every input of the signature.
            outputs: which outputs to return; all of them if empty or None.

        Returns:
            The outputs by name.

        Raises:
            RequestError: the request does not fit the signature, or the session refuses it.
        """
        signature = self.signature(name)
        for key in outputs or ():
            if key not in signature.outputs:
                raise RequestError(
                    f"outputs of {name} are {', '.join(signature.outputs)}; got {shown(key)}."
                )
        check_inputs(name, signature, inputs, self.card)
        try:
            answer = self._served.ask(name, **inputs)
        except tf.errors.OpError as error:
            raise from_session(error) from error
        except RuntimeError as error:  # what a closed session raises
            raise RequestError("the server is stopping.", grpc.StatusCode.UNAVAILABLE) from error
        return {key: answer[key] for key in outputs or signature.outputs}

    def close(self) -> None:
        """Frees the session; requests after that are answered with an error."""
        self._served.close()
