"""A copy of a model whose networks compute in another type."""

from typing import Any

import keras

from tfp_lcma.bijectors.coupling import Coupling
from tfp_lcma.keras_model.flow_model import FlowModel

# The Keras policy that computes in a type and keeps weights in float32.
_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
NETWORK_DTYPES = tuple(_POLICIES)


def with_network_dtype(model: FlowModel, network_dtype: str) -> FlowModel:
    """Returns a copy of a model in which the couplings' networks compute in another type.

    The flow's own arithmetic, its log-dets, exit priors and all weights stay as they are. A
    coupling asks its network about the same part of the image in either direction, but for the
    last bit of float32, by which rounding may end at another number of bfloat16: images come back
    less exactly. Densities and samples change by what the type loses.

    Args:
        model: A model in float32 with couplings.
        network_dtype: "float32" or "bfloat16".

    Raises:
        ValueError: If `network_dtype` is neither, the model is not in float32, or
            it has no couplings.
    """
    if network_dtype not in _POLICIES:
        raise ValueError(
            f"network_dtype must be None or one of {', '.join(_POLICIES)}; got {network_dtype!r}."
        )
    if model.flow.dtype.name != "float32":
        raise ValueError(
            f"network_dtype must be None for a flow in {model.flow.dtype.name}; got "
            f"{network_dtype!r}."
        )
    if not any(isinstance(part, Coupling) for part in model.flow.kinds):
        raise ValueError(
            f"network_dtype must be None for a flow without couplings; got {network_dtype!r}. "
            "Residual blocks are inverted by an iteration that needs the flow's own type."
        )
    config = keras.saving.serialize_keras_object(model)
    copy = keras.saving.deserialize_keras_object(_changed(config, _POLICIES[network_dtype]))
    copy.set_weights(model.get_weights())
    return copy


def _changed(config: Any, policy: str) -> Any:
    """Returns a serialised object with the type of its couplings' networks changed."""
    if isinstance(config, list | tuple):
        return type(config)(_changed(part, policy) for part in config)
    if not isinstance(config, dict):
        return config
    changed = {name: _changed(part, policy) for name, part in config.items()}
    kind = keras.saving.get_registered_object(config.get("registered_name") or "")
    if isinstance(kind, type) and issubclass(kind, Coupling):
        changed["config"]["network"]["config"]["dtype"] = policy
    return changed
