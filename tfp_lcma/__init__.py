"""Normalizing flows on images in which the data decide which dimensions are factored out early."""

from tfp_lcma import bijectors, density, factorizations, models, multi_scale, networks, priors
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
from tfp_lcma.version import __version__

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
    "models",
    "multi_scale",
    "networks",
    "priors",
    "transforms",
]
