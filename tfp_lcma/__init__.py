"""Normalizing flows on images in which the data decide which dimensions are factored out early.

Names are imported when they are first used: TensorFlow takes seconds, and who asks for the version
or for the command line's help does not need it.
"""

import importlib
from typing import TYPE_CHECKING

from tfp_lcma.registration import register_when_asked
from tfp_lcma.version import __version__

if TYPE_CHECKING:
    from tfp_lcma import (
        bijectors,
        density,
        factorizations,
        keras_model,
        models,
        multi_scale,
        networks,
        pretrained,
        priors,
        serving,
        testing,
    )
    from tfp_lcma.bijectors import transforms
    from tfp_lcma.density import FlowDistribution, anomaly
    from tfp_lcma.factorizations.statistics import LogDetStatistics
    from tfp_lcma.keras_model import (
        ChannelChoices,
        ChannelWatch,
        FlowModel,
        ImageSummary,
        LogDetCollector,
        OnlineSplit,
        channel_choices,
    )
    from tfp_lcma.serving import export_saved_model

__all__ = [
    "ChannelChoices",
    "ChannelWatch",
    "FlowDistribution",
    "FlowModel",
    "ImageSummary",
    "LogDetCollector",
    "LogDetStatistics",
    "OnlineSplit",
    "__version__",
    "anomaly",
    "bijectors",
    "channel_choices",
    "density",
    "export_saved_model",
    "factorizations",
    "keras_model",
    "models",
    "multi_scale",
    "networks",
    "pretrained",
    "priors",
    "serving",
    "testing",
    "transforms",
]

# Rooms in rooms that have a name of their own here.
_INNER = {"anomaly": "density.anomaly", "transforms": "bijectors.transforms"}
# The rooms of the other names.
_HOMES = {
    "ChannelChoices": "keras_model",
    "ChannelWatch": "keras_model",
    "FlowDistribution": "density",
    "FlowModel": "keras_model",
    "ImageSummary": "keras_model",
    "LogDetCollector": "keras_model",
    "LogDetStatistics": "factorizations",
    "OnlineSplit": "keras_model",
    "channel_choices": "keras_model",
    "export_saved_model": "serving",
}

register_when_asked()

# A type checker would take every name for one that this function knows.
if not TYPE_CHECKING:

    def __getattr__(name: str):
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name in _HOMES:
            found = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        else:
            found = importlib.import_module(f"{__name__}.{_INNER.get(name, name)}")
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted(__all__)
