"""Normalizing flows on images in which the data decide which dimensions leave early."""

from tfp_lcma import anomaly, bijectors, factorizations, models, networks, priors
from tfp_lcma.callbacks import LogDetCollector
from tfp_lcma.channel_watch import ChannelChoices, ChannelWatch, channel_choices
from tfp_lcma.distribution import FlowDistribution
from tfp_lcma.factorizations.statistics import LogDetStatistics
from tfp_lcma.flow_model import FlowModel
from tfp_lcma.online_split import OnlineSplit
from tfp_lcma.serving import export_saved_model

__version__ = "0.1.0"

__all__ = [
    "ChannelChoices",
    "ChannelWatch",
    "FlowDistribution",
    "FlowModel",
    "LogDetCollector",
    "LogDetStatistics",
    "OnlineSplit",
    "anomaly",
    "bijectors",
    "channel_choices",
    "export_saved_model",
    "factorizations",
    "models",
    "networks",
    "priors",
]
